#!/usr/bin/env bash
# try.sh ROOFPROBE [ROW…]: runs the program in surroundings that hide, forbid or limit something, and prints what it says. As root on Linux
# with control groups of version 1. docs/surroundings.md has what came of it. Each row takes some 15 s.
set -u
here=$(cd "$(dirname "$0")" && pwd)
R=$(realpath "$1"); shift
rows=("$@")
work=$(mktemp -d); cd "$work" || exit 1
export HOME="$work/home" ROOFPROBE_DIR="$work/kept"; mkdir -p "$HOME"
ask="--effort quick --only compute.f32 --only memory.dram.read"
deny="python3 $here/deny.py"
cc -shared -fPIC -o coarse.so "$here/coarse_clock.c" 2>/dev/null

row() {
  local name=$1; shift
  [ ${#rows[@]} -gt 0 ] && [[ " ${rows[*]} " != *" $name "* ]] && return
  echo "=== $name: $*"
  timeout -k 5 120 bash -c "$*" >out 2>&1; local code=$?
  grep -vE '^\[ *[0-9]+ %\]|^measuring|^profile written|^--all|^─|^Ridge' out | tail -n "${LINES_SHOWN:-9}"
  echo "--- exit code $code"
}

# A control group with a limit, around a command: group CONTROLLER FILE VALUE COMMAND…
group() {
  local folder
  if [ -d "/sys/fs/cgroup/$1" ]; then folder=/sys/fs/cgroup/$1/roofprobe-try; else folder=/sys/fs/cgroup/roofprobe-try; fi
  mkdir -p "$folder"
  if [ "$1" = cpuset ] && [ -e "$folder/cpuset.mems" ]; then echo 0 >"$folder/cpuset.mems"; fi
  echo "$3" >"$folder/$2" && (echo $BASHPID >"$folder/cgroup.procs"; shift 3; exec "$@")
  local code=$?; rmdir "$folder" 2>/dev/null; return $code
}
export -f group
export R ask deny

row memory-group "group memory memory.limit_in_bytes 512M \$R measure $ask -o a.toml"
row memory-group-fits "group memory memory.limit_in_bytes 9800M \$R measure $ask -o fits.toml; \$R evaluate llama-3.1-8b --weights f16 -p fits.toml --roof peak | grep -E 'MiB'"
row memory-ulimit "ulimit -v 524288; \$R measure $ask -o b.toml"
row quota "group cpu cpu.cfs_quota_us 50000 \$R measure $ask -o c.toml"
row cpuset "group cpuset cpuset.cpus 1 \$R measure $ask -o d.toml"
row affinity "taskset -c 1 \$R measure $ask -o e.toml"
row no-proc "unshare -m sh -c 'mount -t tmpfs none /proc; \$R measure $ask -o f.toml'; \$R show f.toml | head -3"
row no-sys "unshare -m sh -c 'mount -t tmpfs none /sys; \$R measure $ask -o g.toml'"
row no-proc-no-sys "unshare -m sh -c 'mount -t tmpfs none /proc; mount -t tmpfs none /sys; \$R measure $ask -o h.toml'"
row no-setaffinity "\$deny sched_setaffinity \$R measure $ask -o i.toml"
row no-getaffinity "\$deny sched_getaffinity,sched_setaffinity \$R measure $ask -o j.toml"
row no-numa-no-perf "\$deny mbind,set_mempolicy,perf_event_open \$R measure $ask -o k.toml"
row no-madvise "\$deny madvise \$R measure $ask -o l.toml"
row no-threads "chmod 755 $work; for what in 'measure $ask -o /tmp/roofprobe-no-threads.toml' devices 'sweep llama-3.2-1b -p amd-epyc-zen4-2c --over context=1..3'; do setpriv --reuid=65534 --clear-groups prlimit --nproc=1 \$R \$what 2>&1 | tail -n 2; done"
row read-only-home "unshare -m sh -c 'mkdir -p ro; mount -t tmpfs none ro; mount -o remount,ro ro; HOME=\$PWD/ro ROOFPROBE_DIR= \$R measure --effort quick --only compute.f32'"
row no-home "env -u HOME -u ROOFPROBE_DIR \$R measure --effort quick --only compute.f32 | head -3"
row full-disk "unshare -m sh -c 'mkdir -p small; mount -t tmpfs -o size=8k none small; head -c 8192 /dev/zero > small/fill; \$R measure --effort quick --only compute.f32 -o small/m.toml; ls -la small'"
row disk-fills "unshare -m sh -c 'mkdir -p small; mount -t tmpfs -o size=400k none small; (sleep 4; head -c 1M /dev/zero > small/fill) & \$R measure --effort quick -o small/m.toml; rm small/fill; ls small; \$R measure --resume -o small/m.toml | head -2; ls small'"
row coarse-clock "COARSE_NS=4000000 LD_PRELOAD=./coarse.so \$R measure $ask -o m.toml"
row microsecond-clock "COARSE_NS=1000 LD_PRELOAD=./coarse.so \$R measure $ask -o n.toml"
row frozen-clock "COARSE_NS=0 LD_PRELOAD=./coarse.so \$R measure $ask -o o.toml"
rm -rf "$work"
