#!/bin/bash
# A sweep that is too large for one machine, cut into as many parts as the array has tasks:
#   sbatch --array=1-16 --export=ALL,PROFILE=here.toml,OUT=/shared/rows deploy/slurm-sweep.sh llama-3.1-8b --over context=1..131072
#   duckdb -c "select count(*) from '/shared/rows/*.parquet'"
#SBATCH --job-name=roofprobe-sweep
#SBATCH --ntasks=1
set -euo pipefail
: "${OUT:=$PWD/rows}"
mkdir -p "$OUT"
part="$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_MAX"
exec "${ROOFPROBE:-roofprobe}" sweep "$@" -p "$PROFILE" --shard "$part" --format parquet -o "$OUT/part-$SLURM_ARRAY_TASK_ID.parquet"
