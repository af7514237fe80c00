#!/bin/bash
# roofprobe beside its peers, interleaved in one run: ours, theirs, ours, theirs …, then a table of ratios.
#
#   benches/peers.sh [ROUNDS [CASES]]      default: 10 rounds of every case
#   benches/peers.sh 3 '^memory\.dram'     only the cases whose ceiling or peer matches the regular expression
#   benches/peers.sh 0                     lists the cases and names the peers that are missing
#
# Peers: likwid-bench (bandwidth, instruction peaks), oneDNN and OpenBLAS (matmuls, through the harnesses in benches/peers),
# llama.cpp's test-backend-ops (quantised matmuls, decode attention). One that is not installed is named and skipped.
# PEER_PREFIX, if set, is a command put before every peer that this system does not have itself, such as one that enters
# another root; it must give the peer this project as its working directory. It is used to build the harnesses, too.
#
# Each round asks both sides once per case. Upper mode: the median of the fastest quarter of the rounds' best figures (of the
# fastest three or fewer rounds: the fastest). Median: of the rounds' median figures. likwid-bench and test-backend-ops tell only
# the mean of a run, which stands for both. Quiet the machine first.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-10}
filter=${2:-.}
seconds=1.5
read -r -a prefix <<<"${PEER_PREFIX:-}"
threads=$(nproc)
isa=avx
grep -q -w avx512f /proc/cpuinfo 2>/dev/null && isa=avx512
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing() { echo "missing: $*" >&2; }

# The cases: roofprobe's ceiling (cube.*: its bench), the peer, the unit, and what the peer is asked.
# likwid's triad has four streams; its "stream" is STREAM's triad. Matrices differ in shape: roofprobe's are 12288 × 4096 for
# few tokens and 4096 × 4096 for many, from memory; the peers' 4096 × 14336 (llama.cpp's own case, one copy of it).
cases() {
    local level size dtype cube weights tokens
    for kernel in "read load_$isa" "copy copy_mem_$isa" "triad stream_mem_$isa" "triad triad_mem_$isa"; do
        echo "memory.dram.${kernel% *} likwid GB/s ${kernel#* } 768MB"
    done
    for level in "l1 $((24 * threads))kB" "l2 $((768 * threads))kB" "l3 12MB"; do
        size=${level#* }
        echo "memory.${level% *}.read likwid GB/s load_$isa $size"
    done
    echo "compute.f32 likwid GFLOP/s peakflops_sp_${isa}_fma $((16 * threads))kB"
    echo "compute.f64 likwid GFLOP/s peakflops_${isa}_fma $((16 * threads))kB"
    for cube in 512 1024 2048 4096; do
        for dtype in f32 bf16 i8; do echo "cube.$dtype.$cube onednn GFLOP/s $dtype $cube $cube $cube"; done
        echo "cube.f32.$cube openblas GFLOP/s $cube $cube $cube"
    done
    for dtype in f32 bf16 i8; do echo "matmul.$dtype.m1 onednn GFLOP/s $dtype 1 4096 14336"; done
    for tokens in 1 2 4 8 512; do
        for weights in q8_0 q4_0 q4_K q6_K f16 bf16 f32; do
            echo "matmul.${weights,,}.m$tokens llama GFLOP/s MUL_MAT 1 type_a=$weights,type_b=f32,m=4096,n=$tokens,k=14336,bs=.1,1.,nr=.1,1.,"
        done
    done
    # Eight query heads to one head of the cache: 4·8 FLOP for two elements of 2 bytes each.
    echo "attention.f16.decode.g8d64 llama GB/s FLASH_ATTN_EXT 0.125 hsk=64,hsv=64,nh=8,nr23=.8,1.,kv=7680,nb=1,.*type_K=f16,"
}

# Where a command is: here, behind the prefix, or nowhere. Prints the words that start it.
found() { # command
    if command -v "$1" >/dev/null; then
        echo "$1"
    elif [ ${#prefix[@]} -gt 0 ] && "${prefix[@]}" sh -c "command -v $1" >/dev/null 2>&1; then
        echo "${prefix[*]} $1"
    else
        return 1
    fi
}

declare -A start=() # peer → the words that start it

# Builds a harness where its library is: here, or behind the prefix.
build() { # peer source compiler libraries
    local peer=$1 source=$2 compiler=$3 way
    shift 3
    mkdir -p target/peers
    for way in here prefix; do
        local before=()
        if [ $way = prefix ]; then
            [ ${#prefix[@]} -gt 0 ] || continue
            before=("${prefix[@]}")
        fi
        if "${before[@]}" "$compiler" -O2 -o "target/peers/$peer" "$source" "$@" >"$work/build" 2>&1; then
            start[$peer]="${before[*]} env OMP_NUM_THREADS=$threads OPENBLAS_NUM_THREADS=$threads target/peers/$peer"
            return
        fi
    done
    missing "$peer ($compiler $source $*: $(tail -n 1 "$work/build"))"
}

find_peers() {
    local ops
    start[likwid]=$(found likwid-bench) || { unset 'start[likwid]'; missing "likwid-bench (Debian: likwid)"; }
    build onednn benches/peers/onednn.cpp g++ -std=c++17 -ldnnl
    build openblas benches/peers/openblas.c gcc -lopenblas -lm
    # Debian keeps llama.cpp's tests out of the path.
    for ops in test-backend-ops "/usr/libexec/$(uname -m)-linux-gnu/llama.cpp-tests/test-backend-ops"; do
        if start[llama]=$(found "$ops"); then return; fi
    done
    unset 'start[llama]'
    missing "test-backend-ops (Debian: llama.cpp-tests)"
}

# Each prints "BEST MEDIAN", or nothing where the peer has no such case.
likwid() { # kernel size
    local passes=() key='MFlops/s:'
    case $1 in
    load* | copy* | stream* | triad*) key='MByte/s:' ;;
    esac
    case $2 in
    768MB) passes=(-i 12) ;;
    esac
    # shellcheck disable=SC2086
    ${start[likwid]} -t "$1" -w "S0:$2:$threads" "${passes[@]}" 2>/dev/null |
        awk -v key="$key" '$1 == key {printf "%.6g %.6g\n", $2 / 1000, $2 / 1000}'
}

harness() { # peer, then its words
    local peer=$1
    shift
    # shellcheck disable=SC2086
    ${start[$peer]} "$@" "$seconds" | awk '{print $(NF - 1), $NF}'
}

llama() { # op factor parameters
    # shellcheck disable=SC2086
    ${start[llama]} perf -b CPU -o "$1" -p "$3" 2>/dev/null | awk -v factor="$2" '
        /us\/run/ && match($0, /[0-9.]+ [MGT]FLOPS/) {
            split(substr($0, RSTART, RLENGTH), word, " ")
            scale = word[2] ~ /^M/ ? 1e-3 : word[2] ~ /^T/ ? 1e3 : 1
            print word[1] * scale * factor, word[1] * scale * factor
            exit
        }'
}

theirs() { # peer, then what it is asked
    case $1 in
    likwid) likwid "$2" "$3" ;;
    llama) llama "$2" "$3" "$4" ;;
    *) harness "$@" ;;
    esac
}

ours() { # id → "BEST MEDIAN"; nothing where roofprobe has no such ceiling
    local dtype size
    case $1 in
    cube.*)
        IFS=. read -r _ dtype size <<<"$1"
        cargo bench --quiet --bench cubes -- "$dtype" "$size" "$seconds" 2>/dev/null | awk 'NF {line = $0} END {n = split(line, w, " "); if (n >= 2) print w[n - 1], w[n]}'
        ;;
    *)
        # A quick look has one and 512 tokens only.
        local effort=standard
        case $1 in
        *.m1 | *.m512 | memory.* | compute.*) effort=quick ;;
        esac
        target/release/roofprobe measure --effort $effort -o "$work/p.toml" --format csv --only "$1" 2>/dev/null >"$work/ours" || return 0
        awk -F, -v id="$1" 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i; next} $1 == id && $at["value"] != "" {print $at["value"], $at["median"]}' "$work/ours"
        ;;
    esac
}

# The median of sorted numbers: of all (quarter 0) or of the fastest quarter (3).
median_from() { # quarter
    awk -v quarter="$1" '{v[NR] = $1} END {
        if (!NR) {print "-"; exit}
        f = quarter ? NR - int((NR + 3) / 4) : 0; q = NR - f
        printf "%.2f\n", (v[f + int((q + 1) / 2)] + v[f + int(q / 2) + 1]) / 2}'
}

find_peers
cases | grep -E -e "$filter" | while read -r id peer rest; do
    if [ -n "${start[$peer]:-}" ]; then echo "$id $peer $rest"; fi
done >"$work/cases" || true
if [ "$rounds" -eq 0 ]; then
    cat "$work/cases"
    exit
fi
cargo build --release --quiet
if grep -q "^cube" "$work/cases"; then cargo bench --no-run --quiet --bench cubes 2>/dev/null || missing "our own bench cubes"; fi

touch "$work/figures"
for round in $(seq "$rounds"); do
    while read -r id peer unit words; do
        echo "round $round of $rounds: $id, $peer" >&2
        # shellcheck disable=SC2086
        echo "$id|$peer|${words// /|}|$(ours "$id" </dev/null || true)|$(theirs "$peer" $words </dev/null || true)" >>"$work/figures"
    done <"$work/cases"
done

column() { # id|peer|words, side (1 ours, 2 theirs), word (1 best, 2 median)
    awk -F'|' -v key="$1" -v side="$2" -v word="$3" 'index($0, key "|") == 1 {
        split($(NF - 2 + side), figure, " "); if (figure[word] != "") print figure[word]}' "$work/figures" | sort -g
}

echo "$(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), $threads threads, $rounds interleaved rounds"
row='%-20s %-9s %-28s %-8s %10s %10s %8s %11s %10s %8s\n'
# shellcheck disable=SC2059
printf "$row" '' '' '' '' 'upper mode' '' '' median '' ''
# shellcheck disable=SC2059
printf "$row" ceiling peer 'asked of it' unit roofprobe peer ratio roofprobe peer ratio
while read -r id peer unit words; do
    figures=()
    for of in '1 3' '2 0'; do
        mine=$(column "$id|$peer|${words// /|}" 1 "${of% *}" | median_from "${of#* }")
        other=$(column "$id|$peer|${words// /|}" 2 "${of% *}" | median_from "${of#* }")
        figures+=("$mine" "$other" "$(awk -v a="$mine" -v b="$other" 'BEGIN {if (a > 0 && b > 0) printf "%.3f", a / b; else print "-"}')")
    done
    case $peer in
    llama) words="${words%% *} $(sed 's/.*nb=1,.*type_K/type_K/; s/.*type_a/type_a/; s/,.*m=4096//; s/,k=.*//; s/,$//' <<<"$words")" ;;
    esac
    # shellcheck disable=SC2059
    printf "$row" "$id" "$peer" "$words" "$unit" "${figures[@]}"
done <"$work/cases"
