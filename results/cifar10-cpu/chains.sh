#!/bin/sh
# Step size of each net's chains: the one of least judge-FID of 600 images, against 10,000 training
# images. Seed 1, which no table uses. Run where the suite's folder is:
#     sh chains.sh RUNS/cifar10-cpu OUT NET STEP_SIZE...
set -e
runs=$1 out=$2 net=$3
shift 3
mkdir -p "$out"
for step in "$@"; do
    file="$out/$net-$step"
    jeat sample "$runs/seed0/$net" "$file.safetensors" -n 60 --seed 1 \
        --steps 40 --step_size "$step" --noise 0.001 --precision bf16
    jeat measure "$runs/seed0/$net" --samples "$file.safetensors" --judge "$runs/judge" \
        --metrics judge_accuracy sample_quality --compared 10000 --seed 1 --out "$file.json"
    rm "$file.safetensors"
done
