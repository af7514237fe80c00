#!/usr/bin/env bash
# growth.sh ROOFPROBE [MINUTES]: whether memory, threads, open files or kept files grow: one process that measures again and again,
# and beside it one run after another. On Linux. docs/surroundings.md has what came of it.
set -u
R=$(realpath "$1"); minutes=${2:-15}
work=$(mktemp -d); cd "$work" || exit 1
export ROOFPROBE_DIR="$work/kept" HOME="$work"

# Memory (MiB), threads and open files of a process, as they are now.
now() { awk '/^VmRSS/ {m = $2 / 1024} /^Threads/ {t = $2} END {printf "%d %d ", m, t}' "/proc/$1/status"; ls "/proc/$1/fd" | wc -l; }

# The least and the most of each column.
range() { awk '{for (i = 1; i <= NF; i++) {if (NR == 1 || $i < a[i]) a[i] = $i; if ($i > b[i]) b[i] = $i}}
  END {printf "%d to %d MiB, %d to %d threads, %d to %d open files (%d readings)\n", a[1], b[1], a[2], b[2], a[3], b[3], NR}'; }

"$R" measure --effort quick --until-stable --limit "$minutes" --only 'compute.*' -o one.toml >one.out 2>&1 &
one=$!
end=$((SECONDS + minutes * 60)); runs=0
while [ $SECONDS -lt $end ]; do
  "$R" measure --effort quick --only 'compute.f32*' >/dev/null 2>&1 &
  run=$!; runs=$((runs + 1)); seen=$SECONDS
  while kill -0 $run 2>/dev/null; do
    if [ $SECONDS -gt $seen ]; then now $run >>"run$((runs % 2)).tsv" 2>/dev/null; fi
    kill -0 $one 2>/dev/null && now $one >>one.tsv 2>/dev/null
    sleep 1
  done
  ls "$ROOFPROBE_DIR"/* 2>/dev/null | wc -l >>files.tsv
done
wait $one; echo "one process: exit code $?"
third=$(($(wc -l <one.tsv) / 3))
echo "  its first third: $(head -n $third one.tsv | range)"
echo "  its last third:  $(tail -n $third one.tsv | range)"
echo "$runs runs: $(cat run?.tsv | range)"
echo "files kept after the first run, and after the last: $(head -n 1 files.tsv), $(tail -n 1 files.tsv)"
ls -R "$ROOFPROBE_DIR" | tail -n 20
rm -rf "$work"
