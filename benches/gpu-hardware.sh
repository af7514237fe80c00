#!/bin/bash
# Everything worth knowing of a GPU, in at most ten minutes (builds not counted): adapters, the tests of all shaders, `measure` twice, what
# the vendor says and what its tools reach, a table of ratios, and all logs in one archive.
#
#   benches/gpu-hardware.sh                          the only GPU there is
#   benches/gpu-hardware.sh --device gpu:1           another one, as `roofprobe measure --device` takes it
#   benches/gpu-hardware.sh --peaks 'read=4800 f32=66900 f16=133800 coopmat=989400'
#                                                    what the vendor says: GB/s, and GFLOP/s without sparsity
#   benches/gpu-hardware.sh --minutes 4              less time: the second run is the first to be left out, then tools
#   benches/gpu-hardware.sh --rehearse               a quick look at a few ceilings and at one file of tests, on whatever adapter is there
#
# ROOFPROBE=PATH and SHADER_TESTS=PATH take programs that were built before, where there is no cargo: target/release/roofprobe, and the
# test program of the library (`cargo test --lib --no-run` prints its path). LLAMA_MODEL=FILE.gguf is what llama-bench runs.
#
# Tools that are used where they are installed: nvidia-smi, vulkaninfo, nvbandwidth, vkpeak, clpeak, llama.cpp's test-backend-ops and
# llama-bench (with Vulkan), nvcc (for benches/peers/cuda.cu: cuBLAS, and a read of memory).
# The exit status is 1 where shaders fail their tests or nothing was measured; a ratio fails nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

device=gpu peaks='' minutes=10 rehearse=''
usage() {
    sed -n '2,/^set/p' "$0" | sed '$d; s/^# \{0,1\}//'
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
    --device) device=${2:?} && shift ;;
    --peaks) peaks=${2:?} && shift ;;
    --minutes) minutes=${2:?} && shift ;;
    --rehearse) rehearse=yes ;;
    *) usage ;;
    esac
    shift
done
[ -z "$rehearse" ] || [ "$device" != gpu ] || device=gpu:0

stamp=$(date -u +%Y%m%d-%H%M%S)
logs=target/gpu-hardware/$stamp
mkdir -p "$logs"
figures=$logs/figures # "TOOL ID VALUE UNIT", of other tools
: >"$figures"

note() { printf '%s\n' "$*" | tee -a "$logs/summary.txt"; }
has() { command -v "$1" >/dev/null; }

# Programs, before the clock starts.
ours=${ROOFPROBE:-}
tests=${SHADER_TESTS:-}
if [ -z "$ours" ]; then
    cargo build --release --locked
    ours=target/release/roofprobe
fi
if [ -z "$tests" ]; then
    tests=$(cargo test --locked --lib --no-run 2>&1 | tee "$logs/build.log" | sed -n 's/.*Executable.*(\(.*\))$/\1/p' | tail -n 1)
fi
cuda=''
if has nvcc; then
    cuda=target/gpu-hardware/cuda
    nvcc -O3 -o "$cuda" benches/peers/cuda.cu -lcublas >"$logs/nvcc.log" 2>&1 || cuda=''
fi

SECONDS=0
limit=$((minutes * 60))
# Runs a command for so many seconds at most, and never beyond the end; its words go to a log. Fails as it fails.
within() { # seconds log command...
    local most=$1 log=$2 left=$((limit - SECONDS))
    shift 2
    [ "$left" -gt 5 ] || { note "no time left for: $*" && return 1; }
    printf '$ %s\n' "$*" >>"$log"
    timeout -k 10 -s INT "$((most < left ? most : left))" "$@" >>"$log" 2>&1
}

note "roofprobe on a GPU, $stamp: $("$ours" --version), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
note "$(uname -srm)"

note '' && note '== Adapters'
"$ours" devices | tee -a "$logs/summary.txt"
"$ours" devices --format json >"$logs/devices.json"
if has nvidia-smi; then within 20 "$logs/nvidia-smi.log" nvidia-smi -q || true; fi
if has vulkaninfo; then within 20 "$logs/vulkaninfo.log" vulkaninfo || true; fi

note '' && note '== Tests of all shaders'
status=0
filter='device::gpu::routines::tests'
[ -z "$rehearse" ] || filter=$filter::overheads
if [ -n "$tests" ]; then
    if ROOFPROBE_REQUIRE_GPU=1 within 120 "$logs/shader-tests.log" "$tests" "$filter" --nocapture --test-threads 1; then
        note "$(grep '^test result' "$logs/shader-tests.log")"
    else
        status=1
        note "FAILED, or not done within two minutes; see shader-tests.log"
        grep -E '^test .*FAILED|panicked' "$logs/shader-tests.log" | head -n 20 | tee -a "$logs/summary.txt" || true
    fi
else
    note "not run: there is no test program"
fi

note '' && note '== Measured twice'
effort=standard seconds=160
only=()
if [ -n "$rehearse" ]; then
    effort=quick
    only=(--only '{memory.vram.read,compute.f32,overhead.submit,transfer.h2d,transfer.d2h}')
fi
measure() { # run
    within $seconds "$logs/measure-$1.log" "$ours" measure --device "$device" --effort $effort "${only[@]}" \
        -o "$logs/gpu-$1.toml" || note "run $1 ended early; see measure-$1.log"
    [ ! -s "$logs/gpu-$1.toml" ] || "$ours" show "$logs/gpu-$1.toml" --format csv --all >"$logs/gpu-$1.csv" || true
}
measure 1

tool() { printf '%s %s %s %s\n' "$@" >>"$figures"; }

note '' && note '== Tools'
if has nvbandwidth; then
    within 40 "$logs/nvbandwidth.log" nvbandwidth -t host_to_device_memcpy_ce -t device_to_host_memcpy_ce -t device_local_copy || true
    while read -r name id; do
        value=$(awk -v name="$name" '$1 == "SUM" && $2 == name {print $3}' "$logs/nvbandwidth.log" | tail -n 1)
        [ -z "$value" ] || tool nvbandwidth "$id" "$value" GB/s
    done <<'NAMES'
host_to_device_memcpy_ce transfer.h2d
device_to_host_memcpy_ce transfer.d2h
NAMES
else note 'nvbandwidth: not installed'; fi
if has vkpeak; then
    within 60 "$logs/vkpeak.log" vkpeak 0 || true
    # The best of scalars, vectors and (for halves) matrices; each line is NAME = VALUE GFLOPS.
    while read -r names id; do
        value=$(awk -v names="$names" '$1 ~ names && $2 == "=" {if ($3 + 0 > best) best = $3 + 0} END {if (best) print best}' "$logs/vkpeak.log")
        [ -z "$value" ] || tool vkpeak "$id" "$value" GFLOP/s
    done <<'NAMES'
^fp32-(scalar|vec4) compute.f32
^fp16-(scalar|vec4) compute.f16
^fp16-matrix compute.f16.coopmat
^int8-dotprod compute.i8
NAMES
else note 'vkpeak: not installed'; fi
if has clpeak; then
    within 60 "$logs/clpeak.log" clpeak || true
    value=$(awk '/bandwidth \(GBPS\)/ {here = /[Gg]lobal/} here && $1 ~ /^float/ {if ($3 + 0 > best) best = $3 + 0} END {if (best) print best}' "$logs/clpeak.log")
    [ -z "$value" ] || tool clpeak memory.vram.read "$value" GB/s
    value=$(awk '/compute/ {here = /[Ss]ingle-precision/} here && $1 ~ /^float/ {if ($3 + 0 > best) best = $3 + 0} END {if (best) print best}' "$logs/clpeak.log")
    [ -z "$value" ] || tool clpeak compute.f32 "$value" GFLOP/s
else note 'clpeak: not installed'; fi
if [ -n "$cuda" ]; then
    within 40 "$logs/cuda.log" "$cuda" || true
    awk '!/^\$/ && NF == 3 {print "cuda", $1, $2, $3}' "$logs/cuda.log" >>"$figures"
else note 'cuBLAS: no nvcc, or benches/peers/cuda.cu could not be built'; fi
ops=''
for ops in test-backend-ops "/usr/libexec/$(uname -m)-linux-gnu/llama.cpp-tests/test-backend-ops" ''; do
    if [ -n "$ops" ] && { has "$ops" || [ -x "$ops" ]; }; then break; fi
done
if [ -n "$ops" ] && [ -z "$rehearse" ]; then
    for weights in q4_0 q8_0 q4_K f16; do
        for tokens in 1 8 512; do
            log=$logs/llama-$weights-$tokens.log
            within 20 "$log" "$ops" perf -b Vulkan0 -o MUL_MAT \
                -p "type_a=$weights,type_b=f32,m=4096,n=$tokens,k=14336,bs=.1,1.,nr=.1,1.," || continue
            value=$(sed -n 's/.*us\/run.* \([0-9.]* [MGT]\)FLOPS.*/\1/p' "$log" | head -n 1 |
                awk '{print $1 * ($2 == "M" ? 1e-3 : $2 == "T" ? 1e3 : 1)}')
            [ -z "$value" ] || tool llama.cpp "matmul.${weights,,}.m$tokens" "$value" GFLOP/s
        done
    done
elif [ -z "$ops" ]; then note 'test-backend-ops of llama.cpp: not installed'; fi
if has llama-bench && [ -n "${LLAMA_MODEL:-}" ]; then
    # shellcheck disable=SC2016 # for the inner shell
    within 60 "$logs/llama-bench.log" sh -c 'llama-bench -m "$1" -ngl 99 -o json >"$2"' sh "$LLAMA_MODEL" "$logs/llama-bench.json" || true
    "$ours" evaluate "$LLAMA_MODEL" --profile "$logs/gpu-1.toml" --measured "$logs/llama-bench.json" >"$logs/llama-bench.txt" 2>&1 || true
else note 'llama-bench: not installed, or LLAMA_MODEL is not set'; fi
measure 2

# What vendors say, without sparsity and at the boost clock: memory GB/s, then GFLOP/s of f32, f16, and f16 factors with f32 sums by
# matrix units. Data sheets of the cards; "-": not stated. The first line that matches the adapter's name.
known() {
    cat <<'CARDS'
H200|4800|66900|133800|989400
H100.*PCIe|2000|51200|102400|756000
H100|3350|66900|133800|989400
A100.*80GB|2039|19500|78000|312000
A100|1555|19500|78000|312000
L40S|864|91600|-|362000
L4$|300|30300|-|121000
T4$|320|8100|-|65000
RTX 5090$|1792|104800|104800|209500
RTX 4090$|1008|82600|82600|165200
RTX 4080$|717|48700|48700|97500
RTX 3090$|936|35600|35600|71000
MI300X|5300|163400|-|1307400
RX 7900 XTX|960|61400|122800|122800
CARDS
}
name=$(sed -n 's/^name = "\(.*\)"$/\1/p' "$logs/gpu-1.toml" 2>/dev/null | head -n 1)
if [ -z "$peaks" ]; then
    peaks=$(known | awk -F'|' -v name="$name" '{if (match(name, $1)) {print "read=" $2 " f32=" $3 " f16=" $4 " coopmat=" $5; exit}}')
fi
for word in $peaks; do
    value=${word#*=}
    case ${word%%=*} in
    read) id=memory.vram.read unit=GB/s ;;
    f32) id=compute.f32 unit=GFLOP/s ;;
    f16) id=compute.f16 unit=GFLOP/s ;;
    coopmat) id=compute.f16.coopmat unit=GFLOP/s ;;
    *) note "--peaks: \"$word\" is none of read=, f32=, f16=, coopmat=" && continue ;;
    esac
    [ "$value" = - ] || tool vendor "$id" "$value" "$unit"
done

note '' && note "== ${name:-no device}: what was measured, the second run beside the first, and others"
[ -n "$peaks" ] || note "the vendor's peaks are unknown: give them by --peaks"
touch "$logs/gpu-1.csv" "$logs/gpu-2.csv"
# A row agrees where the two intervals meet. Ratios are ours over theirs.
awk -F, '
    FILENAME ~ /figures$/ {split($0, word, " "); others[word[2]] = others[word[2]] sprintf("  %s %.4g (%s)", word[1], word[3], "%" word[2] "%" word[3]); next}
    FNR == 1 {for (i = 1; i <= NF; i++) at[$i] = i; next}
    {run = FILENAME ~ /gpu-1/ ? 1 : 2}
    run == 1 {order[++count] = $1; unit[$1] = $at["unit"]; status[$1] = $at["status"]}
    {value[run, $1] = $at["value"]; low[run, $1] = $at["ci95_low"]; high[run, $1] = $at["ci95_high"]}
    END {
        printf "%-34s %12s %12s  %-8s %-11s %-6s %s\n", "ceiling", "first", "second", "unit", "status", "agree", "ratio to others"
        for (i = 1; i <= count; i++) {
            id = order[i]; a = value[1, id]; b = value[2, id]; agree = "-"
            if (a != "" && b != "" && low[1, id] != "" && low[2, id] != "") {
                both++; agree = (low[1, id] + 0 <= high[2, id] + 0 && low[2, id] + 0 <= high[1, id] + 0) ? "yes" : "no"; met += agree == "yes"
            }
            beside = others[id]; out = ""
            n = split(beside, part, "  ")
            for (j = 2; j <= n; j++) {
                split(part[j], piece, "%"); theirs = piece[3] + 0; sub(/ .*/, "", part[j])
                if (a != "" && theirs > 0) out = out sprintf(" %s %.4g: %.2f", part[j], theirs, a / theirs)
            }
            printf "%-34s %12s %12s  %-8s %-11s %-6s%s\n", id, a == "" ? "-" : a, b == "" ? "-" : b, unit[id], status[id], agree, out
        }
        if (both) printf "%d of %d rows agree within their intervals (%.0f %%)\n", met, both, 100 * met / both
    }' "$figures" "$logs/gpu-1.csv" "$logs/gpu-2.csv" | tee "$logs/ratios.txt" | tee -a "$logs/summary.txt"

[ -s "$logs/gpu-1.toml" ] || { status=1 && note 'nothing was measured'; }
note "took $SECONDS s of $limit"
archive=target/gpu-hardware/gpu-$stamp.tar.gz
tar -czf "$archive" -C target/gpu-hardware "$stamp"
echo "all logs: $archive"
exit $status
