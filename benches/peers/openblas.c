/* One sgemm C[m×n] = A[m×k] · B[k×n] of the CBLAS it is linked with, timed: the bar for our matmul ceilings.
 *
 *   openblas version
 *   openblas M N K SECONDS   →   GFLOP/s BEST MEDIAN   (2 operations per multiply-accumulate, of passes of ≥ 10 ms)
 *
 * Threads: OPENBLAS_NUM_THREADS. A few elements are checked against a scalar loop. */
#include <cblas.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PASS_SECONDS 0.010
#define PASSES_MAX 100000

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static float *random_matrix(size_t count, uint64_t seed) {
    float *matrix = aligned_alloc(64, (count * 4 + 63) / 64 * 64);
    for (size_t i = 0; matrix && i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        matrix[i] = (float)(seed >> 40) / 8388608.0f - 1.0f;
    }
    return matrix;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "version")) {
        puts(openblas_get_config());
        return 0;
    }
    if (argc != 5) {
        fprintf(stderr, "usage: openblas M N K SECONDS\n");
        return 2;
    }
    const long m = atol(argv[1]), n = atol(argv[2]), k = atol(argv[3]);
    const double seconds = atof(argv[4]);
    if (m < 1 || n < 1 || k < 1 || !(seconds > 0)) {
        fprintf(stderr, "openblas: sizes and seconds must be positive\n");
        return 2;
    }
    float *a = random_matrix(m * k, 1), *b = random_matrix(k * n, 2), *c = random_matrix(m * n, 3);
    double *rates = malloc(PASSES_MAX * sizeof *rates);
    if (!a || !b || !c || !rates) {
        fprintf(stderr, "openblas: too little memory\n");
        return 1;
    }
    long executions = 1;
    size_t passes = 0;
    /* The first two passes wake the threads and find the number of executions. */
    for (double end = 0; passes < PASSES_MAX && (passes < 3 || now() < end); passes++) {
        double begun = now();
        for (long i = 0; i < executions; i++)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, a, k, b, n, 0.0f, c, n);
        double took = now() - begun;
        rates[passes] = 2.0 * m * n * k * executions / took / 1e9;
        if (passes == 1) {
            executions = took < PASS_SECONDS ? (long)ceil(PASS_SECONDS / took) : 1;
            end = now() + seconds;
        }
    }
    for (size_t probe = 0; probe < 8; probe++) {
        size_t row = probe * 7919 % m, column = probe * 104729 % n;
        double expected = 0, size = 0;
        for (long i = 0; i < k; i++) {
            double product = (double)a[row * k + i] * b[i * n + column];
            expected += product, size += fabs(product);
        }
        double got = c[row * n + column];
        if (fabs(got - expected) > 1e-5 * size) {
            fprintf(stderr, "openblas: element %zu,%zu is %g, and should be %g\n", row, column, got, expected);
            return 1;
        }
    }
    rates += 2, passes -= 2;
    qsort(rates, passes, sizeof *rates, ascending);
    double median = passes % 2 ? rates[passes / 2] : (rates[passes / 2 - 1] + rates[passes / 2]) / 2;
    printf("GFLOP/s %.2f %.2f\n", rates[passes - 1], median);
    return 0;
}
