"""A module that is given is trained as a net of a plan is: resumed, gone back, averaged, kept."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

import jeat
from jeat._support.plugins import NAMED
from jeat.cli import main
from jeat.data import Data
from jeat.nets import Spec, build, checkpoint, save_net, spec_of, wrap
from jeat.runs.rollbacks import rollbacks_of
from jeat.training.given import given
from jeat.training.plan import Optimisation, Plan, Recovery

from .conftest import DIGITS

pytestmark = pytest.mark.usefixtures("unchecked")
SHORT = Optimisation(epochs=0.5, batch_size=128, log_every=1, save_every=2, ema=0.9)
X = DIGITS.test.floats(20)[0]


def module():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10)
    )


def plan(method="at", **settings):
    return Plan(method, **({"optimisation": SHORT} | settings))


def losses(out, net, *, stop=None, resume=False, of=None):
    found, run = [], jeat.fit(of or plan(), out, net=net, resume=resume)
    for log in run:
        found.append(log.metrics["loss"])
        if log.iteration == stop:
            run.close()
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was not stopped, its module, and its losses."""
    out, net = tmp_path_factory.mktemp("whole") / "run", module()
    return out, net, losses(out, net)


def test_it_is_trained_where_it_is_and_its_average_is_kept(whole):
    out, net, found = whole
    assert len(found) == 6
    assert min(found) < found[0]
    assert not torch.equal(net[1].weight, module()[1].weight)
    kept = jeat.load(out, net=module())
    assert spec_of(kept).classes == DIGITS.classes
    last = copy.deepcopy(net).eval()
    assert not torch.allclose(kept(X), last(X))  # it is the average
    torch.manual_seed(0)
    assert jeat.sample(kept, torch.arange(3), steps=2).shape == (3, 1, 8, 8)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(stop, whole, tmp_path):
    out, _, found = whole
    first = losses(tmp_path / "run", module(), stop=stop)
    torch.manual_seed(5)
    rest = losses(tmp_path / "run", module(), resume=True)
    assert first[: len(found) - len(rest)] + rest == found
    kept = [jeat.load(run, net=module()).state_dict() for run in (out, tmp_path / "run")]
    assert all(torch.equal(v, kept[1][k]) for k, v in kept[0].items())
    assert losses(tmp_path / "run", module(), resume=True) == []


def test_a_run_that_diverges_goes_back_to_the_weights_that_were_given(tmp_path):
    risky = plan(
        optimisation=Optimisation(epochs=0.5, batch_size=128, log_every=1, lr=100.0),
        recovery=Recovery(tries=1, lr=1e-6, patience=1, max_energy=20.0),
    )
    net = module()
    found = losses(tmp_path / "run", net, of=risky)
    went = rollbacks_of(tmp_path / "run")
    assert [r.to for r in went] == [0]
    assert len(found) >= 6
    start = next(iter(losses(tmp_path / "calm", module(), of=plan(), stop=1)))
    assert found[-6] == pytest.approx(start, abs=0.3)  # it began from the first weights again
    assert (net[1].weight - module()[1].weight).abs().max() < 0.1


@pytest.mark.parametrize(
    "made",
    [
        lambda: torch.compile(module(), backend="eager"),
        lambda: nn.DataParallel(module()),
        lambda: wrap(torch.compile(module(), backend="eager"), (1, 8, 8), 10),
        lambda: wrap(nn.DataParallel(module()), (1, 8, 8), 10),
        lambda: wrap(module(), (1, 8, 8), DIGITS.classes),
    ],
    ids=["compiled", "parallel", "wrapped compiled", "wrapped parallel", "wrapped"],
)
def test_what_it_is_wrapped_in_changes_nothing(made, whole, tmp_path):
    out, _, found = whole
    assert losses(tmp_path / "run", made()) == pytest.approx(found, rel=1e-5)
    mine, right = jeat.load(tmp_path / "run", net=made()), jeat.load(out, net=module())
    torch.testing.assert_close(mine(X), right(X))
    torch.testing.assert_close(jeat.load(tmp_path / "run", net=module())(X), right(X))


def test_a_net_of_ours_is_given_with_its_weights(tmp_path):
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes, norm="batch"))
    calm = plan(optimisation=Optimisation(epochs=0.09, batch_size=128, lr=1e-9))
    losses(tmp_path / "run", net, of=calm)
    assert spec_of(jeat.load(tmp_path / "run")).settings["norm"] == "batch"
    kept = jeat.load(tmp_path / "run").state_dict()
    torch.testing.assert_close(kept["linear.weight"], net.state_dict()["linear.weight"])


def test_classes_that_are_named_otherwise_are_refused():
    net = wrap(module(), (1, 8, 8), list("abcdefghij"))
    named = Data(DIGITS.train, DIGITS.test, tuple("klmnopqrst"))
    with pytest.raises(ValueError, match="knows the classes a, b"):
        given(net).ready(plan(), named, fresh=True)
    assert given(net).ready(plan(), DIGITS, fresh=True) is net  # numbers say nothing


def test_a_normalisation_of_wrap_is_kept(tmp_path):
    losses(tmp_path / "run", wrap(module(), (1, 8, 8), 10, mean=0.3, std=0.2))
    assert spec_of(jeat.load(tmp_path / "run", net=module())).settings["std"] == 0.2


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (lambda: 3, "takes a torch.nn.Module"),
        (lambda: wrap(nn.Flatten(), (1, 4, 4), 16), "takes images of (1, 4, 4)"),
        (lambda: nn.Linear(2, 2), ""),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 9)), "a logit a class"),
        (lambda: module().requires_grad_(False), "nothing to learn"),
    ],
)
def test_a_module_that_does_not_fit_is_refused(net, said, tmp_path):
    with pytest.raises((ValueError, RuntimeError)) as error:
        losses(tmp_path / "run", net(), of=plan("normal"))
    assert said in str(error.value)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_module_made_in_inference_mode_is_refused(tmp_path):
    with torch.inference_mode():
        net = module()
    with pytest.raises(ValueError, match=r"copy\.deepcopy"):
        losses(tmp_path / "run", net)


def test_a_plan_of_a_module_needs_one(tmp_path):
    with pytest.raises(ValueError, match="holds a module that is given"):
        losses(tmp_path / "run", None, of=plan(net="wrap"))


def test_commands_say_what_a_run_of_a_given_module_needs(whole, tmp_path, capsys):
    out, _, _ = whole
    (tmp_path / "own.py").write_text(CODE)
    words = ["measure", str(out), "--metrics", "accuracy", "-n", "20"]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--arch FILE.py:FACTORY" in error
    assert main([*words, "--arch", f"{tmp_path}/own.py:module"]) == 0
    assert main([*words, "--arch", "convnet-4"]) == 2


CODE = """
from torch import nn
def module(classes, size):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(size**2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, classes)
    )
"""


def test_the_command_line_trains_what_a_file_of_code_makes(tmp_path, capsys):
    (tmp_path / "own.py").write_text(CODE)
    name, out = f"{tmp_path}/own.py:module", str(tmp_path / "run")
    words = ["train", "normal", "--net", name, "--out", out, "--epochs", "0.2", "--std", "0.5"]
    assert main(words) == 0
    assert main([*words, "--resume"]) == 0
    NAMED.discard(str((tmp_path / "own.py").resolve()))  # as in a process of its own
    assert main(["measure", out, "--metrics", "accuracy", "-n", "9"]) == 1
    assert f"--arch {name}" in capsys.readouterr().err
    assert main(["measure", out, "--metrics", "accuracy", "-n", "9", "--arch", name]) == 0
    assert spec_of(jeat.load(out, arch=name)).settings["std"] == 0.5


OWN = """
import jeat
from torch import nn
def layers(classes, size):
    return nn.Sequential(nn.Flatten(), nn.Linear(size**2, classes))
def net():
    return jeat.wrap(layers(10, 8), images=(1, 8, 8), classes=10, mean=0.25)
"""


def test_a_training_begins_from_what_code_of_ones_own_makes_and_its_runs(tmp_path, monkeypatch):
    """Whether the code returns a module or a net of jeat.wrap, and whoever ran it before."""
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    few = ["--epochs", "0.09", "--lr", "1e-9"]

    def run(out, net, *init):
        NAMED.discard(str(Path("own.py").resolve()))  # as in a process of its own
        words = ["train", "normal", "--out", out, "--net", f"own.py:{net}", *few]
        assert main([*words, *(w for i in init for w in ("--init", i))]) == 0
        return jeat.load(out, arch=f"own.py:{net}").state_dict()

    for name in ("net", "layers"):
        first = run(name, name)
        for i, init in enumerate((name, f"{name}?arch=own.py:{name}")):
            again = run(f"{name}{i}", name, init)
            torch.testing.assert_close(again, first, rtol=0, atol=1e-6)
    run("made", "net", "own.py:net")
    torch.save(module_of(jeat.load("net", arch="own.py:net")).state_dict(), "bare.pt")
    bare = run("from a state dict", "net", "bare.pt")
    torch.testing.assert_close(bare, run("again", "net", "net"), rtol=0, atol=1e-6)


def module_of(net):
    """The module within the nets of jeat.wrap."""
    while hasattr(net, "net"):
        net = net.net
    return net


@pytest.mark.filterwarnings("ignore:.*(torch.jit|deprecated)")
@pytest.mark.parametrize(
    "made",
    [
        torch.jit.script,
        lambda net: torch.jit.trace(net, X[:2]),
        lambda net: torch.export.export(net, (X[:2],)).module(),
    ],
    ids=["scripted", "traced", "exported"],
)
def test_what_is_no_code_any_more_is_not_trained(made, tmp_path):
    fixed = made(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval())
    for net in (fixed, nn.Sequential(fixed), wrap(fixed, (1, 8, 8), 10)):
        with pytest.raises(ValueError, match="train the module that it was made of"):
            next(jeat.fit(plan(), tmp_path / "run", net=net))
    assert not (tmp_path / "run").exists()


def test_a_training_begins_from_a_state_dict_that_fits(tmp_path, capsys):
    (tmp_path / "own.py").write_text(CODE)
    torch.save({"model": module().state_dict()}, tmp_path / "first.pt")
    init = ["--init", str(tmp_path / "first.pt"), "--epochs", "0.09", "--lr", "1e-9"]
    net = ["--net", f"{tmp_path}/own.py:module"]
    assert main(["train", "normal", "--out", str(tmp_path / "run"), *net, *init]) == 0
    kept = jeat.load(tmp_path / "run", net=module())
    torch.testing.assert_close(kept.state_dict()["net.1.weight"], module()[1].weight.detach())
    capsys.readouterr()
    other = ["--net", "convnet-4", "--out", str(tmp_path / "other")]
    assert main(["train", "normal", *other, *init]) == 1
    assert "first.pt does not fit convnet-4" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def changed(activation):
    """:func:`module`, with another activation: the same weights fit both."""
    net = module()
    net[3] = activation
    return net


@pytest.mark.parametrize("other", [nn.Tanh(), nn.SiLU(), nn.LeakyReLU(0.3)])
def test_another_module_with_the_same_weights_does_not_go_on(whole, tmp_path, other):
    """Its weights fit, and nothing else says that it computes something else."""
    stopped = tmp_path / "run"
    losses(stopped, module(), stop=3)
    with pytest.raises(ValueError, match="of another module than the one that is given"):
        losses(stopped, changed(other), resume=True)
    assert losses(stopped, module(), resume=True) == whole[2][2:]
    with pytest.raises(ValueError, match="of another module than the one that is given"):
        jeat.load(stopped, net=changed(other))


def test_a_file_that_keeps_no_logits_is_loaded_as_before(tmp_path, monkeypatch):
    net = wrap(module().eval(), (1, 8, 8), 10)
    save_net(net, None, tmp_path / "new.safetensors")
    monkeypatch.setattr(checkpoint, "logits_of_noise", lambda _: {})
    save_net(net, None, tmp_path / "old.safetensors")
    monkeypatch.undo()
    jeat.load(tmp_path / "old.safetensors", net=changed(nn.Tanh()))
    with pytest.raises(ValueError, match="of another module"):
        jeat.load(tmp_path / "new.safetensors", net=changed(nn.Tanh()))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_module_of_another_precision_is_the_same_module(tmp_path, dtype, precision):
    file = tmp_path / "net.safetensors"
    save_net(wrap(module().to(dtype), (1, 8, 8), 10), None, file, precision=precision)
    jeat.load(file, net=module().to(dtype))
    with pytest.raises(ValueError, match="of another module"):
        jeat.load(file, net=changed(nn.Tanh()).to(dtype))


class Noisy(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x)


@pytest.mark.filterwarnings("ignore:the net's logits are random")
def test_a_module_whose_logits_are_random_is_taken_as_it_is(tmp_path):
    file = tmp_path / "net.safetensors"
    save_net(wrap(changed(Noisy()), (1, 8, 8), 10), None, file)
    jeat.load(file, net=changed(nn.Tanh()))


def test_the_code_of_a_run_that_was_changed_is_said_to_be(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = (
        "from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), "
        "nn.{}(), nn.Linear(16, 10))\n"
    )
    Path("code_a.py").write_text(code.format("SiLU"))
    Path("code_b.py").write_text(code.format("Tanh"))
    words = ["train", "normal", "--data", "digits", "--net", "code_a.py:net", "--epochs", "0.1"]
    assert main([*words, "--out", "run"]) == 0
    measured = ["measure", "run", "-n", "5", "--metrics", "accuracy", "--arch"]
    assert main([*measured, "code_a.py:net"]) == 0
    assert main([*measured, "code_b.py:net"]) != 0
    (said,) = [w for w in capsys.readouterr().err.splitlines() if "another module" in w]
    assert "or its code was changed" in said
