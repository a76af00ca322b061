"""What an installed package brings is named like a part of ours, and imported to be used."""

import json
import re
import subprocess
import sys

import pytest
import torch
from docs.rooms import ROOT
from safetensors import safe_open

import jeat
from jeat._support.brought import KINDS, brought
from jeat._support.checks import SettingError
from jeat._support.plugins import brought_parts, find, known_parts, part_name
from jeat.cli import main
from jeat.data import Batch
from jeat.energy import cross_entropy
from jeat.metrics import Subject
from jeat.nets import Spec, build, load_net, save_net
from jeat.nets.places import newest
from jeat.objectives import make
from jeat.runs.fit import fit
from jeat.samplers import last, sampler_of

from .installed import EXAMPLE, install, install_example

OURS = "jeat_example_plugin"
SHORT = jeat.Optimisation(epochs=0.3, batch_size=64, evaluate_images=20, log_every=1, save_every=2)
PLAN = jeat.Plan(
    "smoothed", net="mlp-8", data="bars", architecture={"depth": 1}, objective={"smoothing": 0.2},
    optimisation=SHORT,
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    place = tmp_path_factory.mktemp("site")
    install_example(place)
    return place


@pytest.fixture
def example(site, monkeypatch, unchecked):
    """The example is installed."""
    monkeypatch.syspath_prepend(str(site))
    yield
    for name in [n for n in sys.modules if n.partition(".")[0] == OURS]:
        del sys.modules[name]


@pytest.fixture
def run(example, tmp_path):
    """A run of the example's method, net and data that was stopped, and resumed by a command."""
    for log in fit(PLAN, tmp_path / "run"):
        if log.iteration == 1:
            break
    flags = ["--epochs", "0.3", "--batch_size", "64", "--evaluate_images", "20", "--log_every", "1"]
    config = tmp_path / "config.yaml"
    config.write_text("net: mlp-8\ndepth: 1\ndata: bars\nobjective:\n  smoothing: 0.2\n")
    words = ["train", "smoothed", "--config", str(config), "--out", str(tmp_path / "run"), *flags]
    assert main([*words, "--save_every", "2", "--resume"]) == 0
    return tmp_path / "run"


def test_a_list_names_plugins_and_imports_neither_them_nor_torch(site):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from jeat.cli import main\n"
        "assert main(['list']) == 0; print(sys.modules.keys() & {'torch', 'jeat_example_plugin'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(site)], capture_output=True, text=True, check=True
    )
    lines = cells(done.stdout)
    package = "jeat-example-plugin 1.0"
    assert ["smoothed", "method", package, f"{OURS}.smoothed:Smoothed", ""] in lines
    assert ["bars", "data set", package, f"{OURS}.bars:bars", ""] in lines
    assert done.stdout.endswith("set()\n")


def cells(text):
    """The rows of five cells in what is printed."""
    rows = [re.split(r"\s*\|\s*", line)[1:-1] for line in text.splitlines()]
    return [row for row in rows if len(row) == 5]


def test_plugins_have_help_and_flags(example, capsys):
    def shown(*words):
        with pytest.raises(SystemExit) as left:
            raise SystemExit(main([*words, "--help"]))
        assert left.value.code == 0
        return capsys.readouterr().out

    assert "smoothed of jeat-example-plugin 1.0" in shown("train")
    assert f"{OURS}.smoothed" not in sys.modules
    method = shown("train", "smoothed", "--net", "mlp-4")
    for said in (
        "--objective.smoothing",
        "Known weakness: It is not robust",
        "--depth",
        "number of",
    ):
        assert said in method
    assert "zero_gradient, margin, or package.module:function" in " ".join(shown("measure").split())
    assert f"{OURS}.margin" not in sys.modules
    assert "--margin.temperature" in shown("measure", "--metrics", "margin")
    assert "--sampler.friction" in shown("sample", "--sampler", "underdamped")


def test_a_run_of_plugins_is_resumed_loaded_drawn_and_measured_in_another_process(run, site):
    plan = json.loads((run / "run.json").read_text())["plan"]
    assert (plan["method"], plan["net"], plan["data"]) == ("smoothed", "mlp-8", "bars")
    assert plan["architecture"] == {"depth": 1}
    uninterrupted = run.parent / "whole"
    for _ in fit(PLAN, uninterrupted):
        pass
    ours, whole = (jeat.load(r).state_dict() for r in (run, uninterrupted))
    torch.testing.assert_close(ours, whole, rtol=0, atol=0)
    words = [
        "measure", str(run), "-n", "60", "--metrics", "margin", "--margin.temperature", "2",
        "--out", str(run.parent / "m.json"),
    ]  # fmt: skip
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from jeat.cli import main\nmain()"
    subprocess.run([sys.executable, "-c", code, str(site), *words], check=True, capture_output=True)
    found = json.loads((run.parent / "m.json").read_text())
    x, _ = jeat.load_data("bars").test.floats(60)
    best = jeat.load(run)(x).topk(2, 1).values
    assert found["figures"]["margin"] == pytest.approx(float(best.diff().abs().mean()) / 2)
    assert "--metrics margin" in found["command"]
    out = run.parent / "s.safetensors"
    own = ["--sampler", "underdamped", "--sampler.friction", "0.25", "--steps", "2", "-n", "1"]
    assert main(["sample", str(run), str(out), *own]) == 0
    assert main(["export", str(run), f"{run.parent}/hub/"]) == 0
    assert "mlp-8, trained by `smoothed` on bars" in (run.parent / "hub/README.md").read_text()
    assert jeat.Pretrained.from_pretrained(run.parent / "hub").net.spec.name == "mlp-8"


def test_the_parts_of_the_example_are_what_they_say(example, digits):
    x, y = digits
    net = build(Spec("mlp-4", 1, 8, tuple("0123456789")))
    loss, _ = make("smoothed", torch.zeros, {"smoothing": 0.0})(net, Batch(x, y))
    torch.testing.assert_close(loss, cross_entropy(net(x), y).mean())
    loss, _ = make("smoothed", torch.zeros, {"smoothing": 1.0})(net, Batch(x, y))
    torch.testing.assert_close(loss, -net(x).log_softmax(1).mean())
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3, bias=False))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1.0], [4.0], [2.0]]) / 64)
    found = find("metrics", "margin", "metric")(Subject(net, torch.ones(2, 1, 8, 8), y[:2] % 3))
    assert found == {"margin": pytest.approx(2.0)}


def test_the_sampler_of_the_example_has_the_variance_that_its_recursion_has(example):
    """On E = |x|^2 / 2 a step is linear: (x, v) <- A (x, v) + noise, so that P = APA' + Q."""
    s, noise, friction, n = 0.1, 0.3, 0.5, 40_000
    A = torch.tensor([[1 - s, 1 - friction], [-s, 1 - friction]], dtype=torch.float64)
    P, Q = torch.zeros(2, 2).double(), torch.full((2, 2), noise**2).double()
    for _ in range(2000):
        P = A @ P @ A.T + Q
    sampler = sampler_of(
        {"name": "underdamped", "friction": friction}, steps=150, step_size=s, noise=noise
    )
    x = last(sampler(lambda x: x.square().flatten(1).sum(1) / 2, torch.zeros(n, 1)))
    error = float(P[0, 0]) * (2 / n) ** 0.5
    assert abs(float(x.var()) - float(P[0, 0])) < 4 * error


def test_every_group_is_a_folder_and_every_entry_of_the_example_a_part(example):
    package = ROOT / "src/jeat"
    assert all((package / folder).is_dir() and known_parts(folder) for folder in KINDS)
    own = [b for b in brought() if b.package == "jeat-example-plugin 1.0"]
    files = {f.stem for f in (EXAMPLE / "src" / OURS).glob("[a-z]*.py")}
    assert {b.value.partition(":")[0].rpartition(".")[2] for b in own} == files
    for b in own:
        part = find(b.folder, b.name, KINDS[b.folder])
        assert part_name(part, b.folder) == b.name
    for group in (f"jeat.{folder.replace('/', '.')}" for folder in KINDS):
        assert group in (EXAMPLE / "README.md").read_text()


def test_the_example_is_in_what_is_handed_out():
    assert '"examples"' in (ROOT / "pyproject.toml").read_text()


def test_steps_starts_and_suites_are_named_as_well(tmp_path, monkeypatch, capsys, unchecked):
    install(tmp_path / "site", "toys", {
        "jeat.steps": {"ascent": "tests.toys.ascent:ascent"},
        "jeat.samplers.starts": {"grey": "tests.toys.grey:Grey"},
        "jeat.recipes": {"toy_suite": "tests.toys.recipe:suite"},
    })  # fmt: skip
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    out = tmp_path / "run"
    words = ["train", "jem", "--out", str(out), "--net", "convnet-4", "--epochs", "0.02"]
    own = ["--start", "grey", "--step", "ascent", "--step.rho", "0.125"]
    assert main([*words, *own, "--batch_size", "8", "--objective.buffer_size", "20"]) == 0
    plan = json.loads((out / "run.json").read_text())["plan"]
    assert (plan["start"], plan["optimisation"]["step"]["name"]) == ("grey", "ascent")
    assert type(jeat.load(out).start).__name__ == "Grey"
    with safe_open(newest(out) / "net.safetensors", "pt") as f:
        assert json.loads(f.metadata()["jeat"])["start"]["name"] == "grey"
    assert main(["reproduce", "toy-suite", "--dry-run", "--out", str(tmp_path / "suite")]) == 0
    assert "growing" in capsys.readouterr().out
    assert main(["reproduce", "--help"]) == 0
    assert "toy-suite    of toys 1.0" in capsys.readouterr().out


LOUD = "import pathlib\npathlib.Path('imported').touch()\n"
NET = "from jeat.nets.convnet import Net as _Net\n\n\nclass Net(_Net):\n    only_sums = True\n"


@pytest.fixture
def odd(tmp_path, monkeypatch, unchecked):
    """Packages that bring what cannot be used, and one that can; from an empty folder."""
    site = tmp_path / "site"
    install(site, "one", {
        "jeat.objectives": {"at": "loud:X", "twin": "loud:X", "broken": "broken_part:X",
                            "gone": "nowhere_at_all:X", "bare": "loud"},
        "jeat.nets": {"quiet": "quiet_part:Net", "no-word": "loud:X"},
        "jeat.objective": {"misspelt": "loud:X"},
    }, loud=LOUD, broken_part="1 / 0\n", quiet_part=NET)  # fmt: skip
    install(site, "two", {"jeat.objectives": {"twin": "loud:Y"}})
    monkeypatch.syspath_prepend(str(site))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield site
    for name in ("loud", "broken_part", "quiet_part"):
        sys.modules.pop(name, None)


def test_a_list_says_what_cannot_be_named_and_why(odd, tmp_path, capsys):
    assert main(["list"]) == 0
    rows = cells(capsys.readouterr().out)
    notes = {name: note for name, _, package, _, note in rows if package == "one 1.0"}
    assert notes.pop("misspelt").startswith("jeat.objective is no group: groups are jeat.objectiv")
    assert notes == {
        "at": "jeat has this name: say loud:X",
        "twin": "two 1.0 has this name, too: say loud:X",
        "no-word": "a name has letters, digits and _",
        **dict.fromkeys(("broken", "gone", "bare", "quiet"), ""),
    }
    assert not [*(tmp_path / "work").iterdir()]


def test_a_name_of_this_package_is_its_own_and_a_broken_plugin_breaks_what_names_it(odd, tmp_path):
    assert find("objectives", "at", "method").__module__ == "jeat.objectives.at"
    for name, said in {
        "twin": "method 'twin' of one 1.0: two 1.0 has this name, too: say loud:X",
        "broken": "method 'broken' of one 1.0 cannot be imported: ZeroDivisionError: division by",
        "gone": "there is no method 'gone' of one 1.0, 'nowhere_at_all:X': give package.module",
        "bare": "there is no method 'bare' of one 1.0, 'loud': give package.module:Name",
        "other": "unknown method 'other': methods are at, .*bare, broken, gone, or package.module",
    }.items():
        with pytest.raises(SettingError, match=said):
            find("objectives", name, "method")
    for words in (["train", "--help"], ["measure", "--help"], ["reproduce", "--help"]):
        with pytest.raises(SystemExit, match="0"):
            sys.exit(main(words))
    assert jeat.load_data("digits")
    assert "loud" not in sys.modules
    assert not [*(tmp_path / "work").iterdir()]


def test_a_file_has_a_plugin_imported_by_its_name_and_no_other_code(odd, tmp_path):
    file = tmp_path / "net.safetensors"
    save_net(build(Spec("quiet-4", 1, 8, ("a", "b"))), None, file, about={})
    del sys.modules["quiet_part"]
    assert type(load_net(file)).__module__ == "quiet_part"
    del sys.modules["quiet_part"]
    for value in ("quiet_part:Net", "loud:X"):
        other = build(Spec("quiet-4", 1, 8, ("a", "b")))
        other.spec = Spec(f"{value}-4", 1, 8, ("a", "b"), other.spec.settings)
        save_net(other, None, file, about={})
        sys.modules.pop("quiet_part", None)
        with pytest.raises(ValueError, match="is code of its own, which no file may have run"):
            load_net(file)
    assert not (tmp_path / "work/imported").exists()


def test_what_lies_in_the_working_folder_was_not_installed(odd, tmp_path, monkeypatch):
    install(tmp_path / "work", "fetched", {"jeat.nets": {"fetched": "loud:X"}})
    monkeypatch.syspath_prepend("")
    monkeypatch.syspath_prepend(str(tmp_path / "work"))
    assert "fetched" not in brought_parts("nets")
    monkeypatch.chdir(tmp_path)
    assert "fetched" in brought_parts("nets")


def test_an_error_in_a_plugin_names_its_file_and_line(odd, capsys):
    (odd / "quiet_part.py").write_text(NET + "    def forward(self, x):\n        return {}['k']\n")
    words = ["train", "at", "--net", "quiet-4", "--epochs", "0.1", "--out", "run"]
    assert main(words) == 1
    assert "quiet_part.py, line 7: KeyError: 'k'" in capsys.readouterr().err
