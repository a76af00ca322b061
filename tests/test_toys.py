"""A part of one's own is one file, and trains, resumes, draws and is reported like ours."""

import json
import random
import re
import sys
from collections import deque
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import jeat
from jeat._support.sealed import load_sealed, save_sealed
from jeat.attacks import pgd
from jeat.cli import main
from jeat.data import Batch
from jeat.jobs.image_files import load_images
from jeat.nets import Spec, build, save_net
from jeat.runs.fit import fit
from jeat.samplers import (
    langevin,
    last,
    numbers_stored,
    sampler_of,
    start_of,
    start_without_images,
)
from jeat.training.iteration import prepare
from jeat.training.loop import train
from jeat.training.plan import Optimisation, Plan, Recovery

from .conftest import DIGITS
from .test_run import assert_same_run
from .toys.entropy import measure as entropy
from .toys.flow import Flow
from .toys.growing import Growing
from .toys.normalised import normalised
from .toys.stripes import stripes
from .toys.unpaired import Unpaired

SHORT = Optimisation(epochs=1, log_every=1, save_every=4, evaluate_images=20)
TOYS = {
    "two batches": Plan("tests.toys.unpaired:Unpaired"),
    "two stages": Plan("tests.toys.growing:Growing", objective={"target": 0.0}),
    "a flow": Plan("tests.toys.likelihood:Likelihood", net="tests.toys.flow:Flow-16"),
    "passes": Plan("at", net="tests.toys.passes:Passes", architecture={"width": 4}),
    "sampler": Plan(
        "jem",
        objective={
            "sampler": {"name": "tests.toys.normalised:normalised", "momentum": 0.5},
            "steps": 2, "buffer_size": 200,
        },
    ),
    "step": Plan("at", optimisation=Optimisation(step="tests.toys.ascent:ascent")),
    "sharpness": Plan(
        "jeat",
        objective={"steps": 2, "buffer_size": 200},
        optimisation=Optimisation(step={"name": "sharpness_aware", "rho": 0.5, "adaptive": True}),
    ),
    "data, start": Plan(
        "jem", data="tests.toys.stripes:stripes", start="tests.toys.grey:Grey",
        objective={"steps": 2, "buffer_size": 200}, optimisation=Optimisation(batch_size=32),
    ),
}  # fmt: skip


def short(plan):
    net = plan.net if ":" in plan.net else "convnet-4"
    o = replace(SHORT, step=plan.optimisation.step, batch_size=plan.optimisation.batch_size)
    return replace(plan, net=net, optimisation=o)


@pytest.fixture(scope="module", params=TOYS)
def whole(request, tmp_path_factory):
    """A plan of a toy, and its uninterrupted run."""
    plan, out = short(TOYS[request.param]), tmp_path_factory.mktemp("toy") / "run"
    for _ in fit(plan, out):
        pass
    return plan, out


@pytest.mark.parametrize("iterations", [2, 5])
def test_a_run_of_a_part_of_ones_own_resumes_exactly(whole, tmp_path, iterations):
    plan, uninterrupted = whole
    out = tmp_path / "run"
    for log in fit(plan, out):
        if log.iteration == iterations:
            break
    torch.rand(5)
    for _ in fit(plan, out, resume=True):
        pass
    assert_same_run(out, uninterrupted)


def test_its_net_is_loaded_sampled_attacked_and_measured_as_ours(whole):
    plan, out = whole
    net = jeat.load(out)
    data = jeat.load_data(plan.data)
    x, y = data.test.floats(20)
    images = jeat.sample(net, y[:4], steps=2)
    assert images.shape == x[:4].shape
    assert images.isfinite().all()
    x_adv = pgd(net, x, y, eps=0.1, steps=2, step_size=0.05)
    assert jeat.metrics.accuracy(net, x_adv, y) <= jeat.metrics.accuracy(net, x, y)
    assert jeat.metrics.fisher_score(net, x[:2], y[:2], probes=2).isfinite().all()
    assert entropy(jeat.metrics.Subject(net, x, y))["entropy"] >= 0


CHAIN = {"steps": 2, "step_size": 0.1, "noise": 0.0}
ABOUT = {"plan": {"data": "digits"}}


@pytest.mark.parametrize(
    "header",
    [
        {"spec": {"name": "antigravity:Net"}},
        {"spec": {"name": "os:abort"}},
        {"spec": {"name": "jeat.cli:main"}},
        {"chain": CHAIN | {"sampler": "antigravity:run"}},
        {"chain": CHAIN | {"sampler": "os:abort"}},
        {"chain": CHAIN | {"sampler": "langevin", "settings": {"name": "antigravity:run"}}},
        {"start": {"name": "antigravity:Start"}},
        {"about": {"plan": {"data": "antigravity:data"}}},
        {"about": {"plan": {"data": "os:abort"}}},
        {"about": {"plan": {"data": "sys:exit"}}},
        {"about": {"plan": {"data": "jeat.cli:main"}}},
    ],
    ids=str,
)
def test_a_file_has_no_code_imported_or_run(header, tmp_path, capsys):
    """Code of one's own is used where the user named its module; never since a file names it."""
    file = tmp_path / "net.safetensors"
    save_net(build(Spec("convnet-4", 1, 8, DIGITS.classes)), None, file, about=ABOUT)
    own, tensors = load_sealed(file)
    spec = own["spec"] | header.get("spec", {})
    save_sealed(file, own | header | {"spec": spec}, tensors)
    before = set(sys.modules)
    for words in (
        ["measure", str(file), "-n", "2"],
        ["sample", str(file), str(tmp_path / "x.png")],
    ):
        if "about" in header and words[0] == "sample":
            continue
        assert main([*words, *(["-n", "1"] if words[0] == "sample" else [])]) in (1, 2)
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "code of its own" in said or "named by Chain.sampler" in said
    assert "antigravity" not in set(sys.modules) - before


# An objective's own state


class Everything(nn.Module):
    """Cross-entropy at a temperature that is learned, beside a teacher and a count."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.teacher = build(net.spec).requires_grad_(False)
        self.teacher.load_state_dict(net.state_dict())
        self.temperature = nn.Parameter(torch.ones(()))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, net, batch):
        self.count += 1
        with torch.no_grad():
            for mine, its in zip(self.teacher.parameters(), net.parameters(), strict=True):
                mine.lerp_(its, 0.1)
        logits = self.temperature * net(batch.x) + 0.1 * self.teacher(batch.x) / self.count
        loss = nn.functional.cross_entropy(logits, batch.y)
        return loss, {"loss": loss.detach(), "temperature": self.temperature.detach()}


def forgetful(change, prepare=lambda o: None):
    """An objective whose ``change`` no checkpoint would hold."""

    class Forgetful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            prepare(self)

        def forward(self, net, batch):
            change(self)
            loss = net(batch.x).square().mean()
            return loss, {"loss": loss.detach()}

    return Forgetful


def _append(o):
    o.seen = [*getattr(o, "seen", []), 1]


FORGETFUL = {
    "count": forgetful(lambda o: setattr(o, "count", getattr(o, "count", 0) + 1)),
    "list": forgetful(_append),
    "dict": forgetful(lambda o: o.d.update(a=1), lambda o: setattr(o, "d", {})),
    "tensor": forgetful(lambda o: o.t.add_(1), lambda o: setattr(o, "t", torch.zeros(2))),
    "private": forgetful(lambda o: setattr(o, "_n", getattr(o, "_n", 0) + 1)),
    "array": forgetful(lambda o: o.a.__iadd__(1), lambda o: setattr(o, "a", np.zeros(1))),
    "deque": forgetful(lambda o: o.d.append(1), lambda o: setattr(o, "d", deque(maxlen=3))),
    "set": forgetful(lambda o: o.s.add(1), lambda o: setattr(o, "s", set())),
    "generator function": forgetful(
        lambda o: next(o.i), lambda o: setattr(o, "i", (i for i in range(9)))
    ),
    "iterator": forgetful(lambda o: next(o.i), lambda o: setattr(o, "i", count())),
    "generator": forgetful(
        lambda o: torch.rand(1, generator=o.g), lambda o: setattr(o, "g", torch.Generator())
    ),
    "python's generator": forgetful(
        lambda o: o.g.random(), lambda o: setattr(o, "g", random.Random(0))
    ),
    "numpy's generator": forgetful(
        lambda o: o.g.random(), lambda o: setattr(o, "g", np.random.default_rng(0))
    ),
    "an object": forgetful(
        lambda o: setattr(o.n, "n", 1), lambda o: setattr(o, "n", SimpleNamespace())
    ),
    "not kept": forgetful(
        lambda o: None, lambda o: o.register_buffer("t", torch.zeros(1), persistent=False)
    ),
    "none at first": forgetful(
        lambda o: setattr(o, "t", torch.zeros(1)), lambda o: o.register_buffer("t", None)
    ),
    "growing": forgetful(
        lambda o: setattr(o, "t", torch.zeros(3)),
        lambda o: o.register_buffer("t", torch.zeros(1)),
    ),
}
LATE = forgetful(
    lambda o: setattr(o, "late", int(o.n.add_(1)) // 4),
    lambda o: (o.register_buffer("n", torch.zeros(())), setattr(o, "late", 0)),
)
globals().update({f"Forgetful{i}": cls for i, cls in enumerate(FORGETFUL.values())})


def test_every_tensor_of_an_objective_is_kept_and_its_parameters_are_learned(tmp_path):
    plan = Plan("tests.test_toys:Everything", net="convnet-4", optimisation=SHORT)
    logs = list(fit(plan, tmp_path / "whole"))
    learned = [log.metrics["temperature"] for log in logs]
    assert learned[-1] != learned[0] == 1
    for log in fit(plan, tmp_path / "run"):
        if log.iteration == 6:
            break
    for _ in fit(plan, tmp_path / "run", resume=True):
        pass
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("i", range(len(FORGETFUL)), ids=list(FORGETFUL))
def test_state_that_no_checkpoint_would_hold_is_refused(i, tmp_path):
    plan = Plan(f"tests.test_toys:Forgetful{i}", net="convnet-4", optimisation=SHORT)
    with pytest.raises(ValueError, match=r"register"):
        next(fit(plan, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_state_that_is_first_changed_later_is_refused_when_it_would_be_lost(tmp_path):
    """The checkpoint before it stays; the one that would not hold it is not written."""
    plan = Plan("tests.test_toys:LATE", net="convnet-4", optimisation=replace(SHORT, save_every=3))
    with pytest.raises(ValueError, match=r"changes its attribute late"):
        list(fit(plan, tmp_path / "run"))
    assert [p.name for p in (tmp_path / "run/checkpoints").iterdir()] == ["00000003"]


def test_a_run_is_not_resumed_with_another_step_or_sampler(tmp_path):
    """A part is one setting: its name and settings are compared together."""
    plan = short(TOYS["sampler"])
    for log in fit(plan, tmp_path / "run"):
        if log.iteration == 5:
            break
    step = replace(plan.optimisation, step={"name": "sharpness_aware", "rho": 0.5})
    plain = plan.objective | {"sampler": "langevin"}
    for other in (replace(plan, optimisation=step), replace(plan, objective=plain)):
        with pytest.raises(ValueError, match="begun with other settings"):
            next(fit(other, tmp_path / "run", resume=True))


def test_chains_grow_when_told_apart_and_their_length_is_in_the_checkpoint(tmp_path):
    plan = short(TOYS["two stages"])
    lengths = [log.metrics["chain_steps"] for log in fit(plan, tmp_path / "run")]
    assert lengths == sorted(lengths)
    assert lengths[-1] > lengths[0]
    objective = Growing(lambda n: torch.rand(n, 1, 8, 8))
    assert [*objective.state_dict()] == ["steps"]


# Two batches


def test_a_branch_brings_its_own_images_not_augmented_in_an_order_of_its_own():
    seen = []

    class Watching(Unpaired):
        def points(self, net, batch):
            seen.append(batch)
            return super().points(net, batch)

    o = Optimisation(epochs=1, batch_size=64, pad=2, flip=True)
    training = prepare(build(Spec("convnet-4", 1, 8, DIGITS.classes)), Watching(), o, images=1437)
    for _ in train(training, DIGITS.train, others={"plain": DIGITS.train}):
        pass
    known = {x.numpy().tobytes() for x in DIGITS.train.x}
    plain = [b.others["plain"] for b in seen]
    pixels = [(x * 255).round().byte().numpy().tobytes() for b in plain for x in b.x]
    assert {len(b.y) for b in plain} == {8}
    assert set(pixels) <= known
    assert len(set(pixels)) == len(pixels)  # less than an epoch: none comes twice
    assert not all(torch.equal(b.x[:8], b.others["plain"].x) for b in seen)


def test_a_branch_may_be_of_another_data_set_of_the_same_shape(tmp_path):
    class Stripes(Unpaired):
        def __init__(self) -> None:
            super().__init__()
            branch = replace(self.branches["plain"], data="tests.toys.stripes:stripes")
            self.branches = {"plain": branch}

    globals()["Stripes"] = Stripes
    plan = Plan("tests.test_toys:Stripes", net="convnet-4", optimisation=SHORT)
    assert [log.iteration for log in fit(plan, tmp_path / "run")][-1] == 11


# A flow: logits are log p(x, k)


def test_a_flow_integrates_to_1():
    """sum_k p(x, k) over a box that holds nearly all of it, for images of two pixels."""
    torch.manual_seed(1)
    flow = Flow(4, channels=2, size=1, classes=3).double()
    n, side = 400, 6.0
    grid = torch.linspace(-side, side, n, dtype=torch.float64)
    x = torch.stack(torch.meshgrid(grid, grid, indexing="ij"), 2).reshape(-1, 2, 1, 1)
    with torch.no_grad():
        p = (-jeat.energy.marginal_energy(flow(x))).exp()
    total = float(p.sum() * (grid[1] - grid[0]) ** 2)
    assert total == pytest.approx(1, abs=1e-3)


def test_the_likelihood_of_a_flow_rises_though_energies_are_in_nats(tmp_path):
    plan = replace(short(TOYS["a flow"]), recovery=Recovery(tries=0))
    losses = [log.metrics["loss"] for log in fit(plan, tmp_path / "run")]
    assert losses[-1] < losses[0]


# An energy net of C passes


def test_a_net_of_a_pass_a_class_is_minus_its_energies():
    net = build(Spec("tests.toys.passes:Passes", 1, 8, DIGITS.classes))
    x, y = DIGITS.test.floats(6)
    E = jeat.energy.joint_energy(net(x), y)
    torch.testing.assert_close(E, net.energy(x, y))


# Samplers


def test_a_sampler_of_ones_own_draws_by_its_own_settings(net):
    from functools import partial

    chain = partial(normalised, steps=3, step_size=0.2, bounds=(0, 1))
    start = jeat.samplers.Uniform((1, 8, 8))
    torch.manual_seed(2)
    images = jeat.sample(net, torch.arange(4), sampler=chain, start=start)
    torch.manual_seed(2)
    E = jeat.energy.energy_of(net.eval(), torch.arange(4))
    assert torch.equal(images, last(chain(E, start(torch.arange(4)))))
    with pytest.raises(ValueError, match="bind steps in it"):
        jeat.sample(net, torch.arange(4), sampler=chain, steps=3)


def test_a_foreign_net_is_sampled_where_a_start_is_given():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    start = jeat.samplers.Uniform((1, 8, 8))
    torch.manual_seed(0)
    images = jeat.sample(net, torch.tensor([2, 0]), start=start, steps=3)
    torch.manual_seed(0)
    E = jeat.energy.energy_of(net, torch.tensor([2, 0]))
    chain = langevin(
        E, start(torch.tensor([2, 0])), steps=3, step_size=0.25, noise=0.005, bounds=(0, 1)
    )
    assert torch.equal(images, last(chain))


# The command line


def test_flags_of_parts_of_ones_own_reach_them(tmp_path, capsys):
    out = tmp_path / "run"
    words = [
        "train", "jem", "--out", str(out), "--net", "convnet-4", "--epochs", "0.2",
        "--objective.steps", "2", "--objective.buffer_size", "200",
        "--objective.sampler", "tests.toys.normalised:normalised",
        "--objective.sampler.momentum", "0.25",
        "--step", "tests.toys.ascent:ascent", "--step.rho", "0.125",
    ]  # fmt: skip
    assert main(words) == 0
    plan = json.loads((out / "run.json").read_text())["plan"]
    assert plan["objective"]["sampler"] == {
        "name": "tests.toys.normalised:normalised",
        "momentum": 0.25,
    }
    assert plan["optimisation"]["step"] == {"name": "tests.toys.ascent:ascent", "rho": 0.125}
    assert main([*words, "--resume"]) == 0
    capsys.readouterr()
    file = tmp_path / "x.safetensors"
    words = ["sample", str(out), str(file), "-n", "1", "--steps", "2", "--step_size", "0.1"]
    own = ["--sampler", "tests.toys.normalised:normalised", "--sampler.momentum", "0.5"]
    assert main([*words, *own]) == 0
    command = load_images(file)[2]["command"]
    assert "--sampler tests.toys.normalised:normalised --sampler.momentum 0.5" in command
    words = ["measure", str(out), "--metrics", "tests.toys.entropy:measure", "accuracy"]
    assert main([*words, "--entropy.base", "2", "-n", "20"]) == 0
    assert "entropy" in capsys.readouterr().out


def test_yaml_names_parts_as_flags_do(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(
        "net: convnet-4\nnorm: group\nepochs: 0.1\nstep: {name: sharpness_aware, rho: 0.5}\n"
        "objective:\n  steps: 1\n  buffer_size: 200\n  sampler: tests.toys.normalised:normalised\n"
        "recovery: {steps: 3}\n"
    )
    out = tmp_path / "run"
    assert main(["train", "jem", "--out", str(out), "--config", str(config)]) == 0
    plan = json.loads((out / "run.json").read_text())["plan"]
    assert plan["architecture"]["norm"] == "group"
    assert plan["optimisation"]["step"] == {"name": "sharpness_aware", "rho": 0.5}
    assert plan["objective"]["sampler"] == "tests.toys.normalised:normalised"
    assert plan["recovery"]["objective"]["steps"] == 3


# A recipe


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    out = tmp_path_factory.mktemp("own") / "suite"
    words = ["reproduce", "tests.toys.recipe:suite", "--out", str(out), "--seeds", "1", "--smoke"]
    assert main(words) == 0
    return out


def test_a_recipe_of_ones_own_has_its_method_in_tables_cards_claims_and_figures(reproduced):
    tables, page = ((reproduced / f).read_text() for f in ("tables.md", "report.html"))
    results = json.loads((reproduced / "results.json").read_text())
    for text in (tables, page):
        assert "growing, Eq. 16" in text
        assert "MFS (ours): normal" in text
        assert "entropy, not in the paper" in text
    assert any(r["column"] == "entropy" and r["method"] == "growing" for r in results["records"])
    assert "Mean images" in page
    assert (reproduced / "figures/averages.png").exists()
    card = (reproduced / "models/growing-growing.md").read_text()
    assert "A toy." in card
    assert "| entropy" in card
    held = results["claims"]["MFS (ours): normal > growing"]
    assert held["seeds"] == 1


def test_the_cost_of_a_method_that_does_not_say_is_said_to_be_unknown(capsys):
    class Free(nn.Module):
        def forward(self, net, batch): ...

    globals()["Free"] = Free
    from jeat.suites import cost

    from .toys.recipe import suite

    made = suite()
    free = replace(made, plans=lambda out, seed: {"free": Plan("tests.test_toys:Free")})
    rows = cost(free, Path("out"), seeds=1)
    assert [row["run"] for row in rows][1] == "seed0/free (cost not declared)"


def nothing():
    return None


def test_stripes_are_read_as_a_data_set():
    data = jeat.load_data("tests.toys.stripes:stripes")
    assert data.digest() == stripes().digest()
    with pytest.raises(ValueError, match=r"must return a jeat\.data\.Data"):
        jeat.load_data("tests.test_toys:nothing")


def test_a_loss_of_ones_own_is_climbed():
    """KL of the clean prediction from that of x_adv, as TRADES climbs it."""
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes, activation="silu"))
    x, y = DIGITS.test.floats(16)
    p = net(x).detach().softmax(1)

    def kl(logits, y):
        return (p * (p.log() - logits.log_softmax(1))).sum(1)

    x_adv = pgd(net, x, y, eps=0.1, steps=5, step_size=0.05, loss=kl)
    start = pgd(net, x, y, eps=0.1, steps=1, step_size=0.0, loss=kl)
    assert (kl(net(x_adv), y) > kl(net(start), y)).float().mean() > 0.9
    with pytest.raises(ValueError, match="one number an image"):
        pgd(net, x, y, eps=0.1, steps=1, step_size=0.1, loss=lambda f, y: f)


def test_a_batch_of_one_branch_is_the_same_after_a_restart():
    from jeat.data import batch_at

    first = [batch_at(DIGITS.train, 8, iteration=i, seed=0, name="a") for i in (0, 3, 200)]
    again = [batch_at(DIGITS.train, 8, iteration=i, seed=0, name="a") for i in (0, 3, 200)]
    other = batch_at(DIGITS.train, 8, iteration=0, seed=0, name="b")
    assert all(torch.equal(a.x, b.x) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].x, other.x)
    assert isinstance(other, Batch)


# What CONTRIBUTING shows


def test_contributing_shows_the_parts_that_run_here():
    root = Path(__file__).parents[1]
    shown = re.findall(r"```python\n(.*?)```", (root / "CONTRIBUTING.md").read_text(), re.DOTALL)
    files = [f for f in (root / "tests/toys").glob("*.py") if f.stem != "__init__"]
    assert sorted(shown) == sorted(f.read_text() for f in files)


# What is wrong with a part of one's own is said in one line


class Failing(nn.Module):
    def __init__(self, *, at: str = "loss") -> None:
        super().__init__()

    def forward(self, net, batch):
        return net(batch.x).sum() / {}["loss"]


class FiveLogits(nn.Module):
    def __init__(self, *, channels: int, size: int, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(channels * size * size, 5)

    def forward(self, x):
        return self.layer(x.flatten(1))


class Broken(FiveLogits):
    def forward(self, x):
        return super().forward(x)[:, self.nothing]


class Whole(nn.Module):
    """Keeps the net that it trains as a part of itself."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.own = net

    def forward(self, net, batch):
        loss = nn.functional.cross_entropy(net(batch.x), batch.y)
        return loss, {"loss": loss.detach()}


def number(subject):
    return 0.5


def absent(subject):
    return {"share": subject.nothing}


def again(subject):
    return {"accuracy": 0.0}


def changing(subject):
    subject.x.zero_()
    return {"changed": 1.0}


def of_numpy(subject):
    return {"share_of_images": np.float32(0.5), "whole": np.int64(3)}


def undefined(subject):
    return {"nothing": float("nan")}


def endless(subject):
    return {"large": 10**400}


def one_state(E, x, *, steps: int, step_size: float):
    yield x[:1]


def no_states(E, x, *, steps: int, step_size: float):
    return x


def failing_chain(E, x, *, steps: int, gain: float = 1.0):
    yield x[steps:][0]


def leaves(words):
    """The exit code of a command."""
    try:
        return main(words)
    except SystemExit as left:
        return left.code


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["train", "HERE:Failing"], 1, r"test_toys.py, line \d+: KeyError"),
        (["train", "at", "--net", "HERE:Broken"], 1, r"test_toys.py, line \d+: AttributeError"),
        (["train", "at", "--net", "HERE:FiveLogits"], 2, r"a logit a class, \(2, 10\) .* \(2, 5\)"),
        (["train", "jem", "--objective.sampler", "HERE:failing_chain"], 1, r"test_toys.py, line"),
        (
            ["train", "jem", "--objective.sampler", "HERE:failing_chain",
             "--objective.sampler.gain", "much"], 2, "gain",
        ),
        (["measure", "NET", "--metrics", "HERE:number"], 2, r"number must return \{name: number\}"),
        (["measure", "NET", "--metrics", "HERE:absent"], 1, r"test_toys.py, line \d+: Attr"),
        (["measure", "NET", "--metrics", "HERE:changing"], 2, "changing changes the images"),
        (["measure", "NET", "--metrics", "HERE:undefined"], 1, "nothing nan, which is no figure"),
        (["measure", "NET", "--metrics", "HERE:endless"], 1, "large inf, which is no figure"),
        (["sample", "NET", "x.png", "--sampler", "HERE:one_state"], 1, "shape of its first ones"),
        (["sample", "NET", "x.png", "--sampler", "HERE:no_states"], 1, "must yield states"),
        (["measure", "NET", "--metrics", "accuracy", "HERE:again"], 2, "accuracy another value"),
    ],
    ids=str,
)  # fmt: skip
def test_a_fault_in_a_part_of_ones_own_is_said_with_its_line(
    words, code, said, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    net = tmp_path / "net.safetensors"
    save_net(build(Spec("convnet-4", 1, 8, DIGITS.classes)), None, net, about=ABOUT)
    names = {"NET": str(net)}
    words = [names.get(w, w.replace("HERE", "tests.test_toys")) for w in words]
    words += ["--out", str(tmp_path / "run")] if words[0] == "train" else ["-n", "10"]
    assert leaves(words) == code
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert "please report" not in error
    assert re.search(said, error)
    assert not (tmp_path / "run").exists()


def test_figures_of_numpy_are_numbers_whatever_their_names(tmp_path, capsys):
    net, out = tmp_path / "net.safetensors", tmp_path / "m.json"
    save_net(build(Spec("convnet-4", 1, 8, DIGITS.classes)), None, net, about=ABOUT)
    words = ["measure", str(net), "-n", "10", "--metrics", "tests.test_toys:of_numpy"]
    assert main([*words, "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["figures"] == {"share_of_images": 0.5, "whole": 3.0}
    assert found["counts"] == {"share_of_images": 10, "whole": 10}


def test_settings_that_the_user_of_a_sampler_gives_are_no_settings_of_the_part():
    """Else ``objective.steps`` would say one thing, and the chains do another."""
    with pytest.raises(ValueError, match="has no setting steps"):
        sampler_of({"name": "langevin", "steps": 3}, steps=5, step_size=0.1)
    plan = Plan("jem", objective={"sampler": {"name": "langevin", "steps": 3}})
    with pytest.raises(ValueError, match="has no setting steps"):
        next(fit(plan, "nowhere"))


@pytest.mark.parametrize("step", [{"rho": 1}, {}, "", {"name": ""}], ids=str)
def test_a_step_without_a_name_is_refused_at_once(step):
    with pytest.raises(ValueError, match="step"):
        Optimisation(step=step)


def test_what_recovery_changes_by_are_numbers():
    with pytest.raises(ValueError, match=r"recovery.objective.steps must be a finite number"):
        Recovery(objective={"steps": "x"})


def test_an_objective_that_holds_the_net_trains_each_parameter_once():
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes))
    training = prepare(net, Whole(net), Optimisation(batch_size=16), images=16)
    (group,) = training.optimizer.param_groups
    assert len(group["params"]) == len([*net.parameters()])


@pytest.mark.parametrize(
    "text",
    [
        "objective.sampler: tests.toys.normalised:normalised\nobjective.sampler.momentum: 0.25\n",
        "objective:\n  sampler:\n    name: tests.toys.normalised:normalised\n    momentum: 0.25\n",
        "objective.sampler:\n  name: tests.toys.normalised:normalised\n  momentum: 0.25\n",
    ],
)
def test_a_part_is_named_in_yaml_nested_or_dotted(text, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(text)
    words = ["--net", "convnet-4", "--epochs", "0.1", "--objective.buffer_size", "200"]
    words += ["--objective.steps", "1", "--config", str(config)]
    assert main(["train", "jem", "--out", str(tmp_path / "run"), *words]) == 0
    plan = json.loads((tmp_path / "run/run.json").read_text())["plan"]
    right = {"name": "tests.toys.normalised:normalised", "momentum": 0.25}
    assert plan["objective"]["sampler"] == right


def test_metrics_of_ones_own_are_named_in_yaml(tmp_path, capsys):
    net, config = tmp_path / "net.safetensors", tmp_path / "c.yaml"
    save_net(build(Spec("convnet-4", 1, 8, DIGITS.classes)), None, net, about=ABOUT)
    config.write_text("metrics: ['tests.toys.entropy:measure']\nentropy.base: 2\nnumber: 20\n")
    assert main(["measure", str(net), "--config", str(config)]) == 0
    assert "entropy" in capsys.readouterr().out


def test_the_size_of_a_start_is_what_a_file_keeps_of_it():
    for name in ("uniform", "gaussian"):
        start = start_of(name, DIGITS)
        kept = [v for v in vars(start).values() if isinstance(v, torch.Tensor)]
        assert numbers_stored(name, DIGITS.shape, len(DIGITS.classes)) == sum(
            v.numel() for v in kept
        )
    assert start_without_images("gaussian", (1, 8, 8)) is None
    assert start_without_images("uniform", (1, 8, 8)) == jeat.samplers.Uniform((1, 8, 8))
