#!/bin/sh
# What the start of the chains gives to JEAT's images: class Gaussians as they are (a step of nothing),
# the whole chain from them, and the whole chain from uniform noise. 600 images each, seed 3.
#     sh starts.sh OUT
set -e
out=$1
mkdir -p "$out"
draw() {
    name=$1
    shift
    jeat sample cifar10-jeat "$out/$name.safetensors" -n 60 --seed 3 --precision auto "$@"
    jeat measure cifar10-jeat --samples "$out/$name.safetensors" --judge cifar10-judge \
        --metrics judge_accuracy sample_quality --compared 10000 --seed 3 --out "$out/$name.json"
    rm "$out/$name.safetensors"
}
draw gaussian-only --steps 1 --step_size 1e-9 --noise 0
draw gaussian
draw uniform --start uniform
