"""A net that has no gradient of its images is refused by one line, whatever differentiates it."""

import pytest
import torch
from torch import nn
from torch.ao import quantization

import jeat
from jeat import attacks, energy, metrics
from jeat.nets import save_net, wrap
from jeat.training.plan import Optimisation, Plan

from .conftest import DIGITS

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.filterwarnings(
        "ignore:.*(torch.ao.quantization|quantize_dynamic|qconfig|observer)"
    ),
    pytest.mark.filterwarnings("ignore:.*TypedStorage"),
]
X = DIGITS.test.floats(4)[0]


class By(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.layer, self.how = nn.Linear(64, 10), how

    def forward(self, x):
        return self.how(self.layer, x.flatten(1))


@torch.no_grad()
def without(layer, x):
    return layer(x)


@torch.inference_mode()
def inference(layer, x):
    return layer(x)


def numbers(layer, x):
    return torch.from_numpy(x.numpy()) @ layer.weight.T


def quantised(layers):
    return quantization.quantize_dynamic(nn.Sequential(nn.Flatten(), layers), {nn.Linear})


NETS = {
    "no_grad": lambda: By(without),
    "inference_mode": lambda: By(inference),
    "detached": lambda: By(lambda layer, x: layer(x.detach())),
    "detached after": lambda: By(lambda layer, x: layer(x).detach()),
    "numpy": lambda: By(numbers),
    "numpy of the detached": lambda: By(lambda layer, x: numbers(layer, x.detach())),
    "threshold": lambda: By(lambda layer, x: layer((x > 0.5).float())),
    "quantised": lambda: quantised(nn.Linear(64, 10)),
}
FUNCTIONS = {
    "pgd": lambda net, x, y: attacks.pgd(net, x, y, eps=0.1, steps=1, step_size=0.1),
    "robust_accuracy": metrics.robust_accuracy,
    "auto_attack": lambda net, x, y: metrics.auto_attack(net, x, y, attacks=["apgd-ce"]),
    "gradient_masking": lambda net, x, y: metrics.gradient_masking(net, x, y, eps=0.1, queries=3),
    "joint": metrics.fisher_score,
    "marginal": lambda net, x, y: metrics.fisher_score(net, x),
    "estimated": lambda net, x, y: metrics.fisher_score(net, x, y, probes=2),
    "zero_gradient": metrics.zero_gradient,
    "out_of_distribution": lambda net, x, y: metrics.out_of_distribution(net, x, x),
    "score": lambda net, x, y: energy.score(energy.energy_of(net), x),
    "sample": lambda net, x, y: jeat.sample(net, y, steps=1),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_net_without_input_gradients_is_refused_in_one_line(name, function):
    torch.manual_seed(0)
    net = wrap(NETS[name](), (1, 8, 8), 10)
    y = net(X).argmax(1)  # else an attack has nothing to do
    with pytest.raises(ValueError, match=r"^[^\n]*: there is no gradient$"):
        FUNCTIONS[function](net, X, y)


@pytest.mark.parametrize(
    "take",
    [
        lambda net, place: save_net(net, None, place / "net.safetensors"),
        lambda net, place: jeat.export(net, place / "net.onnx"),
        lambda net, place: [*jeat.fit(Plan("normal"), place / "run", net=net)],
    ],
    ids=["save_net", "export", "fit"],
)
def test_a_quantised_net_can_be_neither_saved_nor_trained(take, tmp_path):
    net = wrap(NETS["quantised"](), (1, 8, 8), 10)
    with pytest.raises(ValueError, match=r"1._packed_params.*as quantised nets do.*before it"):
        take(net, tmp_path)
    assert not any(tmp_path.iterdir())
    assert jeat.export(net, tmp_path / "net.ts")["logits"] < 1e-3


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), "nn.Lazy.*run it once on images"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).to("meta"), "on the device meta"),
    ],
)
def test_weights_that_have_no_numbers_yet_are_refused(net, said, tmp_path):
    short = Plan("normal", optimisation=Optimisation(epochs=0.1))
    with pytest.raises(ValueError, match=said):
        wrap(net(), (1, 8, 8), 10)
    with pytest.raises(ValueError, match=said):
        [*jeat.fit(short, tmp_path / "run", net=net())]
