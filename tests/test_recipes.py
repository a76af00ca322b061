"""A suite trains what is missing, keeps every number with its command, and recomputes nothing."""

import base64
import csv
import io
import json
import re
import shlex
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image

import jeat
from jeat import suites
from jeat._support.plugins import known_parts
from jeat.cli import main
from jeat.figures import energy_changes
from jeat.jobs import image_files, measurement
from jeat.jobs.drawing import Drawing
from jeat.jobs.image_files import load_images
from jeat.nets import load_net
from jeat.nets.places import file_of
from jeat.recipes import cifar10_cpu, digits
from jeat.recipes.paper import CLAIMS, Variants
from jeat.recipes.paper.numbers import PAPER
from jeat.recipes.paper.tables import tables
from jeat.samplers import Chain
from jeat.suites import records as _records
from jeat.suites.report import write
from jeat.training.plan import Optimisation, Plan

from .conftest import DIGITS

_cost = import_module("jeat.suites.cost")
suite_module = import_module("jeat.suites.suite")
METHODS = ["normal", "noise-8", "noise-16", "noise-24", "at", "prejeat", "jem", "jeat"]
TABLES = tables("cifar10", METHODS, METHODS)
MEASURED = [  # without further measurements, which are of CIFAR
    t
    for t in TABLES
    if not t.title.startswith(("Images,", "Fisher scores without", "Accuracy over"))
]
SEEDS = 2


def small(suite):
    """The suite on nets of four channels, but for the judge."""

    def plans(out, seed):
        return {k: replace(p, net="convnet-4") for k, p in suite.plans(out, seed).items()}

    return replace(suite, plans=plans, models="toy", chains={"jeat": {"step_size": 1.0}})


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A finished smoke run of two seeds."""
    out = tmp_path_factory.mktemp("suite") / "digits"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "suite", lambda **_: small(SUITE))
        words = ["reproduce", "digits", "--out", str(out), "--smoke", "--seeds", str(SEEDS)]
        assert main(words) == 0
    return out


SUITE = digits.suite()


@pytest.fixture(scope="module")
def results(out):
    return json.loads((out / "results.json").read_text())


def test_every_method_has_a_run_a_seed_trained_by_its_plan(out):
    for seed in range(SEEDS):
        for method in METHODS:
            plan = json.loads((out / f"seed{seed}/{method}/run.json").read_text())["plan"]
            assert plan["method"] == method.split("-")[0]
            assert plan["optimisation"]["seed"] == seed
    jeat_plan = json.loads((out / "seed1/jeat/run.json").read_text())["plan"]
    assert Path(jeat_plan["init"]) == (out / "seed1/at").resolve()
    assert jeat.load(out / "judge").about["plan"]["optimisation"]["seed"] >= 1000


def test_the_disk_that_is_asked_for_is_about_what_is_written(out):
    written = sum(f.stat().st_size for f in [*out.rglob("*.safetensors"), *out.rglob("*.pt")])
    assert written < _cost.disk(suites.smoke(small(SUITE)), out, seeds=SEEDS) < 4 * written


def test_every_number_has_a_command_and_every_seed(results):
    found = {(r["method"], r["column"], r["seed"]) for r in results["records"]}
    for method in METHODS:
        for column in ("accuracy", "pgd_20", "energy_pgd_20", "jfs", "judge_kid", "nearest_l2"):
            for seed in range(SEEDS):
                assert (method, column, seed) in found
    for r in results["records"]:
        trained = r["file"].endswith("log.jsonl")
        assert shlex.split(r["command"])[:2] == ["jeat", "reproduce" if trained else "measure"]


def test_figures_of_the_training_are_what_its_log_says(out, results):
    log = [json.loads(line) for line in (out / "seed1/at/log.jsonl").read_text().splitlines()]
    found = {
        r["column"]: r["value"]
        for r in results["records"]
        if (r["method"], r["seed"]) == ("at", 1) and r["file"].endswith("log.jsonl")
    }
    changes = [line["delta_x_E_y"] for line in log if "delta_x_E_y" in line]
    assert found["delta_x_E_y"] == pytest.approx(sum(changes) / len(changes))
    last = log[-1]
    assert found[f"test_accuracy@{last['iteration']}"] == last["test_accuracy"]
    assert not any(column.endswith("_std") for column in found)


def kinds():
    """The measurements of a net, by the stem of their file."""
    names = ["clean", "fgsm", "energy_fgsm", "pgd_20", "energy_pgd_20", "fisher", "curvature"]
    return [*names, "outside", "masking", "auto_attack", "eq17", "eq16"]


@pytest.mark.parametrize("kind", kinds())
def test_the_command_of_a_number_recomputes_it(kind, out, results, tmp_path):
    kept = json.loads((out / f"seed0/at/figures/{kind}.json").read_text())
    words = shlex.split(kept["command"])[1:]
    assert main([*words, "--out", str(tmp_path / "again.json")]) == 0
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["figures"] == kept["figures"]
    assert again["command"] == kept["command"]
    of_it = [r for r in results["records"] if r["file"] == f"seed0/at/figures/{kind}.json"]
    assert {r["value"] for r in of_it} <= set(kept["figures"].values())
    assert len(of_it) == len(kept["figures"])


@pytest.mark.parametrize("equation", ["eq17", "eq16"])
def test_the_command_of_a_drawing_redraws_it(equation, out, tmp_path):
    images, labels, about = load_images(out / f"seed1/at/{equation}.safetensors")
    words = shlex.split(about["command"])[1:]
    words[2] = str(tmp_path / "again.safetensors")
    assert main(words) == 0
    again, same_labels, _ = load_images(tmp_path / "again.safetensors")
    assert torch.equal(again, images)
    assert torch.equal(same_labels, labels)


def test_eq_16_starts_where_eq_17_does(out):
    plans = [json.loads((out / f"seed0/at/figures/{e}.json").read_text()) for e in ("eq16", "eq17")]
    commands = [p["drawing"].replace(" --energy cross-entropy", "") for p in plans]
    assert commands[0].replace("eq16", "eq17") == commands[1]


def test_a_second_call_trains_draws_and_measures_nothing(out, results, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("recomputed")

    monkeypatch.setattr(image_files, "draw", refuse)
    monkeypatch.setattr(measurement, "measure", refuse)
    stages = list(suites.reproduce(suites.smoke(small(SUITE)), out, seeds=SEEDS))
    assert not [s.note for s in stages if s.stage == "train" and s.note != "done"]
    again = json.loads((out / "results.json").read_text())
    assert again["records"] == results["records"]


@pytest.mark.slow
def test_what_is_missing_or_measured_otherwise_is_measured_again(out, results):
    suite = suites.smoke(small(SUITE))
    figures = out / "seed0/at/figures"
    kept = json.loads((figures / "fgsm.json").read_text())
    (figures / "fgsm.json").unlink()
    (figures / "pgd_20.json").write_text("{cut sho")
    old = json.loads((figures / "clean.json").read_text())
    other = {"inputs": old["inputs"] | {"what": "jeat measure another"}}
    (figures / "clean.json").write_text(json.dumps(old | other))
    for _ in suites.reproduce(suite, out, seeds=SEEDS):
        pass
    assert json.loads((figures / "fgsm.json").read_text())["figures"] == kept["figures"]
    assert json.loads((figures / "clean.json").read_text())["command"] == old["command"]
    assert records_of(suite, out) == results["records"]


def records_of(suite, out):
    found = _records.records(suite, _records.measured_in(suite, out, seeds=SEEDS), out)
    return found + _records.logged(suite, out, seeds=SEEDS)


def test_other_images_or_another_net_under_the_same_command_are_measured_again(out, tmp_path):
    """The command of a measurement names files; what is in them counts, too."""
    shutil.copytree(out / "seed0/at", tmp_path / "at")
    judge, file = str(out / "judge"), tmp_path / "x.safetensors"
    d = Drawing(str(tmp_path / "at"), number=1, steps=1)
    metrics = ("judge_accuracy", "nearest")
    m = measurement.Measurement(d.net, metrics, number=4, judge=judge, samples=str(file))
    found = []
    for number, net in ((1, "seed0"), (2, "seed0"), (2, "seed1")):
        shutil.rmtree(tmp_path / "at")
        shutil.copytree(out / net / "at", tmp_path / "at")
        image_files.draw_to(file, replace(d, number=number))
        found.append(measurement.measure_to(tmp_path / "x.json", m))
    assert [f["samples"] for f in found] == [10, 20, 20]
    assert len({f["inputs"]["net_sha256"] for f in found}) == 2
    assert len({f["figures"]["nearest_l2"] for f in found}) == 3


def test_the_nets_of_seed_0_are_handed_on_with_a_card_of_their_figures(out, results):
    names = {f.stem for f in (out / "models").iterdir()}
    assert names == {f"toy-{m}" for m in [*METHODS, "judge"]}
    for method in METHODS:
        file = out / f"models/toy-{method}.safetensors"
        handed, own = load_net(file), load_net(file_of(out / f"seed0/{method}"))
        torch.testing.assert_close(handed.state_dict(), own.state_dict(), rtol=0, atol=0)
        step = 1.0 if method == "jeat" else 0.25
        assert handed.chain == Chain(steps=2, step_size=step, noise=0.01)
        assert handed.about == own.about
        card = ModelCard.load(file.with_suffix(".md"))
        told = {r.metric_type: r.metric_value for r in card.data.eval_results}
        own = [
            r
            for r in results["records"]
            if (r["method"], r["seed"]) == (method, 0) and not r["file"].endswith("log.jsonl")
        ]
        assert told == pytest.approx({r["column"]: r["value"] for r in own}, rel=1e-4, abs=1e-5)
        assert f"jeat measure toy-{method} " in card.text
        assert str(out) not in card.content
        assert SUITE.about in card.text
        assert "sha256" not in card.text
    judge = ModelCard.load(out / "models/toy-judge.md").text
    assert SUITE.about not in judge
    assert "generated" not in judge


def test_an_out_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file"):
        next(suites.reproduce(SUITE, tmp_path / "file", seeds=1))


@pytest.mark.parametrize("original", [pytest.param("is kept", marks=pytest.mark.slow), "is gone"])
def test_a_folder_that_was_copied_or_moved_goes_on(original, out, tmp_path, monkeypatch):
    """And recomputes nothing; its commands name the files as they are seen from here."""
    shutil.copytree(out, tmp_path / "moved")
    monkeypatch.setattr(measurement, "measure", None)
    monkeypatch.setattr(image_files, "draw", None)
    monkeypatch.chdir(tmp_path)
    away = tmp_path / "away" if original == "is gone" else out
    out.rename(away)
    try:
        for _ in suites.reproduce(suites.smoke(small(SUITE)), tmp_path / "moved", seeds=1):
            pass
    finally:
        away.rename(out)
    records = json.loads((tmp_path / "moved/results.json").read_text())["records"]
    assert any(r["command"].startswith("jeat measure moved/seed0/at ") for r in records)
    plan = json.loads((tmp_path / "moved/seed0/jeat/run.json").read_text())["plan"]
    assert Path(plan["init"]) == (out / "seed0/at").resolve()  # as it was begun


class Sources(HTMLParser):
    """What a page would load, and its text."""

    def __init__(self, text):
        super().__init__()
        self.sources, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.sources += [v for k, v in attrs if k in ("src", "href") and v[0] != "#"]

    def handle_data(self, data):
        self.text += data


def test_the_report_is_one_page_with_every_table_figure_and_paper_number(out, results):
    page = Sources((out / "report.html").read_text())
    assert len(page.sources) == 7  # Fig. 2 to 7, Fig. 2 by two kinds of levels
    for source in page.sources:
        kind, data = source.split(",", 1)
        assert kind == "data:image/png;base64"
        assert min(Image.open(io.BytesIO(base64.b64decode(data))).size) > 90
    for table in MEASURED:
        assert table.title in page.text
    for printed in ("paper 0.0012", "paper 0.023", "paper 23.08", "paper 8.8", "paper 0.3219"):
        assert page.text.count(printed) == 1
    assert "KID:" not in page.text.replace("judge-KID:", "")  # nobody has Inception's
    value = next(
        r for r in results["records"] if r["method"] == "jeat" and r["column"] == "accuracy"
    )
    assert value["command"] in page.text
    assert "held in" in page.text


def test_tables_as_csv_hold_means_and_deviations_over_seeds(out, results):
    rows = list(csv.DictReader((out / "tables.csv").open()))
    (row,) = [
        r
        for r in rows
        if r["table"].startswith("Table 3") and (r["method"], r["column"]) == ("jeat", "pgd_20")
    ]
    values = torch.tensor(
        [r["value"] for r in results["records"] if (r["method"], r["column"]) == ("jeat", "pgd_20")]
    )
    assert len(values) == int(row["seeds"]) == SEEDS
    assert float(row["mean"]) == pytest.approx(values.mean().item())
    assert float(row["std"]) == pytest.approx(values.std().item(), rel=1e-5)
    assert float(row["paper"]) == 0.3055
    (glow,) = [r for r in rows if (r["method"], r["column"]) == ("glow", "accuracy")]
    assert (glow["mean"], glow["std"], glow["commands"]) == ("", "", "")
    assert row["commands"].splitlines() == [
        r["command"] for r in results["records"] if (r["method"], r["column"]) == ("jeat", "pgd_20")
    ]


def test_markdown_has_the_same_tables(out):
    text = (out / "tables.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [
        *(t.title for t in MEASURED), "Warnings", "The paper's orderings", "Protocol",
    ]  # fmt: skip


def test_a_masked_net_is_warned_of_wherever_a_reader_looks(out, tmp_path):
    shutil.copytree(out, tmp_path / "masked")
    suite, file = suites.smoke(small(SUITE)), tmp_path / "masked/seed1/jem/figures/masking.json"
    for name in ("report.html", "tables.md", "results.json"):
        text = (out / name).read_text()
        assert "gradients look masked" not in text
        assert text.count("images than features a covariance is singular") == 1
    of_all = "; ".join(f"{method}, seeds 0, 1" for method in METHODS)
    assert f"- {of_all}: FID is left out" in (out / "tables.md").read_text()
    found = json.loads(file.read_text())
    found["figures"] |= {"masking_images": 1000.0, "masking_zero_gradient": 0.5}
    file.write_text(json.dumps(found))
    write(suite, tmp_path / "masked", seeds=SEEDS)
    said = "jem, seed 1: gradients look masked: the gradient is exactly zero at 500 of 1000 images"
    for name in ("report.html", "tables.md", "results.json"):
        text = (tmp_path / "masked" / name).read_text()
        assert said in text


def test_a_table_has_the_rows_that_somebody_has_a_number_for():
    records = [{"method": "at", "seed": 0, "column": "accuracy", "value": 0.5, "command": "c"}]
    text = jeat.report.markdown(TABLES, jeat.report.summarise(records))
    first, table_3 = text.split("## ")[1], text.split("## Table 3")[1]
    assert [line.split("|")[1].strip() for line in first.splitlines() if "| 0." in line] == ["at"]
    assert "noise-8" not in text
    assert "| glow" in table_3


def test_the_short_suite_is_the_same_for_less():
    whole, short = cifar10_cpu.suite(), cifar10_cpu.suite(short=True)
    plans, fewer = whole.plans(Path("x"), 1), short.plans(Path("x"), 1)
    assert list(fewer) == ["normal", "at", "jem", "jeat"]
    for method, plan in fewer.items():
        o = plans[method].optimisation
        part = 0.5 if plan.init else 0.15
        assert plan == replace(plans[method], optimisation=replace(o, epochs=o.epochs * part))


def test_the_protocol_says_what_each_method_began_from(results):
    told = dict(run.split(" ", 1) for run in results["protocol"]["training"].split("; "))
    assert list(told) == METHODS
    assert told["jeat"].startswith("from the trained at (epochs ")
    assert told["noise-8"].startswith("from scratch (")
    assert "sigma 0.03137" in told["noise-8"]


def test_a_method_may_have_a_step_of_its_own_which_the_protocol_names(out, results):
    for method, said in (("jeat", "--step_size 1.0 "), ("jem", "--step_size 0.25 ")):
        assert said in load_images(out / f"seed0/{method}/eq17.safetensors")[2]["command"]
    assert (
        "step_size 0.25, noise 0.01, of jeat step_size 1.0;"
        in results["protocol"]["generated images"]
    )


def test_minutes_are_those_of_all_sittings(tmp_path):
    rows = [{"seconds": s} for s in (10.0, 20.0, 30.0, 5.0, 15.0, 3.0)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert _records.minutes(tmp_path) == (30.0 + 15.0 + 3.0) / 60


def test_figures_over_seeds_and_orderings():
    records = [
        {"method": m, "column": "c", "seed": s, "value": v, "command": f"{m}{s}"}
        for m, values in {"a": (3, 1), "b": (2, 2)}.items()
        for s, v in enumerate(values)
    ]
    summary = jeat.report.summarise(records)
    cell = summary["a"]["c"]
    assert (cell.mean, cell.std) == (2, pytest.approx(2**0.5))
    assert cell.commands == {0: "a0", 1: "a1"}
    assert jeat.report.ordering(summary, "c", "a > b") == (1, 2)
    assert jeat.report.ordering(summary, "c", "b > a") == (1, 2)
    assert jeat.report.ordering(summary, "c", "a > a") == (0, 2)
    assert jeat.report.ordering(summary, "c", "a >= a") == (2, 2)
    assert jeat.report.ordering(summary, "d", "a > b") is None
    assert jeat.report.ordering(summary, "c", "a > z") is None


def test_the_claims_are_those_of_the_paper():
    by_column = {}
    for column, claim, what in CLAIMS:
        by_column.setdefault((column, "judge" in what or "not in" in what), []).append(claim)
    for score in ("jfs", "mfs"):
        assert by_column[score, False] == ["normal > at > jem > jeat"]
    assert by_column["is", False] == ["jeat >= jem > at"]
    assert by_column["fid", False] == ["at > jem >= jeat"]
    assert by_column["pgd_20", False] == ["jeat > jem"]
    for table, columns in PAPER["cifar10"].items():  # the paper's own numbers bear them out
        for column, numbers in columns.items():
            summary = {m: {column: cell(v)} for m, v in numbers.items()}
            for claim in by_column.get((column, False), []):
                assert jeat.report.ordering(summary, column, claim) in ((1, 1), None), table


def cell(value):
    return jeat.report.Cell(value, float("nan"), {0: value}, {0: ""})


def test_what_a_page_is_given_is_text(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    page = jeat.report.page(
        title="<b>title</b>", about="a & b", protocol={"<i>": "<u>"}, summary={},
        tables=[], claims={"<s>": (1, 2)}, warnings=["<p class='w'>"], made_with={"<q>": "v"},
        figures=[jeat.report.Figure("<h1>", "<em>", tmp_path / "x.png", "plot")],
    )  # fmt: skip
    for tag in ("b", "i", "u", "s", "q", "h1", "em"):
        assert f"&lt;{tag}&gt;" in page
    assert "<b>" not in page
    assert "<p class='w'>" not in page


def test_per_epoch_pools_the_images_of_its_records():
    rng = np.random.default_rng(0)
    batches = rng.normal(size=(4, 50)) * [[1], [2], [3], [4]] + [[0], [5], [1], [2]]
    log = [
        {"epoch": e, "d": b.mean(), "d_std": b.std()} if b is not None else {"epoch": e, "loss": 1}
        for e, b in zip((0.5, 1.0, 1.2, 1.5, 2.0), [*batches[:2], None, *batches[2:]], strict=True)
    ]
    pooled = energy_changes.per_epoch(log, "d")
    for epoch, images in ((1, batches[:2]), (2, batches[2:])):
        assert pooled[epoch] == (pytest.approx(images.mean()), pytest.approx(images.std()))
    short = [row | {"epoch": row["epoch"] * 0.375} for row in log]  # 0.75 epochs in all
    assert list(energy_changes.per_epoch(short, "d")) == pytest.approx([0.225, 0.375, 0.6, 0.75])
    with pytest.raises(ValueError, match="deltas_every"):
        energy_changes.draw({"at": [{"epoch": 1.0, "loss": 1.0}]})


@pytest.mark.parametrize("name", known_parts("recipes"))
def test_every_suite_knows_its_tasks_and_cost_without_data(name):
    suite = import_module(f"jeat.recipes.{name}").suite()
    place = Path("out")
    training = suite_module.runs(suite, place, seeds=2)
    assert suite.methods() == METHODS or name not in ("digits", "cifar10", "cifar10_cpu")
    of_seeds = [len(suite.plans_of(place / f"seed{seed}", seed)) for seed in range(2)]
    assert len(training) == sum(of_seeds) + isinstance(suite.judge, Plan)
    drawn, measured = (
        f(suite, place, seeds=2) for f in (suite_module.drawings, suite_module.measurements)
    )
    assert len(drawn) >= sum(of_seeds)
    for task in [*drawn.values(), *measured.values()]:
        assert Path(task.net).relative_to(place).as_posix() in training
    assert {Path(m.net).relative_to(place).as_posix() for m in measured.values()} | {
        n for n in training if "noise" in n and name == "cifar10_steps"
    } == {*training}
    *rows, whole = suites.cost(suite, place, seeds=2)
    assert [row["run"] for row in rows] == [*training, "drawing"]
    total = sum(float(row["PFLOP"].replace(",", "")) for row in rows)
    assert float(whole["PFLOP"].replace(",", "")) == pytest.approx(total, rel=0.02)


@pytest.mark.parametrize("name", known_parts("recipes"))
def test_test_images_and_starts_are_looked_at_beside_the_first_net(name):
    """Also where a suite's seeds do not begin at 0."""
    suite = import_module(f"jeat.recipes.{name}").suite()
    measured = suite_module.measurements(suite, Path("out"), seeds=2)
    with_rulers = isinstance(suite.comparison, Variants) or getattr(
        suite.comparison, "thorough", False
    )
    beside = [file.parents[1] for file, m in measured.items() if m.samples in ("test", "start")]
    assert {*beside} == ({Path("out/seed0") / suite.methods()[0]} if with_rulers else set())


def test_the_cost_of_a_pass_is_that_of_its_products():
    """Two FLOPs a multiplication: convnet-32 on 8 x 8 pixels, by hand."""
    flops, weights = _cost._of_a_pass(SUITE, digits.plans(Path("x"), 0)["at"])
    convolutions = 64 * 32 * 9 + 16 * 64 * 32 * 9 + 16 * 64 * 64 * 9 + 4 * 128 * 64 * 9
    assert flops == 2 * (convolutions + 512 * 10)
    assert weights == sum(p.numel() for p in build_of(SUITE.shape).parameters())


def build_of(shape):
    return jeat.nets.build(jeat.nets.Spec("convnet-32", shape[0], shape[1], DIGITS.classes))


@pytest.mark.parametrize(
    ("method", "objective", "passes"),
    [
        ("normal", {}, (0, 1)), ("noise", {}, (0, 1)), ("at", {"steps": 7}, (7, 1)),
        ("prejeat", {}, (1, 1)), ("jem", {"steps": 20}, (20, 2)),
        ("jeat", {"steps": 20, "attack_steps": 3}, (23, 2)),
    ],
)  # fmt: skip
def test_the_dry_run_counts_the_passes_that_an_iteration_takes(method, objective, passes):
    plan = Plan(method, objective=objective)
    assert _cost.per_iteration(plan) == passes
    net = jeat.nets.build(jeat.nets.Spec("convnet-4", 1, 8, DIGITS.classes))
    settings = objective | ({"buffer_size": 4} if method in ("jem", "jeat") else {})
    made = jeat.objectives.make(method, lambda n: torch.rand(n, 1, 8, 8), settings)
    forwards = []
    net.register_forward_pre_hook(lambda m, x: forwards.append(m.training))
    x, y = DIGITS.train.floats(4)
    made(net, jeat.data.Batch(x, y, logged=False))
    assert (forwards.count(False), forwards.count(True)) == passes


def test_the_dry_run_prints_the_cost_and_writes_nothing(tmp_path, capsys):
    words = ["reproduce", "digits", "--out", str(tmp_path / "out"), "--dry-run", "--seeds", "1"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "seed0/jeat" in printed
    assert f"{20 * (1437 // 128) * 128 * 21:,}" in printed  # 20 epochs, K = 20 and the attack
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_jeat_draws_digits_that_a_stranger_reads_and_still_classifies(tmp_path):
    """The stranger is a judge that was trained apart on the same data."""
    for _ in suites.reproduce(digits.suite(), tmp_path, seeds=1):
        pass
    records = json.loads((tmp_path / "results.json").read_text())["records"]
    found = {(r["method"], r["column"]): r["value"] for r in records}
    assert found["jeat", "judge_accuracy"] > 0.9
    assert found["jeat", "nearest_l2"] < 0.8 * found["at", "nearest_l2"]
    assert found["jeat", "accuracy"] > 0.95
    assert found["jeat", "pgd_20"] > found["normal", "pgd_20"] + 0.2


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_suite_at_the_papers_scale_runs_end_to_end_for_a_few_steps(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 32, 32, 3), np.uint8), np.arange(40) % 10
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    words = ["reproduce", "cifar10", "--data", str(tmp_path / "data.npz"), "--smoke"]
    assert main([*words, "--seeds", "1", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/report.html").exists()


def test_the_digits_are_measured_by_the_protocol_of_the_paper():
    tasks = suite_module.measurements(SUITE, Path("x"), seeds=2)
    at = {f.stem: m for f, m in tasks.items() if f.parts[1:3] == ("seed1", "at")}
    assert at["pgd_20"].settings["robust_accuracy"] == {
        "eps": 0.1, "norm": "linf", "steps": 20, "step_size": 0.025,
    }  # fmt: skip
    assert at["pgd_20"].number == at["clean"].number == len(DIGITS.test)
    once = {"eps": 0.1, "norm": "linf", "steps": 1, "step_size": 0.1, "random_start": False}
    assert at["fgsm"].settings["robust_accuracy"] == once
    assert at["energy_fgsm"].settings["robust_accuracy"] == once | {"loss": "energy"}
    assert "auto_attack" not in at  # of the first seed only
    assert {m.seed for m in at.values()} == {1}
    images = {f.stem: d for f, d in suite_module.drawings(SUITE, Path("x"), seeds=2).items()}
    assert (images["eq17"].energy, images["eq16"].energy) == ("joint", "cross-entropy")
    assert (images["eq17"].steps, images["eq17"].start, images["eq17"].number) == (150, "own", 50)


def test_plans_of_the_digits_train_one_net_with_one_budget():
    plans = digits.plans(Path("x"), 3)
    assert list(plans) == METHODS
    assert {
        (p.net, p.architecture["activation"], p.optimisation.epochs) for p in plans.values()
    } == {("convnet-32", "silu", 20)}
    assert {p.optimisation.seed for p in plans.values()} == {3}
    assert isinstance(plans["jeat"].optimisation, Optimisation)
