#!/bin/bash
# Weight formats and attention beside llama.cpp's Vulkan backend on the same adapter, interleaved in one run: ours, theirs, then theirs,
# ours …, and a table of ratios in Markdown.
#
#   benches/peers-vulkan.sh [ROUNDS [CASES]]    default: 2 rounds of every case
#   benches/peers-vulkan.sh 2 'q4_0\.m8$'       only the cases whose ceiling matches the regular expression
#   benches/peers-vulkan.sh 0                   the table of the figures that there are
#
# Figures are kept in FIGURES (default: target/peers/vulkan), and later runs add to them: a long comparison can be made in pieces.
# DEVICE is the adapter as `roofprobe measure --device` takes it (default: gpu), and THEIRS as llama.cpp names it (default: Vulkan0; a
# software adapter is shown to it only with GGML_VK_VISIBLE_DEVICES=0). ROOFPROBE and TEST_BACKEND_OPS are the two programs, where they
# are not in their usual places. Matrices differ in shape: llama.cpp's are 4096 × 14336, its own case; docs/gpu.md has ours. Ours is the
# upper mode of a measurement, theirs the mean of a second or more; the table has the best round of each.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-2}
filter=${2:-.}
ours=${ROOFPROBE:-target/release/roofprobe}
figures=${FIGURES:-target/peers/vulkan}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for ops in "${TEST_BACKEND_OPS:-test-backend-ops}" "/usr/libexec/$(uname -m)-linux-gnu/llama.cpp-tests/test-backend-ops" ''; do
    if [ -n "$ops" ] && command -v "$ops" >/dev/null; then break; fi
done
[ -n "$ops" ] || { echo "missing: test-backend-ops of llama.cpp (Debian: llama.cpp-tests, libggml0-backend-vulkan)" >&2 && exit 1; }

# The ceiling, what GFLOP/s are multiplied by for its unit, their operation, and which of its cases.
cases() {
    local weights tokens
    for tokens in 1 8 512; do
        for weights in q4_0 q8_0 q4_K; do
            echo "matmul.${weights,,}.m$tokens 1 MUL_MAT type_a=$weights,type_b=f32,m=4096,n=$tokens,k=14336,bs=.1,1.,nr=.1,1.,"
        done
    done
    # Eight query heads to one head of the cache: 4 · 8 FLOP for two elements of two bytes.
    echo "attention.f16.decode.g8d64 0.125 FLASH_ATTN_EXT hsk=64,hsv=64,nh=8,nr23=.8,1.,kv=7680,nb=1,.*type_K=f16,"
}

mine() { # ceiling
    "$ours" measure --device "${DEVICE:-gpu}" --effort standard --only "$1" -o "$work/p.toml" --replace --format csv 2>"$work/why" >"$work/p.csv" ||
        cat "$work/why" >&2
    awk -F, -v id="$1" 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i; next} $1 == id {print $at["value"]}' "$work/p.csv"
}

theirs() { # factor operation case
    "$ops" perf -b "${THEIRS:-Vulkan0}" -o "$2" -p "$3" 2>&1 >"$work/ops" | grep -v '^ggml_vulkan\|^load_backend' >&2 || true
    awk -v factor="$1" '/us\/run/ && match($0, /[0-9.]+ [MGT]FLOPS/) {
        split(substr($0, RSTART, RLENGTH), word, " ")
        print word[1] * factor * (word[2] ~ /^M/ ? 1e-3 : word[2] ~ /^T/ ? 1e3 : 1)
        exit
    }' "$work/ops"
}

mkdir -p "$(dirname "$figures")"
touch "$figures"
for round in $(seq "$rounds"); do
    cases | FILTER=$filter awk '$1 ~ ENVIRON["FILTER"]' >"$work/cases"
    while read -r id factor op words; do
        echo "round $round of $rounds: $id" >&2
        if [ $((round % 2)) = 1 ]; then
            a=$(mine "$id" </dev/null) b=$(theirs "$factor" "$op" "$words" </dev/null)
        else
            b=$(theirs "$factor" "$op" "$words" </dev/null) a=$(mine "$id" </dev/null)
        fi
        echo "$id|$a|$b" >>"$figures"
    done <"$work/cases"
done

echo '| ceiling | unit | rounds | roofprobe | llama.cpp | ratio |'
echo '|---|---|---:|---:|---:|---:|'
awk -F'|' '
    $2 != "" && $3 != "" {
        if (!n[$1]++) order[++count] = $1
        if ($2 + 0 > a[$1]) a[$1] = $2 + 0
        if ($3 + 0 > b[$1]) b[$1] = $3 + 0
    }
    END {
        for (i = 1; i <= count; i++) {
            id = order[i]
            printf "| `%s` | %s | %d | %.3g | %.3g | %.2f |\n", id, id ~ /^attention/ ? "GB/s" : "GFLOP/s", n[id], a[id], b[id], a[id] / b[id]
        }
    }' "$figures"
