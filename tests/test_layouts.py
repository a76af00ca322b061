"""Checkpoints of other projects give the logits that their own nets give."""

from importlib import import_module

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import jeat
from jeat._support.plugins import known_parts
from jeat.cli import main
from jeat.jobs.drawing import load_images
from jeat.nets import Spec, build
from jeat.nets.layouts import recognised
from jeat.runs.buffer import load_buffer

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
    layouts = known_parts("nets/layouts")
    assert len(layouts) >= 4
    for state in states.values():
        reads = [import_module(f"jeat.nets.layouts.{name}").read for name in layouts]
        assert sum(read(state) is not None for read in reads) == 1


def test_keys_of_no_layout_are_not_recognised():
    assert recognised(torch.nn.Linear(3, 2).state_dict()) is None


# From a file, by every command


def saved_as(kept, place):
    torch.save(kept, place)
    return str(place)


def test_a_checkpoint_of_jem_is_a_net_and_its_buffer_a_start(tmp_path):
    net = trained(lambda: foreign.JEM(10, 1))
    buffer = torch.rand(20, 3, 32, 32) * 2 - 1
    file = saved_as(
        {"model_state_dict": net.state_dict(), "replay_buffer": buffer}, tmp_path / "CIFAR10.pt"
    )
    x = torch.rand(3, 3, 32, 32)
    ours = jeat.load(file)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), net(2 * x - 1), rtol=1e-5, atol=1e-5)
    states = load_buffer(file).states
    torch.testing.assert_close(2 * states - 1, buffer)
    out = tmp_path / "x.safetensors"
    words = ["sample", file, str(out), "-n", "1", "--class", "3", "--start", "buffer"]
    assert main([*words, "--steps", "1", "--step_size", "1e-9", "--noise", "0"]) == 0
    drawn = load_images(out)[0][0]
    assert min(float((drawn - s.clamp(0, 1)).abs().max()) for s in states) < 3e-3


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", None])
def test_a_state_dict_is_found_under_the_usual_keys(key, tmp_path):
    net = trained(foreign.Trades)
    state = {f"module.{k}": v for k, v in net.state_dict().items()}
    kept = state if key is None else {key: state, "epoch": 3, "optimizer": {"lr": 0.1}}
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        ours = jeat.load(saved_as(kept, tmp_path / "best.pth"))(x)
        torch.testing.assert_close(ours, net(x), rtol=1e-5, atol=1e-5)


def test_a_safetensors_file_of_another_project_is_read(tmp_path):
    net = trained(foreign.Kuangliu)
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            jeat.load(tmp_path / "net.safetensors")(x), net(x), rtol=1e-5, atol=1e-5
        )


def test_commands_take_a_foreign_checkpoint(tmp_path, capsys):
    data = tmp_path / "d.npz"
    images = torch.randint(256, (100, 32, 32, 3), dtype=torch.uint8).numpy()
    np.savez(data, images=images, labels=np.arange(100) % 10)
    file = saved_as(trained(foreign.FastAdversarial).state_dict(), tmp_path / "net.pt")
    words = ["--data", str(data), "-n", "4"]
    assert main(["measure", file, "--metrics", "accuracy", "energies", *words]) == 0
    assert main(["attack", file, "--steps", "1", *words]) == 0
    assert "E_y" in capsys.readouterr().out


class Odd:
    pass


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (lambda: torch.nn.Linear(2, 2).state_dict(), "FILE.py:FUNCTION"),
        (lambda: {"model": Odd()}, "more than tensors"),
        (lambda: torch.nn.Linear(2, 2), "more than tensors"),
        (lambda: {"epoch": 3}, "no state dict"),
        (lambda: [1, 2], "no state dict"),
    ],
)
def test_other_pickles_are_refused_in_a_line_that_says_what_would_do(kept, said, tmp_path, capsys):
    file = saved_as(kept(), tmp_path / "net.pt")
    assert main(["measure", file]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_a_pickle_runs_nothing(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    with pytest.raises(ValueError, match="more than tensors"):
        jeat.load(saved_as({"state_dict": Bomb()}, tmp_path / "net.pt"))
    assert not (tmp_path / "ran").exists()


# By name


FACTORY = """
import torch, jeat

def net():
    torch.manual_seed(3)
    layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    return jeat.wrap(layers, images=(1, 8, 8), classes=10)

def bare():
    return torch.nn.Linear(2, 2)

def wrong():
    raise KeyError("no such weights")
"""


def test_a_factory_of_a_file_is_measured_attacked_and_drawn_from(tmp_path, capsys):
    (tmp_path / "own.py").write_text(FACTORY)
    name = f"{tmp_path / 'own.py'}:net"
    words = ["--data", "digits", "-n", "20"]
    assert main(["measure", name, "--metrics", "accuracy", "fisher_score", *words]) == 0
    assert main(["attack", name, "--steps", "1", *words]) == 0
    out = tmp_path / "x.safetensors"
    assert main(["sample", name, str(out), "-n", "1", "--steps", "2"]) == 0
    words = ["--metrics", "judge_accuracy", "--samples", str(out), "--judge", "digits-jeat"]
    capsys.readouterr()
    torch.manual_seed(3)
    layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    x = torch.rand(3, 1, 8, 8)
    assert torch.equal(jeat.load(name)(x), layers(x))


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("HERE:nothing", 2, "has no nothing"),
        ("HERE:bare", 2, "must return a net of jeat.wrap"),
        ("HERE:wrong", 1, "own.py, line 13: KeyError"),
        ("nowhere.py:net", 2, "there is no file nowhere.py"),
        ("torchvision:nothing", 2, "torchvision has no 'nothing'"),
        ("no_such_module:net", 2, "no net 'no_such_module:net'"),
    ],
)
def test_a_name_that_makes_no_net_is_said(name, code, said, tmp_path, capsys):
    (tmp_path / "own.py").write_text(FACTORY)
    name = name.replace("HERE", str(tmp_path / "own.py"))
    assert main(["sample", name, str(tmp_path / "x.png")]) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
