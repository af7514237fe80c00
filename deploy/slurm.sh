#!/bin/bash
# A profile of every node that the array reaches, into one folder, then what the fleet looks like:
#   sbatch --array=1-100 --export=ALL,OUT=/shared/profiles deploy/slurm.sh
#   roofprobe compare --fleet /shared/profiles
# One task has a node to itself: neighbours would be measured, too.
#SBATCH --job-name=roofprobe
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --exclusive
#SBATCH --time=00:10:00
set -euo pipefail
: "${OUT:=$PWD/profiles}"
: "${EFFORT:=standard}"
mkdir -p "$OUT"
# Whole files are renamed into place, so that tasks that meet on one node do no harm.
exec "${ROOFPROBE:-roofprobe}" measure --effort "$EFFORT" -o "$OUT/$(hostname -s).toml"
