/* Loaded before a program, gives it a clock of so many ns a step (COARSE_NS, 4 000 000 by default; 0: a clock that stands still):
 *   cc -shared -fPIC -o coarse.so coarse_clock.c && COARSE_NS=4000000 LD_PRELOAD=./coarse.so roofprobe … */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    static long long step = -1;
    if (step < 0) {
        const char *given = getenv("COARSE_NS");
        step = given ? atoll(given) : 4000000;
    }
    long failed = syscall(SYS_clock_gettime, id, now);
    if (failed) return (int)failed;
    long long ns = now->tv_sec * 1000000000LL + now->tv_nsec;
    ns = step ? ns / step * step : 1700000000LL * 1000000000LL;
    now->tv_sec = ns / 1000000000LL;
    now->tv_nsec = ns % 1000000000LL;
    return 0;
}
