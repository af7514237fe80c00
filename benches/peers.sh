#!/bin/bash
# roofprobe beside its peers, interleaved in one run: ours, theirs, then theirs, ours …, and a page of ratios for this machine.
#
#   benches/peers.sh [ROUNDS [CASES]]      default: 10 rounds of every case; then the page
#   benches/peers.sh 3 '^memory\.dram'     only the cases whose ceiling or peer matches the regular expression
#   benches/peers.sh 0 [CASES]             lists the cases and names the peers that are missing
#   benches/peers.sh build                 builds what the cases need, and measures nothing
#   benches/peers.sh page [FILE]           writes the page from the figures that there are; default: docs/peers/<this machine>.md
#
# Figures are kept in target/peers/figures, and later runs add to them: a long comparison can be made in pieces. Remove the file to
# begin anew. PEER_BUILD=no takes what was built before.
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
kept=target/peers
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing() { echo "missing: $*" >&2; }

# KiB of one data cache of a level, and of all of them that the threads have.
cache() { # level assumed
    local index=/sys/devices/system/cpu/cpu0/cache/index
    for at in 0 1 2 3 4; do
        if [ "$(cat $index$at/level 2>/dev/null)" = "$1" ] && [ "$(cat $index$at/type)" != Instruction ]; then
            sed 's/K$//' $index$at/size
            return
        fi
    done
    echo "$2"
}
least() { sort -n | head -n 1; }
most() { sort -n | tail -n 1; }

# The cases: roofprobe's ceiling (cube.*: its bench), the peer, the unit, and what the peer is asked.
# likwid's triad has four streams; its "stream" is STREAM's triad. Matrices differ in shape: roofprobe's are 12288 × 4096 for
# few tokens and 4096 × 4096 for many, from memory; llama.cpp's 4096 × 14336 (its own case, one copy of it).
cases() {
    local level size dtype cube weights tokens kernel l1 l2 l3 dram
    l1=$(cache 1 32) l2=$(cache 2 512) l3=$(cache 3 8192)
    # Half of what is a thread's own. A shared cache may be less ours than the system tells.
    l1=$((l1 * threads / 2)) l2=$((l2 * threads / 2))
    dram=$(printf '%s\n' 768000 $((l3 * 4)) | most)
    dram=$(printf '%s\n' "$dram" $(($(awk '/MemAvailable/ {print $2}' /proc/meminfo) / 4)) | least)
    l3=$(printf '%s\n' $((l3 * 3 / 8)) $((l2 * 12)) | least)
    for kernel in "read load_$isa" "copy copy_mem_$isa" "triad stream_mem_$isa" "triad triad_mem_$isa"; do
        echo "memory.dram.${kernel% *} likwid GB/s ${kernel#* } ${dram}kB"
    done
    for level in "l1 $l1" "l2 $l2" "l3 $l3"; do
        size=${level#* }
        for kernel in "read load_$isa" "copy copy_$isa" "triad stream_${isa}_fma"; do
            echo "memory.${level% *}.${kernel% *} likwid GB/s ${kernel#* } ${size}kB"
        done
    done
    echo "compute.f32 likwid GFLOP/s peakflops_sp_${isa}_fma $((16 * threads))kB"
    echo "compute.f64 likwid GFLOP/s peakflops_${isa}_fma $((16 * threads))kB"
    for cube in 512 1024 2048 4096; do
        for dtype in f32 bf16 f16 i8; do echo "cube.$dtype.$cube onednn GFLOP/s $dtype $cube $cube $cube"; done
        echo "cube.f32.$cube openblas GFLOP/s $cube $cube $cube"
    done
    for tokens in 1 512; do
        for dtype in f32 bf16 f16 i8; do
            echo "matmul.$dtype.m$tokens onednn GFLOP/s $dtype $tokens 4096 $((tokens == 1 ? 14336 : 4096))"
        done
    done
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
    mkdir -p $kept
    for way in here prefix; do
        local before=()
        if [ $way = prefix ]; then
            [ ${#prefix[@]} -gt 0 ] || continue
            before=("${prefix[@]}")
        fi
        local words="${before[*]} env OMP_NUM_THREADS=$threads OPENBLAS_NUM_THREADS=$threads $kept/$peer"
        if [ "${PEER_BUILD:-}" = no ] && $words >/dev/null 2>&1; [ $? = 2 ] ||
            "${before[@]}" "$compiler" -O2 -o "$kept/$peer" "$source" "$@" >"$work/build" 2>&1; then
            start[$peer]=$words
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

# Our own programs. Cargo is not called while anything is measured.
build_ours() {
    mkdir -p $kept
    if [ "${PEER_BUILD:-}" != no ]; then
        cargo build --release --quiet
        cargo bench --no-run --bench cubes 2>&1 | sed -n 's/.*(\(target.*cubes-[^)]*\)).*/\1/p' | tail -n 1 >$kept/cubes
    fi
    [ -s $kept/cubes ] || missing "our own bench cubes"
}

# Each prints "BEST MEDIAN", or nothing where the peer has no such case; what follows says how it was done.

# likwid-bench cannot tell the time of CPUs that it does not know. It counts ticks of the time stamp counter, and Linux gives the rate
# of that as BogoMIPS: two for each tick.
likwid() { # kernel size
    local iterations=4 ticks_per_s tries
    ticks_per_s=$(awk -F: '/^bogomips/ {printf "%.0f", $2 * 5e5; exit}' /proc/cpuinfo)
    for tries in 1 2 3 4 5 6; do
        # shellcheck disable=SC2086
        ${start[likwid]} -t "$1" -w "S0:$2:$threads" -i "$iterations" >"$work/likwid" 2>/dev/null || return 0
        awk -v ticks_per_s="$ticks_per_s" -v kernel="$1" -v iterations="$iterations" '
            $1 == "Cycles:" {cycles = $2}
            $1 == "Time:" {time = $2}
            /^Number of Flops/ {flops = $NF}
            /^Data volume/ {bytes = $NF}
            END {
                seconds = time + 0 > 0 && time !~ /inf/ ? time : cycles / ticks_per_s
                if (!(seconds > 0)) exit
                rate = (kernel ~ /^peak/ ? flops : bytes) / seconds / 1e9
                factor = 0.7 / seconds
                print seconds, rate, int(iterations * (factor > 100 ? 100 : factor)) + 1
            }' "$work/likwid" >"$work/likwid.figures"
        read -r time rate iterations <"$work/likwid.figures" || return 0
        if awk -v time="$time" 'BEGIN {exit !(time > 0.4)}'; then
            echo "$rate $rate"
            return
        fi
    done
}

harness() { # peer, then its words
    local peer=$1
    shift
    # shellcheck disable=SC2086
    ${start[$peer]} "$@" "$seconds" 2>/dev/null | awk '{print $2, $3, $4}'
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
        "$(cat $kept/cubes)" "$dtype" "$size" "$seconds" 2>/dev/null | awk 'NF {line = $0} END {n = split(line, w, " "); if (n >= 2) print w[n - 1], w[n]}'
        ;;
    *)
        # A quick look has one and 512 tokens only, and of the caches only reads.
        local effort=standard
        case $1 in
        *.m1 | *.m512 | memory.*.read | memory.dram.* | compute.*) effort=quick ;;
        esac
        target/release/roofprobe measure --effort $effort -o "$work/p.toml" --format csv --only "$1" 2>/dev/null >"$work/ours" || return 0
        awk -F, -v id="$1" 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i; next} $1 == id && $at["value"] != "" {print $at["value"], $at["median"]}' "$work/ours"
        ;;
    esac
}

# The median of sorted numbers: of all (quarter 0) or of the fastest quarter (3).
median_from() { # quarter
    awk -v quarter="$1" '{v[NR] = $1} END {
        if (!NR) {print "–"; exit}
        f = quarter ? NR - int((NR + 3) / 4) : 0; q = NR - f
        printf "%.4g\n", (v[f + int((q + 1) / 2)] + v[f + int(q / 2) + 1]) / 2}'
}

column() { # id|peer|words, side (1 ours, 2 theirs), word (1 best, 2 median)
    awk -F'|' -v key="$1" -v side="$2" -v word="$3" 'index($0, key "|") == 1 {
        split($(NF - 2 + side), figure, " "); if (figure[word] != "") print figure[word]}' $kept/figures | sort -g
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (a > 0 && b > 0) printf "%.3f", a / b; else print "–"}'; }

versions() {
    local list=()
    [ -z "${start[likwid]:-}" ] || list+=("likwid-bench $(${start[likwid]} -v 2>/dev/null | grep -o '[0-9][0-9.]*' | head -n 1)")
    [ -z "${start[onednn]:-}" ] || list+=("oneDNN $(${start[onednn]} version)")
    [ -z "${start[openblas]:-}" ] || list+=("$(${start[openblas]} version | cut -d " " -f 1,2)")
    [ -z "${start[llama]:-}" ] || list+=("llama.cpp $("${prefix[@]}" dpkg-query -W -f '${Version}' llama.cpp 2>/dev/null || echo '(test-backend-ops)')")
    local IFS=';'
    echo "${list[*]}" | sed 's/;/, /g'
}

# The name of this machine, as roofprobe says it.
name() { target/release/roofprobe devices --format json | sed -n 's/^ *"name": "\(.*\)",*$/\1/p' | head -n 1; }

page() { # writes Markdown
    echo "# Beside other tools: $(name)"
    echo
    echo "Measured $(date -u +%Y-%m-%d) on $(systemd-detect-virt -v 2>/dev/null | sed '/none/d; s/.*/a virtual machine (&)/' | grep . || echo 'this machine'),"
    echo "$(uname -sr), $(target/release/roofprobe --version). Peers: $(versions)."
    printf "%b\n" "Interleaved rounds, whose number is the column *n*; \`benches/peers.sh\` says what upper mode and median are, and asks the same again. Cases\nthat one of the two does not have here are left out."
    echo
    echo '| ceiling | peer | asked of it | unit | n | roofprobe | peer | ratio | medians | ratio |'
    echo '|---|---|---|---|---:|---:|---:|---:|---:|---:|'
    local id peer unit words key mine other mid_mine mid_other n how asked
    while read -r id peer unit words; do
        key="$id|$peer|${words// /|}"
        n=$(awk -F'|' -v key="$key" 'index($0, key "|") == 1 && $NF != "" && $(NF - 1) != ""' $kept/figures | wc -l)
        [ "$n" -gt 0 ] || continue
        mine=$(column "$key" 1 1 | median_from 3) other=$(column "$key" 2 1 | median_from 3)
        mid_mine=$(column "$key" 1 2 | median_from 0) mid_other=$(column "$key" 2 2 | median_from 0)
        how=$(awk -F'|' -v key="$key" 'index($0, key "|") == 1 {split($NF, figure, " "); how = figure[3]} END {print how}' $kept/figures)
        asked=$words
        case $peer in
        llama) asked="${words%% *} $(sed 's/.*nb=1,.*type_K/type_K/; s/.*type_a/type_a/; s/,type_b=f32,m=4096//; s/,k=.*//; s/,$//' <<<"$words")" ;;
        esac
        echo "| \`$id\` | $peer | $asked${how:+ ($how)} | $unit | $n | $mine | $other | $(ratio "$mine" "$other") | $mid_mine : $mid_other | $(ratio "$mid_mine" "$mid_other") |"
    done <"$work/cases"
}

# "AMD EPYC (Zen 5), 2 cores" → amd-epyc-zen5-2c
slug() { name | tr 'A-Z' 'a-z' | sed "s/, [0-9]* cores*//; s/zen /zen/; s/[^a-z0-9]\{1,\}/-/g; s/^-//; s/-$//; s/$/-${threads}c/"; }

write_page() { # [file]
    local file=${1:-docs/peers/$(slug).md}
    mkdir -p "$(dirname "$file")"
    page >"$work/page"
    cat "$work/page"
    cp "$work/page" "$file"
    echo "written to $file" >&2
}

find_peers
# The cases whose peer is here, and that match.
choose() { # regular expression
    cases | grep -E -e "$1" | while read -r id peer rest; do
        if [ -n "${start[$peer]:-}" ]; then echo "$id $peer $rest"; fi
    done >"$work/cases" || true
}

choose "$([ "$rounds" = page ] && echo . || echo "$filter")"
case $rounds in
0)
    cat "$work/cases"
    exit
    ;;
build)
    build_ours
    exit
    ;;
page)
    write_page "${2:-}"
    exit
    ;;
esac
build_ours

touch $kept/figures
for round in $(seq "$rounds"); do
    while read -r id peer unit words; do
        echo "round $round of $rounds: $id, $peer" >&2
        # Who comes second finds a warmer machine: they take turns.
        # shellcheck disable=SC2086
        if [ $((round % 2)) = 1 ]; then
            mine=$(ours "$id" </dev/null || true)
            other=$(theirs "$peer" $words </dev/null || true)
        else
            other=$(theirs "$peer" $words </dev/null || true)
            mine=$(ours "$id" </dev/null || true)
        fi
        echo "$id|$peer|${words// /|}|$mine|$other" >>$kept/figures
    done <"$work/cases"
done
# Of earlier pieces as well.
choose .
write_page
