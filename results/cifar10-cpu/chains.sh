#!/bin/sh
# Judge figures of 600 images of a net by each step size, against 10,000 training images. Seed 1,
# not the 0 of the tables. docs/cifar10.md has the rule by which a step is taken from them.
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
