#!/usr/bin/env bash
# AT of a WRN-10-2 on CIFAR-10, then JEAT from it: how the files of this folder were made.
# Usage: results/cifar10-first/commands.sh FOLDER_OF_CIFAR10 [RUNS]
# Each training ran with one thread beside other work on two cores; JEAT was killed once with
# kill -9 at iteration 170 and resumed by the same command from its checkpoint at 150.
set -euo pipefail
data=$1 runs=${2:-runs}
here=$(cd "$(dirname "$0")" && pwd)
net=(--data "$data" --net wrn-10-2 --activation silu --std 0.25
  --batch_size 128 --clip 1.0 --precision bf16 --pad 4 --flip true)
jeat train at --out "$runs/cifar10-at" --resume "${net[@]}" --epochs 7 --lr 3e-3 --warmup 100 \
  --evaluate_every 390 --save_every 100 --log_every 20
jeat train jeat --out "$runs/cifar10-jeat" --resume --init "$runs/cifar10-at" "${net[@]}" \
  --start gaussian --epochs 2 --lr 2e-4 --ema 0.99 --objective.steps 10 --objective.clamp true \
  --evaluate_every 195 --save_every 50 --log_every 10
for method in at jeat; do
  cp "$runs/cifar10-$method"/checkpoints/*/net.safetensors "$here/$method.safetensors"
  jeat measure "$here/$method.safetensors" --data "$data" -n 1000 \
    --metrics accuracy robust_accuracy energies --out "$here/$method.json"
  jeat measure "$here/$method.safetensors" --data "$data" -n 100 \
    --metrics fisher_score --fisher_score.probes 10 --out "$here/$method-fisher.json"
  jeat sample "$here/$method.safetensors" "$here/$method.png"
done
