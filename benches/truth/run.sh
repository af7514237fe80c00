#!/bin/bash
# Runs llama.cpp on shapes with random weights, for benches/truth/judge.py: benches/truth/run.sh ROUNDS [MODEL...]
# Needs llama-bench and llama-quantize, and Python with gguf and numpy. PEER_PREFIX is a command to run llama.cpp's programs with, such
# as one that enters another root; files then lie at the same path inside. Leaves target/truth: runs, heads of the files, and what
# memory read before and behind each round. Run it on a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:?rounds}
shift
out=target/truth
mkdir -p "$out/heads" "$out/files"
probe=target/release/roofprobe
prefix=${PEER_PREFIX:-}
mapfile -t models < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else python3 benches/truth/make_gguf.py --list; fi)

# What main memory reads now: rounds in another mode of memory are told by it.
read_now() {
    ROOFPROBE_DIR=$out/store "$probe" measure --only memory.dram.read --effort quick -o "$out/mode.toml" --replace 2>&1 |
        grep -o 'reads [0-9.]* GB/s'
}

for model in "${models[@]}"; do
    python3 benches/truth/make_gguf.py "$model" "$out/files/$model-F16.gguf" 2>/dev/null
    for kind in BF16 Q8_0 Q4_0 Q4_K_M Q6_K; do
        $prefix llama-quantize --allow-requantize "$out/files/$model-F16.gguf" "$out/files/$model-$kind.gguf" $kind >/dev/null 2>&1
    done
    for file in "$out/files/$model"-*.gguf; do
        # The head alone says what is counted; the rest is a hole.
        python3 benches/truth/make_gguf.py --head "$file" "$out/heads/$(basename "$file")"
    done
    for round in $(seq "$rounds"); do
        before=$(read_now)
        for kind in F16 BF16 Q8_0 Q4_0 Q4_K_M Q6_K; do
            depths=0,1024
            [ $kind != Q4_0 ] || depths=0,1024,4096
            bench=("$out/files/$model-$kind.gguf" -t "$(nproc)" -r 1 -o jsonl)
            {
                $prefix llama-bench -m "${bench[@]}" -p 64,512 -n 0
                $prefix llama-bench -m "${bench[@]}" -p 0 -n 16 -d $depths
            } >"$out/$model.$kind.r$round.jsonl" 2>/dev/null
        done
        echo "$model round $round: $before before, $(read_now) behind" | tee -a "$out/modes"
    done
    rm -f "$out/files/$model"-*.gguf
done
