"""The loop does what its settings say."""

import itertools
from functools import partial

import pytest
import torch
from torch import nn

from jeat.data import Batch, load_data
from jeat.nets import Spec, build
from jeat.objectives import Normal
from jeat.training.deltas import watch
from jeat.training.iteration import prepare, rate
from jeat.training.loop import train
from jeat.training.plan import Optimisation

IMAGES = load_data("digits").train
SPEC = Spec("convnet-4", 1, 8, tuple("0123456789"))


def logs(o: Optimisation, net: nn.Module | None = None, **how):
    net = net or build(SPEC)
    training = prepare(net, Normal(), o, images=len(IMAGES))
    return training, train(training, IMAGES, **how)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("step", [1, 1, 0.1, 0.01, 0.01]),
        ("cosine", [1, (1 + 2**-0.5) / 2, 0.5, (1 - 2**-0.5) / 2, 0]),
    ],
)
def test_schedules_at_the_quarters_of_a_run(schedule, rates):
    assert [rate(i, 100, schedule, 0) for i in (0, 25, 50, 75, 100)] == pytest.approx(rates)


def test_warm_up_is_linear_and_then_hands_over():
    factors = [rate(i, 20, "cosine", 4) for i in range(6)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[5] < 1


def test_it_logs_when_told_and_ends_when_told():
    _, steps = logs(Optimisation(epochs=1.4, batch_size=128, log_every=6))  # 1.4 * 11 batches
    steps = list(steps)
    assert [s.iteration for s in steps] == list(range(1, 16))
    assert [s.iteration for s in steps if s.metrics] == [6, 12, 15]
    assert {s.total for s in steps} == {15}


def test_the_loss_falls():
    _, steps = logs(Optimisation(epochs=6, log_every=1, lr=1e-2))
    losses = [s.metrics["loss"] for s in steps]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_sgd_and_adamw_take_the_scheduled_rate(optimizer):
    o = Optimisation(epochs=1, optimizer=optimizer, lr=0.01, warmup=4, log_every=1)
    _, steps = logs(o)
    rates = [s.metrics["lr"] for s in itertools.islice(steps, 4)]
    assert rates == pytest.approx([0.002, 0.004, 0.006, 0.008])


def test_ema_is_the_exponential_average_of_the_weights():
    o = Optimisation(epochs=1, ema=0.8)
    net = build(SPEC)
    training, steps = logs(o, net)
    mean = None
    for _ in itertools.islice(steps, 5):
        weight = net.state_dict()["conv1.weight"].clone()
        mean = weight if mean is None else 0.8 * mean + 0.2 * weight
    torch.testing.assert_close(training.net.state_dict()["conv1.weight"], mean)
    assert training.net is not net


def test_clipping_bounds_a_plain_gradient_step():
    class Steep(nn.Module):
        def forward(self, net, batch: Batch):
            loss = 1e6 * net(batch.x).sum()
            return loss, {"loss": loss.detach()}

    net = build(SPEC)
    before = [p.detach().clone() for p in net.parameters()]
    o = Optimisation(optimizer="sgd", lr=0.1, clip=0.5, schedule="constant")
    training = prepare(net, Steep(), o, images=len(IMAGES))
    next(train(training, IMAGES))
    steps = [(p - b).norm() for p, b in zip(net.parameters(), before, strict=True)]
    assert float(torch.stack(steps).norm()) == pytest.approx(
        0.1 * 0.5 * 1.9, rel=1e-3
    )  # Nesterov: 1 + momentum


def test_bf16_trains_and_keeps_energies_in_fp32():
    _, steps = logs(Optimisation(epochs=6, precision="bf16", log_every=1, lr=1e-2))
    figures = [s.metrics for s in steps]
    assert figures[-1]["loss"] < 0.7 * figures[0]["loss"]
    coarse = torch.tensor(figures[3]["E_clean"]).bfloat16().float()
    assert float(coarse) != figures[3]["E_clean"]


def test_evaluation_does_not_disturb_training():
    def evaluate(net):
        torch.randn(1000)
        return {"noise": float(torch.rand(()))}

    o = Optimisation(epochs=1, log_every=1, evaluate_every=3)

    def losses(**how):
        torch.manual_seed(0)
        return [s.metrics for s in logs(o, **how)[1]]

    plain, evaluated = losses(), losses(evaluate=evaluate)
    assert [m["loss"] for m in plain] == [m["loss"] for m in evaluated]
    assert sum("test_noise" in m for m in evaluated) == 4  # 3, 6, 9 and the last, 11


def test_watching_the_energies_does_not_disturb_training():
    o = Optimisation(epochs=1, log_every=2, deltas_every=3, precision="bf16")

    def run(**how):
        torch.manual_seed(0)
        return list(logs(o, **how)[1])

    plain, watched = run(), run(watch=partial(watch, eps=0.1))
    assert [i + 1 for i, log in enumerate(watched) if "delta_x_E" in log.metrics] == [3, 6, 9]
    pairs = [(a, b) for a, b in zip(plain, watched, strict=True) if a.metrics]
    assert [a.metrics["loss"] for a, _ in pairs] == [b.metrics["loss"] for _, b in pairs]


def test_a_loss_that_is_not_finite_is_named():
    class Broken(nn.Module):
        def forward(self, net, batch: Batch):
            return net(batch.x).sum() * float("nan"), {}

    o = Optimisation()
    training = prepare(build(SPEC), Broken(), o, images=len(IMAGES))
    with pytest.raises(FloatingPointError, match="nan at iteration 1"):
        next(train(training, IMAGES))


def test_too_few_images_for_a_batch():
    with pytest.raises(ValueError, match="do not fill a batch"):
        prepare(build(SPEC), Normal(), Optimisation(batch_size=2000), images=1437)


@pytest.mark.parametrize(
    "bad", [{"epochs": 0}, {"lr": -1}, {"batch_size": 0}, {"ema": 1.0}, {"clip": 0}, {"seed": -1}]
)
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Optimisation(**bad)
