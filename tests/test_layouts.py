"""Checkpoints of other projects give the logits that their own nets give."""

import pytest
import torch

from jeat._support.plugins import known_parts
from jeat.nets import Spec, build
from jeat.nets.layouts import recognised

from . import foreign_nets as foreign

CIFAR10 = [0.4914, 0.4822, 0.4465], [0.2471, 0.2435, 0.2616]


def normalised(x):
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in CIFAR10)
    return (x - mean) / std


NETS = {
    "jem": (lambda: foreign.JEM(16, 1), lambda net, x: net(2 * x - 1)),
    "trades": (lambda: foreign.Trades(16, 2), lambda net, x: net(x)),
    "trades, mu": (lambda: foreign.Trades(10, 1, *CIFAR10), lambda net, x: net(x)),
    "fast_adversarial": (foreign.FastAdversarial, lambda net, x: net(normalised(x))),
    "kuangliu": (foreign.Kuangliu, lambda net, x: net(x)),
    "robustness": (
        lambda: foreign.Robustness(foreign.Kuangliu(50, 4), *CIFAR10), lambda net, x: net(x)
    ),
}  # fmt: skip


def trained(make):
    """A net whose statistics of batch normalisation are no beginner's."""
    torch.manual_seed(0)
    net = make()
    for m in net.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.2)
            m.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(m.weight, 0.5, 1.5)
            torch.nn.init.normal_(m.bias, 0, 0.1)
    return net.eval()


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_checkpoint_of_another_project_gives_its_nets_logits(name, prefix):
    make, logits = NETS[name]
    net = trained(make)
    found = recognised({f"{prefix}{k}": v for k, v in net.state_dict().items()})
    classes = tuple(map(str, range(found.classes)))
    ours = build(Spec(found.name, found.channels, 32, classes, found.settings)).eval()
    ours.load_state_dict(found.weights)
    x = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        right = logits(net, x)
        torch.testing.assert_close(ours(x), right, rtol=1e-5, atol=1e-5)
        assert right.std() > 1e-2


def test_each_layout_has_a_net_here_and_takes_no_other():
    states = {name: trained(make).state_dict() for name, (make, _) in NETS.items()}
    from importlib import import_module

    layouts = known_parts("nets/layouts")
    assert len(layouts) >= 4
    for state in states.values():
        reads = [import_module(f"jeat.nets.layouts.{name}").read for name in layouts]
        assert sum(read(state) is not None for read in reads) == 1


def test_keys_of_no_layout_are_not_recognised():
    assert recognised(torch.nn.Linear(3, 2).state_dict()) is None
