"""A fault in a part of one's own: one line names the part or its file, and what to do."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jeat._support.checks import SettingError
from jeat._support.own_code import place_in_own_code
from jeat._support.plugins import constant_of, find
from jeat.cli import main
from jeat.nets import Spec, build, save_net
from jeat.objectives import make
from jeat.recipes.paper import CLAIMS
from jeat.samplers import last, sampler_of, start_of
from jeat.suites.rehearsal import rehearse
from jeat.suites.suite import runs
from jeat.training.plan import Plan, Recovery

from .conftest import DIGITS
from .toys.recipe import suite as toy

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, *, channels: int, size: int, classes: int):
        super().__init__()
        self.layer = nn.Linear(channels * size**2, classes)

    def forward(self, x):
        return self.layer(x.flatten(1))
"""
OWN = """
from torch import nn
from torch.nn.functional import cross_entropy
from jeat.objectives import TwoParts

class Own(nn.Module):
    def forward(self, net, batch):
        loss = cross_entropy(net(batch.x), batch.y)
        return loss, {"loss": loss.detach()}
"""


@pytest.fixture
def write(tmp_path, monkeypatch, unchecked):
    """Text -> a module in the working folder, of a name that no other test has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    there = set(sys.modules)

    def written(text, name="own_part"):
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return name.replace("/", ".")

    yield written
    for name in set(sys.modules) - there:
        if name.startswith(("own_", "other_")):
            del sys.modules[name]


def said(words, capsys):
    """The one line that a command leaves on stderr, and its exit code."""
    try:
        code = main(words)
    except SystemExit as left:
        code = left.code
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert "please report" not in error
    return code, error


def changed(text, old, new):
    assert old in text
    return text.replace(old, new)


TRAIN = ["--net", "convnet-4", "--epochs", "0.01", "--batch_size", "8"]
OBJECTIVES = {
    "a product": (OWN + "X = 3\nlimits = {'max_gap': X * 2}\n",
                  r"limits of own_part:Own must be a dict of numbers, .*own_part.py .* X \* 2"),
    "annotated": (OWN + "limits: dict = {'max_nonsense': 3}\n", "max_nonsense"),
    "the last": (OWN + "limits = {}\nlimits = {'max_nonsense': 3}\n", "max_nonsense"),
    "a limit": (OWN + "limits = {'max_nonsense': 3}\n",
                "limits of own_part:Own are positive numbers for some of max_energy, max_gap"),
    "a word": (OWN + "recovery = 'lower'\n", "recovery of own_part:Own must be a dict of words"),
    "a function": ("def Own(net, batch):\n    return 0\n",
                   "method 'own_part:Own', a class of torch.nn.Module, must take the arguments"),
    "an argument": (changed(OWN, "    def forward", "    def __init__(self, x):\n"
                            "        super().__init__()\n\n    def forward"), "own_part:Own.*'x'"),
    "an unknown kind": (changed(OWN, "    def forward", "    def __init__(self, *, w: 'Foo' = 1):\n"
                                "        super().__init__()\n\n    def forward"),
                        "setting w of .*own_part:Own' is annotated by 'Foo', which its file"),
    "arguments": (changed(OWN, "net, batch)", "net)"), r"forward of Own must take .*\(net, batch"),
    "no points": (OWN + "class Own(TwoParts):\n    pass\n", "Own must define points"),
    "no loss_of": (OWN + "class Own(TwoParts):\n    def points(self, net, batch):\n        pass\n",
                   "points of Own must return a function, net -> .*got None"),
    "branches": (changed(OWN, "    def forward", "    branches = {'u': {'batch_size': 4}}\n"
                         "    def forward"), "branches of Own must be {name: jeat.data.Branch"),
    "a detached loss": (changed(OWN, "return loss,", "return loss.detach(),"),
                        r"Own must return .* a loss of shape \(\) with no gradient"),
    "a loss each": (changed(OWN, "batch.y)", "batch.y, reduction='none')"),
                    r"a loss of shape \(2,\) with a gradient"),
}  # fmt: skip


@pytest.mark.parametrize("case", OBJECTIVES)
def test_an_objective(case, write, capsys):
    text, right = OBJECTIVES[case]
    code, error = said(["train", f"{write(text)}:Own", *TRAIN, "--out", "run"], capsys)
    assert re.search(right, error), error
    assert code == 2
    assert not Path("run").exists()


NETS = {
    "no gradient": (changed(NET, "    def forward", "    @torch.no_grad()\n    def forward"),
                    "net 'own_part:Net' has nothing to learn"),
    "frozen": (changed(NET, "classes)\n\n", "classes).requires_grad_(False)\n\n"),
               "net 'own_part:Net' has nothing to learn"),
    "none used": (changed(NET, "self.layer(x.flatten(1))", "x.flatten(1)[:, :10]"),
                  "net 'own_part:Net' has nothing to learn"),
    "no forward": (changed(NET, "def forward", "def forwards"), "must define forward"),
    "lazy": (changed(NET, "nn.Linear(channels * size**2, classes)", "nn.LazyLinear(classes)"),
             "weights that get their size later"),
    "no channels": (changed(NET, "channels: int, ", ""), "own_part:Net' must take .*channels="),
}  # fmt: skip


@pytest.mark.parametrize("case", NETS)
def test_a_net(case, write, capsys):
    text, right = NETS[case]
    words = ["train", "normal", *TRAIN, "--net", f"{write(text)}:Net", "--out", "run"]
    code, error = said(words, capsys)
    assert re.search(right, error), error
    assert code == 2


def test_a_net_without_numbers_is_named_without_numbers(write):
    with pytest.raises(SettingError, match="'own_part:Net-3' takes no numbers in its name"):
        build(Spec(f"{write(NET)}:Net-3", 1, 8, DIGITS.classes))


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("math:sqrt", "there is no method 'math:sqrt'"),
        ("os:system", "there is no method 'os:system'"),
        ("own_package.inside:Own", "cannot be imported: RuntimeError: not today"),
        ("own_part:X", "method 'own_part:X' must be a function or class of Python, got 3"),
    ],
)
def test_what_is_no_part(name, right, write):
    write("X = 3\n")
    write("raise RuntimeError('not today')\n", "own_package/__init__")
    with pytest.raises(SettingError, match=right):
        make(name, None, {})


def test_an_unknown_method_of_a_recipe_is_called_a_method():
    with pytest.raises(SettingError, match="unknown method 'nosuch': methods are at, "):
        constant_of("objectives", "nosuch", "limits")


def test_annotations_as_text_are_read_one_by_one(write, net):
    text = changed(
        OWN, "    def forward", "    def __init__(self, restart: 'Nowhere', *, w: 'float' = 1.0):\n"
        "        super().__init__()\n        self.w = w\n\n    def forward",
    )  # fmt: skip
    name = f"{write(text)}:Own"
    assert make(name, None, {"w": 2.0}).w == 2.0
    with pytest.raises(SettingError, match=r"objective\.w must be a finite number"):
        make(name, None, {"w": "much"})


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("def own(E):\n    yield E\n", r"sampler 'own_part:own' must take the arguments \(E, x"),
        (
            "class own:\n    def __init__(self, E, x):\n        pass\n",
            "a sampler must yield states",
        ),
        ("def own(E, x):\n    yield x.numpy()\n", r"a sampler must yield states.*ndarray"),
    ],
)
def test_a_sampler(text, right, write, digits):
    with pytest.raises(ValueError, match=right):
        last(sampler_of(f"{write(text)}:own", steps=2)(None, digits[0]), digits[0])


START = """
from dataclasses import dataclass
import torch

@dataclass(frozen=True)
class Own:
    shape: tuple

    @classmethod
    def of(cls, data):
        return cls(data.shape)

    def __call__(self, y):
        return torch.rand(len(y), *self.shape)
"""


@pytest.mark.parametrize(
    ("old", "new", "right"),
    [
        ("*self.shape", "1, 9, 9", r"start 'own_part:Own' must give .*\(2, 1, 8, 8\).*9, 9\)"),
        ("self, y)", "self)", "start 'own_part:Own', when it is called, must take .*y"),
        ("cls, data)", "cls)", r"of\(\) of start 'own_part:Own' must take .*data"),
    ],
)
def test_a_start(old, new, right, write):
    with pytest.raises(SettingError, match=right):
        start_of(f"{write(changed(START, old, new))}:Own", DIGITS)


def test_a_start_is_tried_without_a_trace(write):
    before = torch.get_rng_state()
    start_of(f"{write(START)}:Own", DIGITS)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_step_of_other_arguments(write, capsys):
    name = f"{write('def own(gradient): return gradient()')}:own"
    words = ["train", "normal", *TRAIN, "--step", name, "--out", "run"]
    code, error = said(words, capsys)
    assert code == 2
    assert "step 'own_part:own' must take the arguments (gradient, net)" in error


@pytest.fixture
def kept(tmp_path):
    """A net's file."""
    file = tmp_path / "net.safetensors"
    about = {"plan": {"data": "digits"}}
    save_net(build(Spec("convnet-4", 1, 8, DIGITS.classes)), None, file, about=about)
    return str(file)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("def own():\n    return {}\n", "metric 'own_part:own' must take the arguments (subject)"),
        ("def own(subject):\n    return {3: 1.0}\n", "must return {name: number}, got {3: 1.0}"),
    ],
)
def test_a_metric(text, right, write, kept, capsys):
    words = ["measure", kept, "-n", "10", "--metrics", f"{write(text)}:own"]
    code, error = said(words, capsys)
    assert code == 2
    assert right in error


METRICS = """
def one(subject):
    return {"one": 1.0}

def two(subject, *, gain: float = 2.0):
    return {"two": gain}

def three(subject, *, gain: float = 2.0):
    return {"three": gain}
"""


def test_metrics_of_one_module_clash_only_where_their_flags_do(write, kept, capsys):
    name = write(METRICS)
    words = ["measure", kept, "-n", "10", "--metrics"]
    assert main([*words, f"{name}:one", f"{name}:two", "--own_part.gain", "3"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"one .*1 ", shown)
    assert re.search(r"two .*3 ", shown)
    code, error = said([*words, f"{name}:two", f"{name}:three"], capsys)
    assert code == 2
    assert "put it into a module of its own" in error


@pytest.mark.parametrize(
    ("plans", "right"),
    [
        (lambda out, seed: {"normal": "normal"}, "plans of suite 'growing' must return"),
        (lambda out, seed: {}, "plans of suite 'growing' must return .*got {}"),
        (lambda out: {}, r"plans of suite 'growing' must take the arguments \(out, seed\)"),
    ],
)
def test_plans_of_a_recipe(plans, right, tmp_path, unchecked):
    with pytest.raises(SettingError, match=right):
        runs(replace(toy(), plans=plans), tmp_path, seeds=1)


CHANGES = {
    "a claim's run": ({"claims_tested": (("mfs", "nonsense >> growing", "x"),)}, "must order runs"),
    "a claim's relation": ({"claims_tested": (("mfs", "normal > grown", "x"),)}, "must order runs"),
    "no order": ({"claims_tested": (("mfs", "normal", "x"),)}, "must order runs"),
    "a claim's column": ({"claims_tested": (("mfz", "normal > growing", "x"),)}, "no column 'mfz'"),
    "eq_16": ({"eq_16": ("typo",)}, "eq_16 names no run 'typo': runs are normal, growing"),
    "a picture": ({"pictures": (lambda: None,)}, "must take the arguments .shown"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_names_of_a_comparison(case, tmp_path, unchecked):
    changes, right = CHANGES[case]
    suite = toy()
    suite = replace(suite, comparison=replace(suite.comparison, **changes))
    with pytest.raises(SettingError, match=right):
        rehearse(suite, tmp_path, seeds=1)


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({"shape": (3, 8, 8)}, r"shape of suite 'growing' must be that of digits, \(1, 8, 8\)"),
        ({"classes": 7}, "classes of suite 'growing' must be that of digits, 10, got 7"),
        ({"chains": {"grown": {"steps": 2}}}, "names no run 'grown': runs are normal, growing"),
        ({"chain": {"step": 5}}, "the chain of suite 'growing' has no setting 'step': it has "),
        ({"chains": {"normal": {"step": 5}}}, "has no setting 'step'"),
    ],
)
def test_names_of_a_suite(changes, right, tmp_path):
    with pytest.raises(SettingError, match=right):
        rehearse(replace(toy(), **changes), tmp_path, seeds=1)


def test_the_papers_orders_of_runs_that_a_suite_lacks_are_left_out(tmp_path):
    suite = toy()
    rehearse(suite, tmp_path, seeds=1)
    assert any("jem" in order for _, order, _ in suite.comparison.claims_tested)
    assert {*CLAIMS} < {*suite.comparison.claims_tested}


def test_an_error_in_a_neighbour_of_a_recipe_is_said_with_its_line(write):
    write("", "own_box/__init__")
    write("def draw(s):\n    return s.foo\n", "own_box/pictures")
    write("from .pictures import draw\n", "own_box/recipe")
    draw = find("recipes", "own_box.recipe:draw", "suite")
    with pytest.raises(AttributeError) as error:
        draw(3)
    assert place_in_own_code(error.value) == "pictures.py, line 2"


@pytest.mark.parametrize("flag", ["--batch_size", "--seed", "--log_every"])
def test_a_whole_number_is_asked_for_as_one(flag, capsys):
    code, error = said(["train", "normal", flag, "0x10"], capsys)
    assert code == 2
    assert f"{flag} must be a whole number in decimal digits, such as 100, " in error
    assert "0.5" not in error


@pytest.mark.parametrize("text", ["lr:\n", "lr: ~\n", "lr:\nseed: 3\n"])
def test_a_flag_without_a_value_in_yaml(text, tmp_path, capsys):
    file = tmp_path / "flags.yaml"
    file.write_text(text)
    code, error = said(["train", "normal", "--config", str(file), "--out", "x"], capsys)
    assert code == 2
    assert "--lr must not be null" in error


def test_limits_stand_in_for_those_that_are_not_given():
    limits = Recovery(max_gap=3.0).with_limits({"max_gap": 5, "max_energy": 7}, of="own")
    assert (limits.max_gap, limits.max_energy) == (3.0, 7)
    assert Plan("normal").recovery.max_gap is None
