#!/bin/bash
# roofprobe beside likwid-bench, interleaved in one run: A B A B …, then the medians and their ratios.
#
#   benches/peers.sh [ROUNDS]        (default 10)
#
# Both sides get the same statistics over their runs: the median of the fastest quarter (the upper mode of a noisy machine)
# and the median of all. Quiet the machine first. A peer that is not installed is named as missing.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-10}

if ! command -v likwid-bench >/dev/null; then
    echo "missing: likwid-bench (Debian: apt-get install likwid)" >&2
    exit 1
fi
cargo build --release --quiet
roofprobe=$PWD/target/release/roofprobe
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
threads=$(nproc)
isa=avx
grep -q -w avx512f /proc/cpuinfo && isa=avx512

# roofprobe's ceiling, likwid's kernel, working set, unit. likwid's triad has four streams; its "stream" is STREAM's triad.
cases="memory.dram.read load_$isa 768MB GB/s
memory.dram.copy copy_mem_$isa 768MB GB/s
memory.dram.triad stream_mem_$isa 768MB GB/s
memory.dram.triad triad_mem_$isa 768MB GB/s
compute.f32 peakflops_sp_${isa}_fma 32kB GFLOP/s
compute.f64 peakflops_${isa}_fma 32kB GFLOP/s"

likwid() { # kernel size unit → its figure in 10^9 per second
    local passes=() key='MFlops/s:'
    if [ "$3" = GB/s ]; then passes=(-i 12) key='MByte/s:'; fi
    likwid-bench -t "$1" -w "S0:$2:$threads" "${passes[@]}" 2>/dev/null | awk -v key="$key" '$1 == key {print $2 / 1000}'
}

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    "$roofprobe" measure --effort quick -o "$work/p.toml" --format csv \
        --only 'memory.dram.{read,copy,triad}' --only 'compute.{f32,f64}' >"$work/ours.csv" 2>/dev/null
    while read -r id kernel size unit; do
        theirs=$(likwid "$kernel" "$size" "$unit")
        ours=$(awk -F, -v id="$id" '$1 == id {print $2}' "$work/ours.csv")
        echo "$id $kernel $unit $ours $theirs" >>"$work/pairs"
    done <<<"$cases"
done

# The median of sorted numbers: of all (quarter 0) or of the fastest quarter (3).
median_from() { # quarter
    awk -v quarter="$1" '{v[NR] = $1} END {
        f = quarter ? NR - int((NR + 3) / 4) : 0; q = NR - f
        printf "%.2f\n", (v[f + int((q + 1) / 2)] + v[f + int(q / 2) + 1]) / 2}'
}

echo "$(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), $threads threads, $rounds interleaved rounds"
row='%-18s %-26s %-8s %10s %10s %8s %12s %12s %8s\n'
printf "$row" '' '' '' 'upper mode' '' '' 'median' '' ''
printf "$row" ceiling peer unit roofprobe peer ratio roofprobe peer ratio
while read -r id kernel size unit; do
    figures=()
    for quarter in 3 0; do
        ours=$(awk -v id="$id" -v kernel="$kernel" '$1 == id && $2 == kernel {print $4}' "$work/pairs" | sort -n | median_from $quarter)
        theirs=$(awk -v id="$id" -v kernel="$kernel" '$1 == id && $2 == kernel {print $5}' "$work/pairs" | sort -n | median_from $quarter)
        figures+=("$ours" "$theirs" "$(awk -v a="$ours" -v b="$theirs" 'BEGIN {printf "%.3f", a / b}')")
    done
    printf "$row" "$id" "$kernel" "$unit" "${figures[@]}"
done <<<"$cases"
