#!/bin/sh
# JEAT of cifar10-cpu with one of its settings changed, seed 0, from the shipped AT net; one that
# diverges is left so. Drawn and measured as by joint.sh, whose seeds are what to compare with.
# switches.py makes the table.
#     sh switches.sh RUNS OUT SWITCH
set -e
runs=$1 out=$2 switch=$3
net=$runs/$switch
init="--init cifar10-at"
case $switch in
    from-scratch) init="" changed="--lr 1e-3" ;;
    uniform-starts) changed="--start uniform" ;;
    no-clamp) changed="--objective.clamp false" ;;
    no-penalty) changed="--objective.w_l2 0" ;;
    no-average) changed="--ema null" ;;
    no-clip) changed="--clip null" ;;
    crops) changed="--pad 4" ;;
    short-step) changed="--objective.step_size 1" ;;
    fewer-steps) changed="--objective.steps 5" ;;
    more-steps) changed="--objective.steps 20" ;;
    lighter-energy) changed="--objective.w_px 0.3" ;;
    heavier-energy) changed="--objective.w_px 1" ;;
    wider-attack) changed="--objective.eps 12/255" ;;
    higher-lr) changed="--lr 1e-3" ;;
    longer) changed="--epochs 1.5" ;;
    *) echo "no switch $switch" >&2; exit 2 ;;
esac
mkdir -p "$out"
if ! jeat train jeat --out "$net" --resume $init --data uoft-cs/cifar10 --net wrn-16-2-2 \
    --norm batch --activation leaky_relu --std 0.25 --start gaussian --batch_size 128 \
    --optimizer adamw --lr 2e-4 --warmup 50 --clip 1 --ema 0.99 --precision auto --kept fp16 \
    --flip true --save_every 100 --deltas_every 5 --epochs 0.75 --recovery.tries 0 \
    --objective.eps 8/255 --objective.ratio 1.25 --objective.steps 10 --objective.step_size 4 \
    --objective.noise 0.003 --objective.clamp true --objective.buffer_size 10000 \
    --objective.w_px 0.75 --objective.w_l2 0.01 $changed 2>"$net.err"
then
    cat "$net.err" >&2
    grep -q diverged "$net.err"  # else it is another failure
    cp "$net.err" "$out/$switch.diverged"
    exit
fi
jeat sample "$net" "$net.safetensors" -n 100 --steps 40 --step_size 8 --noise 0.001 \
    --precision auto
jeat measure "$net" -n 1000 --samples "$net.safetensors" --judge cifar10-judge \
    --metrics accuracy robust_accuracy fisher_score judge_accuracy sample_quality \
    --out "$out/$switch.json"
