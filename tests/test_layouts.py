"""Checkpoints of other projects give the logits that their own nets give."""

from importlib import import_module

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file

import jeat
from jeat._support.checks import DoubtWarning, doubts
from jeat._support.plugins import known_parts
from jeat.cli import main
from jeat.jobs.image_files import load_images
from jeat.nets import Spec, build
from jeat.nets.layouts import recognised
from jeat.nets.layouts._inner import inner_of
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


ONE = torch.ones(1)


def saved_as(kept, place):
    torch.save(kept, place)
    return str(place)


def with_keys(net, **more):
    return net.state_dict() | more


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
        assert sum(read(inner_of(state)[0]) is not None for read in reads) == 1


def test_keys_of_no_layout_are_not_recognised():
    assert recognised(torch.nn.Linear(3, 2).state_dict()) is None


def changed(**more):
    """The state dict of a net of TRADES with other tensors; None takes one out."""
    state = trained(lambda: foreign.Trades(10, 1)).state_dict() | more
    return {k: v for k, v in state.items() if v is not None}


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (
            lambda: changed(**{"block2.layer.0.se.weight": torch.ones(3, 3), "foo.weight": ONE}),
            "also has block2.layer.0.se.weight, foo.weight, so it is another net",
        ),
        (lambda: changed(std=torch.ones(3)), "also has std, so"),
        (lambda: changed(mu=torch.ones(3)), "also has mu, so"),
        (lambda: changed(**{"fc.bias": None}), "it lacks fc.bias"),
        (lambda: changed(**{"conv1.weight": None}), "lacks conv1.weight"),
        (lambda: changed(**{"block2.layer.0.bn2.weight": None}), "lacks block2.layer.0.bn2.weight"),
        (lambda: changed(**{"block2.layer.0.conv1.bias": ONE}), "has block2.layer.0.conv1.bias"),
        (
            lambda: changed(**{"block2.layer.0.conv1.weight": torch.ones(32, 16, 5, 5)}),
            "block2.layer.0.conv1.weight (32, 16, 5, 5) for (32, 16, 3, 3)",
        ),
        (
            lambda: changed(**{"fc.bias": torch.full((10,), torch.nan)}),
            "its weights are not finite: fc.bias",
        ),
        (
            lambda: with_keys(foreign.Kuangliu(), **{"layer1.0.fc1.weight": ONE}),
            "also has layer1.0.fc1.weight, so",
        ),
        (
            lambda: with_keys(foreign.JEM(10, 1), **{"f.attention.weight": ONE}),
            "also has f.attention.weight, so",
        ),
        (
            lambda: with_keys(foreign.FastAdversarial(), **{"layer1.0.se.weight": ONE}),
            "also has layer1.0.se.weight, so",
        ),
        (
            lambda: {
                f"{p}{k}": v + (p != "model.")
                for k, v in foreign.Kuangliu().state_dict().items()
                for p in ("model.", "attacker.model.")
            },
            "attacker.model.conv1.weight differs",
        ),
    ],
)
def test_another_net_than_the_known_layers_are_of_is_refused(kept, said, tmp_path, capsys):
    assert main(["measure", saved_as(kept(), tmp_path / "net.pt")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "net.pt" in error
    assert said in error


def test_what_a_layout_never_runs_is_left_out(tmp_path):
    net = trained(lambda: foreign.Trades(10, 1))
    copy = {f"sub_{k}": v + 1 for k, v in net.state_dict().items() if k[:7] == "block1."}
    file = saved_as(net.state_dict() | copy, tmp_path / "net.pt")
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(jeat.load(file)(x), net(x), rtol=1e-5, atol=1e-5)


BESIDE = {
    "": "mean std", "0.": "0.mean 0.std", "model.": "normalize.mean normalize.std",
    "module.model.": "module.normalizer.new_mean module.normalizer.new_std",
}  # fmt: skip


@pytest.mark.parametrize("before", [*BESIDE, "1."])
@pytest.mark.parametrize("make", [foreign.Kuangliu, lambda: foreign.Trades(10, 1)])
def test_a_prefix_is_left_out_and_a_normalisation_beside_the_net_is_its_own(before, make, tmp_path):
    net = trained(make)
    state = {f"{before}{k}": v for k, v in net.state_dict().items()}
    x = torch.rand(2, 3, 32, 32)
    with pytest.warns(DoubtWarning, match="not say how images are normalised"):
        ours = jeat.load(saved_as(state, tmp_path / "net.pt"))
    with torch.no_grad():
        torch.testing.assert_close(ours(x), net(x), rtol=1e-5, atol=1e-5)
    for names, shape in zip(BESIDE.values(), [(3,), (1, 3, 1, 1), (3,), (3, 1, 1)], strict=True):
        values = (torch.tensor(v).view(shape) for v in CIFAR10)
        whole = state | dict(zip(names.split(), values, strict=True))
        with torch.no_grad(), doubts() as said:
            ours = jeat.load(saved_as(whole, tmp_path / "net.pt"))
            torch.testing.assert_close(ours(x), net(normalised(x)), rtol=1e-5, atol=1e-5)
        assert said == []


def test_what_is_said_of_a_normalisation_goes_before_what_is_usual(tmp_path):
    for make in (foreign.Kuangliu, foreign.FastAdversarial, lambda: foreign.Trades(10, 1)):
        net = trained(make)
        file = saved_as(net.state_dict(), tmp_path / "net.pt")
        x = torch.rand(2, 3, 32, 32)
        with torch.no_grad(), doubts() as said:
            ours = jeat.load(file, arch={"mean": 0.25, "std": 0.5})(x)
            torch.testing.assert_close(ours, net((x - 0.25) / 0.5), rtol=1e-5, atol=1e-5)
        assert said == []
        with pytest.warns(DoubtWarning, match="not say how images are normalised"):
            jeat.load(file)


# From a file, by every command


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


@pytest.mark.parametrize("values", [torch.full((4, 3, 32, 32), v) for v in (4.0, torch.nan)])
def test_a_buffer_of_pixels_that_are_not_of_jem_is_refused(values, tmp_path):
    file = saved_as({"replay_buffer": values}, tmp_path / "net.pt")
    with pytest.raises(ValueError, match=r"net.pt keeps a replay buffer of pixels from (4|nan) to"):
        load_buffer(file)


EMAS = ["state_dict_ema", "ema", "ema_model_state_dict", "model_ema"]


@pytest.mark.parametrize("key", EMAS)
def test_averaged_weights_beside_the_plain_ones_are_named_and_taken_where_alone(key, tmp_path):
    net, averaged = (trained(lambda: foreign.Trades(10, 1)).state_dict() for _ in range(2))
    averaged = averaged | {"fc.bias": averaged["fc.bias"] + 1}
    x = torch.rand(2, 3, 32, 32)
    with pytest.warns(DoubtWarning, match=f"under model are taken, and those under {key} are not"):
        plain = jeat.load(saved_as({"model": net, key: averaged}, tmp_path / "net.pt"))
    with doubts() as said:
        alone = jeat.load(saved_as({key: averaged, "epoch": 3}, tmp_path / "net.pt"))
    assert not [s for s in said if "taken, and" in s]
    with torch.no_grad():
        torch.testing.assert_close(plain(x) + 1, alone(x), rtol=1e-5, atol=1e-5)


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
        (lambda: {"epoch": 3}, "no state dict, but epoch"),
        (lambda: {"optimizer": {"state": {}, "param_groups": []}}, "no state dict, but optimizer"),
        (lambda: [1, 2], "no state dict, but a list"),
        (lambda: torch.ones(3), "no state dict, but one tensor (3,)"),
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


def test_a_resnet_of_three_stages_is_said_to_be_one(tmp_path):
    """Its shortcuts of option A have no weights: their arithmetic is in no file."""
    theirs = foreign.Kuangliu(18).state_dict()
    three = {k: v for k, v in theirs.items() if not k.startswith("layer4")}
    plain = {k: v for k, v in theirs.items() if "shortcut" not in k}
    for state, said in (
        (three, "of 3 stages, as"),
        (plain, "of 4 stages, whose shortcuts have no"),
    ):
        torch.save(state, tmp_path / "net.pt")
        with pytest.raises(
            ValueError, match=f"net.pt: it looks like a ResNet of CIFAR {said}.*FILE.py"
        ):
            jeat.load(tmp_path / "net.pt")


@pytest.mark.parametrize(
    "make", [lambda: foreign.Kuangliu(18), lambda: torchvision.models.resnet18(num_classes=10)]
)
def test_the_state_of_an_average_is_that_of_its_net(make, tmp_path):
    net = trained(make)
    torch.save(torch.optim.swa_utils.AveragedModel(net).state_dict(), tmp_path / "net.pt")
    said = {"images": (3, 32, 32), "mean": 0.0, "std": 1.0}
    x = torch.rand(2, 3, 32, 32)
    right = net(x)
    found = jeat.load(tmp_path / "net.pt", arch=said)(x)
    assert (found - right).abs().max() < 1e-4 * right.abs().max()
