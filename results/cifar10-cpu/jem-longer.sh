#!/bin/sh
# JEM by the settings of cifar10-cpu for 4 epochs rather than 2: whether JFS then falls below AT's.
#     sh jem-longer.sh RUN OUT
set -e
run=$1 out=$2
jeat train jem --out "$run" --init cifar10-normal --data uoft-cs/cifar10 --resume \
    --net wrn-16-2-2 --norm batch --activation leaky_relu --std 0.25 --start gaussian \
    --epochs 4 --batch_size 128 --optimizer adamw --lr 1e-4 --warmup 50 --clip 1 --ema 0.99 \
    --precision auto --kept fp16 --flip true --save_every 100 --deltas_every 5 \
    --objective.steps 10 --objective.step_size 0.1 --objective.noise 0.003 --objective.clamp true \
    --objective.buffer_size 1000 --objective.w_px 0.3 --objective.w_l2 0.02
mkdir -p "$out"
for net in cifar10-at cifar10-jem "$run"; do
    jeat measure "$net" --metrics accuracy fisher_score -n 1000 --out "$out/$(basename "$net").json"
done
