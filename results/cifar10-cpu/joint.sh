#!/bin/sh
# JEM and JEAT by the settings of cifar10-cpu with other seeds, from the shipped nets they go on from.
# 1,000 images are drawn of each, and 1,000 test images measured. joint.py makes the table.
#     sh joint.sh RUNS OUT METHOD SEED      (seed 0 is the shipped net)
set -e
runs=$1 out=$2 method=$3 seed=$4
net=cifar10-$method
common="--data uoft-cs/cifar10 --net wrn-16-2-2 --norm batch --activation leaky_relu --std 0.25
    --start gaussian --batch_size 128 --optimizer adamw --warmup 50 --clip 1 --ema 0.99
    --precision auto --kept fp16 --flip true --save_every 100 --deltas_every 5
    --objective.steps 10 --objective.noise 0.003 --objective.clamp true"
if [ "$seed" != 0 ]; then
    net=$runs/$method-$seed
    if [ "$method" = jem ]; then
        jeat train jem --out "$net" --resume --seed "$seed" --init cifar10-normal $common \
            --epochs 2 --lr 1e-4 --objective.step_size 0.1 --objective.buffer_size 1000 \
            --objective.w_px 0.3 --objective.w_l2 0.02
    else
        jeat train jeat --out "$net" --resume --seed "$seed" --init cifar10-at $common \
            --epochs 0.75 --lr 2e-4 --objective.eps 8/255 --objective.ratio 1.25 \
            --objective.step_size 4 --objective.buffer_size 10000 \
            --objective.w_px 0.75 --objective.w_l2 0.01
    fi
fi
mkdir -p "$out"
samples=$runs/$method-$seed.safetensors
[ "$method" = jem ] && step=0.25 || step=8
jeat sample "$net" "$samples" -n 100 --seed "$seed" --steps 40 --step_size "$step" --noise 0.001 \
    --precision auto
jeat measure "$net" -n 1000 --seed "$seed" --samples "$samples" --judge cifar10-judge \
    --metrics accuracy robust_accuracy fisher_score judge_accuracy sample_quality \
    --out "$out/$method-$seed.json"
