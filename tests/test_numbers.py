# ruff: noqa: RUF001  # digits of other scripts
"""Numbers are decimal digits below a limit; errors quote names and values short, and escaped."""

import math
import re

import numpy as np
import pytest
import torch
from torch import nn

import jeat
from jeat._support.checks import plain, quoted
from jeat.cli import main
from jeat.cli._yaml import is_other_number
from jeat.jobs.drawing import Drawing, draw
from jeat.jobs.inputs import subject_of
from jeat.jobs.measurement import Measurement, measure
from jeat.nets import Spec, build
from jeat.runs.fit import fit
from jeat.samplers import ReplayBuffer, langevin
from jeat.training.plan import Optimisation, Plan, Recovery

from .conftest import DIGITS

pytestmark = pytest.mark.usefixtures("unchecked")  # what a user meets
NET = next(iter(jeat.shipped()))
ESCAPES = "\x1b[31mred\x1b[0m\a\r\n\x9b2J\u202e"


def left(words, capsys):
    """(exit code, what is on standard error) of a command line."""
    try:
        code = main(words)
    except SystemExit as leave:
        code = leave.code
    return code, capsys.readouterr().err.strip()


OTHER = [
    "１００", "٣", "1_00", "1_", "1__0", "0x10", "-0x10", "0b11", "0o17", "1:30", "1:30.5", "010",
    "-010", "00", "1_0.5", "１.５", "0.5_", "1e1_0", "01e3", "0x1p3",
]  # fmt: skip


@pytest.mark.parametrize("word", [*OTHER[:-1]])
def test_other_notations_of_numbers_are_known(word):
    assert is_other_number(word)


@pytest.mark.parametrize(
    "word",
    [
        "0", "100", "-3", "+5", "0.5", ".5", "5.", "1e-3", "1E5", "1.5e+07", "nan", ".nan", ".inf",
        "-.inf", "inf", "null", "own", "8/255", "a1", "convnet-8", "1-2", "", "1.2.3",
    ],
)  # fmt: skip
def test_decimal_numbers_and_words_are_no_other_notation(word):
    assert not is_other_number(word)


@pytest.mark.parametrize("word", ["１００", "1_00", "0x10", "1:30", "010", "0b11", "٣", "0.5_"])
@pytest.mark.parametrize(
    ("line", "flag"),
    [
        (["train", "at", "--out", "new", "--batch_size"], "--batch_size"),
        (["train", "at", "--out", "new", "--batch-size"], "--batch_size"),
        (["train", "at", "--out", "new", "--lr"], "--lr"),
        (["train", "at", "--out", "new", "--ema"], "--ema"),
        (["train", "at", "--out", "new", "--std"], "std"),
        (["train", "jem", "--out", "new", "--recovery.steps"], "steps"),
        (["train", "jem", "--out", "new", "--objective.buffer_size"], "--objective.buffer_size"),
        (["sample", "nowhere", "new.png", "-n"], "--number"),
        (["sample", "nowhere", "new.png", "--steps"], "--steps"),
        (["measure", "nowhere", "--compared"], "--compared"),
        (["measure", "nowhere", "--robust_accuracy.eps"], "--robust_accuracy.eps"),
        (["landscape", "nowhere", "new.png", "--points"], "--points"),
        (["reproduce", "digits", "--seeds"], "--seeds"),
    ],
)
def test_a_number_in_another_notation_is_refused(line, flag, word, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ways = [[*line, word]]
    if line[-1].startswith("--"):
        ways.append([*line[:-1], f"{line[-1]}={word}"])
    for words in ways:
        code, said = left(words, capsys)
        assert code == 2
        assert re.search(f"{flag} must be a (whole )?number in decimal digits", said)
        assert f"got {word}" in said
        assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("word", ["１００", "1_00", "0x10", "1:30", "010", "'0x10'"])
@pytest.mark.parametrize(
    "text",
    ["batch_size: {}", "objective:\n  steps: {}", "objective.steps: {}", "lr: {}", "std: {}"],
)
def test_so_it_is_in_yaml(text, word, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(text.format(word))
    code, said = left(["train", "at", "--config", "c.yaml", "--out", "new"], capsys)
    assert code == 2
    assert "number in decimal digits" in said
    assert word.strip("'") in said


def test_names_may_look_like_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plans = []
    monkeypatch.setattr("jeat.runs.fit.fit", lambda plan, out, **_: plans.append((plan, out)) or [])
    names = ["--data", "0x10", "--init", "1_0"]
    assert main(["train", "at", "--out", "010", *names]) == 0
    (tmp_path / "c.yaml").write_text("data: '0x10'\ninit: '1_0'\nlr: 1e-3\nwarmup: 5\n")
    assert main(["train", "at", "--out", "010", "--config", "c.yaml"]) == 0
    for plan, out in plans:
        assert (str(out), plan.data, plan.init) == ("010", "0x10", "1_0")
    assert (plan.optimisation.lr, plan.optimisation.warmup) == (1e-3, 5)


@pytest.mark.parametrize(
    "name", ["convnet-０8", "convnet-８", "convnet-08", "wrn-１0-1", "wrn-10-1_0"]
)
def test_a_net_has_decimal_numbers(name):
    with pytest.raises(ValueError, match=r"in digits, up to 9999"):
        build(Spec(name, 1, 8, ("a", "b")))


BIG = "100000000000000000000"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (["train", "jem", "--out", "new", "--objective.buffer_size", BIG], "objective.buffer_size"),
        (["train", "jem", "--out", "new", "--objective.steps", BIG], "objective.steps"),
        (["train", "at", "--out", "new", "--batch_size", BIG], "batch_size"),
        (["train", "at", "--out", "new", "--warmup", BIG], "warmup"),
        (["train", "at", "--out", "new", "--recovery.tries", BIG], "recovery.tries"),
        (["sample", NET, "new.png", "-n", BIG], "number"),
        (["sample", NET, "new.png", "--steps", BIG], "steps"),
        (["sample", NET, "new.png", "--seed", BIG], "seed"),
        (["attack", NET, "-n", BIG], "number"),
        (["attack", NET, "--steps", BIG], "steps"),
        (["measure", NET, "--fisher_score.probes", BIG], "fisher_score.probes"),
        (["measure", NET, "--compared", BIG], "compared"),
        (["landscape", NET, "new.png", "--points", BIG + "1"], "points"),
        (["landscape", NET, "new.png", "--index", "-" + BIG], "index"),
        (["reproduce", "digits", "--seeds", BIG], "seeds"),
    ],
)
def test_a_whole_number_beyond_all_is_refused(line, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, said = left(line, capsys)
    assert code == 2, said
    assert f"{named} must be below 2^63" in said
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("digits", [5000, 100_000])
def test_a_number_of_thousands_of_digits_is_refused_short(digits, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for flag in ("batch_size", "lr", "objective.steps"):
        (tmp_path / "c.yaml").write_text(f"{flag}: {'9' * digits}")
        for words in ([f"--{flag}", "9" * digits], ["--config", "c.yaml"]):
            code, said = left(["train", "at", "--out", "new", *words], capsys)
            assert code == 2
            assert re.search(f"{flag} must be a (whole )?number in decimal digits", said)
            assert len(said) < 450


X, Y = DIGITS.test.floats(2)
SMALL = build(Spec("convnet-4", 1, 8, DIGITS.classes)).eval()


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda n: Optimisation(batch_size=n), "batch_size must be below 2^63"),
        (lambda n: Optimisation(lr=n), "at most 1e9"),
        (lambda n: Recovery(tries=n), "tries must be below 2^63"),
        (lambda n: next(fit(Plan("jem", objective={"buffer_size": n}), "new")), "below 2^63"),
        (lambda n: ReplayBuffer(lambda k: X, size=n), "below 2^63"),
        (lambda n: list(langevin(SMALL, X, steps=n, step_size=1)), "at most 1e9"),
        (lambda n: jeat.sample(SMALL, Y, steps=n), "at most 1e9"),
        (lambda n: jeat.attacks.pgd(SMALL, X, Y, eps=1, steps=n, step_size=1), "at most 1e9"),
        (lambda n: jeat.metrics.robust_accuracy(SMALL, X, Y, steps=n), "at most 1e9"),
        (lambda n: jeat.metrics.fisher_score(SMALL, X, probes=n), "at most 1e9"),
        (lambda n: draw(Drawing(NET, number=n)), "number must be at least 1 and below 2^63"),
        (lambda n: draw(Drawing(NET, seed=n, number=1)), "seed must lie in 0..2^63 - 1"),
        (lambda n: subject_of(NET, "digits", n, 0), "number must be at least 1 and below 2^63"),
        (lambda n: measure(Measurement(NET, ("accuracy",), compared=n)), "compared must be at"),
    ],
)
@pytest.mark.parametrize("n", [10**20, 10**5000], ids=["1e20", "1e5000"])
def test_so_it_is_in_python(call, named, n, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"got|1e9") as error:
        call(n)
    assert named in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("setting", ["clip"])
def test_a_number_that_fp32_cannot_hold_is_refused(setting):
    with pytest.raises(ValueError, match=f"{setting} must be below 1e38, got 1e"):
        Optimisation(**{setting: 1e300})
    with pytest.raises(ValueError, match=f"{setting} must be a finite number"):
        Optimisation(**{setting: math.inf})


# What errors quote


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a b", "'a b'"), (ESCAPES, repr(ESCAPES)), (None, "None"), (0.5, "0.5"),
        ([1, "x"], "[1, 'x']"), ({"a": (1,)}, "{'a': (1,)}"), (nn.Linear(2, 2), "a Linear"),
        (torch.zeros(99, 99), "a Tensor"), ([nn.ReLU()], "a list"), (np.zeros(9), "a ndarray"),
        ("x" * 999, "'" + "x" * 199 + "..."), (DIGITS, "a Data"), ([0] * 999, None),
        ({nn.ReLU(): 1}, "a dict"), (10**5000, "a int"),
    ],
    ids=range(15),
)  # fmt: skip
def test_a_value_is_quoted_short_and_on_one_line(value, said):
    found = quoted(value)
    assert said is None or found == said
    assert len(found) <= 203
    assert found.isprintable()


def test_a_text_is_made_plain():
    assert plain("one\n two\tthree") == "one two three"
    assert plain("\x1b[31m\u202eé\udc80") == r"\x1b[31m\u202eé\udc80"
    assert plain(f"at {'x' * 500}: no") == f"at {'x' * 200}...: no"


SETTINGS = [
    lambda v: Plan("at", net=v), lambda v: Plan("at", data=v), lambda v: Plan(v),
    lambda v: Plan("at", eps=v), lambda v: Plan("at", init=v), lambda v: Plan("at", objective=v),
    lambda v: Plan("at", optimisation=v), lambda v: Plan("at", recovery=v),
    lambda v: Plan("at", start=v), lambda v: Plan("at", norm=v, net=v),
    lambda v: Optimisation(lr=v), lambda v: Optimisation(step=v), lambda v: Optimisation(epochs=v),
    lambda v: Optimisation(precision=v), lambda v: Optimisation(flip=v), lambda v: Recovery(lr=v),
    lambda v: Recovery(max_gap=v), lambda v: Spec(v, 1, 8, ("a", "b")), lambda v: build(v),
    lambda v: Spec("convnet-4", 1, 8, (v, "b")), lambda v: next(fit(v, "new")),
    lambda v: next(fit(Plan("at"), v)), lambda v: next(fit(Plan("at"), "new", resume=v)),
    lambda v: next(fit(Plan("at", objective={"eps": v}), "new")),
    lambda v: next(fit(Plan("at", objective={v: 1}), "new")),
    lambda v: next(fit(Plan("at", architecture={"norm": v}), "new")),
    lambda v: jeat.attacks.pgd(SMALL, X, Y, eps=v, steps=1, step_size=1),
    lambda v: jeat.attacks.pgd(SMALL, X, Y, eps=1, steps=v, step_size=1),
    lambda v: jeat.attacks.pgd(SMALL, X, Y, eps=1, steps=1, step_size=1, norm=v),
    lambda v: list(langevin(SMALL, X, steps=v, step_size=1)),
    lambda v: list(langevin(SMALL, X, steps=1, step_size=1, bounds=v)),
    lambda v: jeat.sample(SMALL, Y, steps=1, energy=v),
    lambda v: jeat.sample(SMALL, Y, steps=1, precision=v),
    lambda v: jeat.load(v), lambda v: jeat.metrics.fisher_score(SMALL, X, probes=v),
]  # fmt: skip


@pytest.mark.parametrize("call", SETTINGS, ids=range(len(SETTINGS)))
@pytest.mark.parametrize("value", [SMALL, DIGITS, X], ids=lambda v: type(v))
def test_no_setting_prints_a_module_or_a_tensor(call, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        call(value)
    said = str(error.value)
    assert type(value).__name__ in said or "names that differ" in said
    assert len(said) < 300
    assert "\n" not in said
    assert not list(tmp_path.iterdir())


NAMES = {"escapes": ESCAPES, "long": "x" * 5000}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(
    "words",
    [
        ["{}"], ["train", "{}"], ["train", "at", "--out", "new", "--net", "{}"],
        ["train", "at", "--out", "new", "--{}", "1"], ["train", "at", "--out", "new", "--lr", "{}"],
        ["train", "at", "--out", "new", "--data", "{}"], ["train", "at", "--config", "{}"],
        ["train", "at", "--out", "new", "--init", "{}", "--net", "convnet-4"],
        ["attack", "{}"], ["attack", NET, "--data", "{}"], ["measure", "{}"],
        ["measure", NET, "--metrics", "{}"], ["measure", NET, "--out", "{}"],
        ["measure", NET, "--data", "digits", "--metrics", "nearest", "--samples", "{}"],
        ["sample", NET, "{}"], ["sample", NET, "new.png", "--class", "{}"],
        ["sample", NET, "new.png", "--sampler", "{}"], ["landscape", "{}", "new.png"],
        ["reproduce", "{}"], ["list", "{}"],
    ],
    ids=lambda words: " ".join(words).replace(NET, "NET"),
)  # fmt: skip
def test_names_are_quoted_escaped_on_one_line_and_cut(words, kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    code, said = left([word.format(NAMES[kind]) for word in words], capsys)
    assert code in (1, 2)
    assert said.isprintable()
    assert len(said) < 1200
    assert "x" * 202 not in said
    assert "Traceback" not in said
    assert "please report" not in said


@pytest.mark.parametrize("kind", NAMES)
def test_so_they_are_in_python(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (jeat.load, jeat.load_data):
        with pytest.raises((ValueError, OSError)) as error:
            call(NAMES[kind])
        said = str(error.value)
        assert said.isprintable()
        assert len(said) < 600
