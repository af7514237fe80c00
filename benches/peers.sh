#!/bin/bash
# roofprobe beside likwid-bench, interleaved in one run: A B A B …, then the medians and their ratios.
#
#   benches/peers.sh [ROUNDS]        (default 10)
#
# The peer's figure is the median of the fastest quarter of its runs, its upper mode on a noisy machine; ours is the
# median of what the tool reports. Quiet the machine first. A peer that is not installed is named as missing.
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

likwid() { # kernel size → figure in 10^9 per second
    local passes=()
    case $1 in peakflops*) ;; *) passes=(-i 12) ;; esac
    likwid-bench -t "$1" -w "S0:$2:$threads" "${passes[@]}" 2>/dev/null |
        awk '/^MByte\/s|^MFlops\/s/ {v[$1] = $2} END {key = ("MFlops/s:" in v) ? "MFlops/s:" : "MByte/s:"; print v[key] / 1000}'
}
bandwidth() { likwid-bench -t "$1" -w "S0:$2:$threads" -i 12 2>/dev/null | awk '/^MByte\/s/ {print $2 / 1000}'; }

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    "$roofprobe" measure --effort quick -o "$work/p.toml" --format csv \
        --only 'memory.dram.{read,copy,triad}' --only 'compute.{f32,f64}' >"$work/ours.csv" 2>/dev/null
    while read -r id kernel size unit; do
        case $unit in GB/s) theirs=$(bandwidth "$kernel" "$size") ;; *) theirs=$(likwid "$kernel" "$size") ;; esac
        ours=$(awk -F, -v id="$id" '$1 == id {print $2}' "$work/ours.csv")
        echo "$id $kernel $unit $ours $theirs" >>"$work/pairs"
    done <<<"$cases"
done

echo "$(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), $threads threads, $rounds interleaved rounds"
printf '%-20s %-26s %-8s %10s %10s %12s %8s\n' ceiling peer unit roofprobe peer 'peer median' ratio
while read -r id kernel size unit; do
    awk -v id="$id" -v kernel="$kernel" '$1 == id && $2 == kernel {print $4, $5}' "$work/pairs" >"$work/case"
    ours=$(cut -d' ' -f1 "$work/case" | sort -n | awk '{v[NR] = $1} END {print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2}')
    cut -d' ' -f2 "$work/case" | sort -n >"$work/theirs"
    median=$(awk '{v[NR] = $1} END {print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2}' "$work/theirs")
    upper=$(awk '{v[NR] = $1} END {q = int((NR + 3) / 4); f = NR - q; print (v[f + int((q + 1) / 2)] + v[f + int(q / 2) + 1]) / 2}' "$work/theirs")
    printf '%-20s %-26s %-8s %10.2f %10.2f %12.2f %8.3f\n' "$id" "$kernel" "$unit" "$ours" "$upper" "$median" \
        "$(awk -v a="$ours" -v b="$upper" 'BEGIN {print a / b}')"
done <<<"$cases"
