"""The nets of a suite as files to hand on: weights, and a card that says what they are."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from jeat._support.hub import hub_data
from jeat._support.plugins import constant_of
from jeat._support.reading import reading_of
from jeat.nets import load, save_net, spec_of
from jeat.report import table
from jeat.runs.log import minutes
from jeat.samplers import Chain
from jeat.suites.records import measured_in, records
from jeat.suites.suite import JUDGE, Suite, runs
from jeat.training.plan import Plan

__all__ = ["write_models"]

GROUPS = ("architecture", "objective", "optimisation", "recovery")
DRAWS = (
    "Its images are samples of no density that could be evaluated: chains are short, their noise "
    "is far below what the energy's temperature asks for, and where they start decides much."
)
JUDGES = (
    "It is no measure of image quality outside of these tables: features of a classifier of the "
    "same ten classes see what separates the classes, and little else; and noise that was drawn "
    "from another plain classifier convinces it."
)


def write_models(suite: Suite, out: Path) -> None:
    """``OUT/models/NAME-METHOD.safetensors`` and ``.md`` of seed 0 and of the judge."""
    place = out / "models"
    place.mkdir(exist_ok=True)
    measured = measured_in(suite, out, seeds=1)
    for folder, plan in runs(suite, out, seeds=1).items():
        method = Path(folder).name
        name = f"{suite.models}-{method}"
        net: Any = load(out / folder)
        how = suite.chain_of(method)
        save_net(
            net, net.start, place / f"{name}.safetensors", about=net.about,
            chain=Chain(steps=how["steps"], step_size=how["step_size"], noise=how["noise"]),
            precision=plan.optimisation.kept,
        )  # fmt: skip
        own = {f: m for f, m in measured.items() if f.is_relative_to(out / folder)}
        text = _card(suite, name, method, plan, out / folder, records(suite, own, out))
        (place / f"{name}.md").write_text(text)


def _card(
    suite: Suite, name: str, method: str, plan: Plan, run: Path, found: list[dict[str, Any]]
) -> str:
    """A card in the hub's format: figures in its head for programs, the same below for people."""
    own = [r for r in found if r["method"] == method]
    made = json.loads((run / "run.json").read_text())
    own_words = ("plan", "data_sha256", "command", "raised")
    machine = {k: v for k, v in made.items() if k not in own_words}
    about = generated = ""
    if method != JUDGE:
        about = f" {suite.about}"
        chain = ", ".join(f"{k} {v}" for k, v in suite.chain_of(method).items())
        generated = f", or on generated ones, fresh and unselected ({chain})"
        generated += suite.comparison.attacks_in_words()
    return "\n".join([
        f"---\n{_head(name, method, plan, own)}\n---", f"# {name}", "",
        f"{_summary(method, plan)}{about}", "", f"```\n{_use(name, method, run)}\n```", "",
        "## How it was made", "",
        f"`jeat reproduce {suite.title} --seeds 1`, run `{run.name}`, seed "
        f"{plan.optimisation.seed}, {minutes(run):.3g} minutes "
        f"({', '.join(f'{k} {v}' for k, v in machine.items())}). Weights are rounded to "
        f"{plan.optimisation.kept}; the figures are of the rounded ones.", "",
        table(_settings(made["plan"])), "",
        "## Figures", "",
        f"On test images spread evenly over the test split{generated}.", "",
        table(_figures(suite, own)), "", "Found by", "",
        "```", *_commands(suite, name, run, own), "```", "",
        "## Weaknesses", "", _weakness(method, plan), "",
        f"Licence: MIT for weights and code; {suite.licence}", "",
    ])  # fmt: skip


def _head(name: str, method: str, plan: Plan, own: list[dict[str, Any]]) -> str:
    """What programs read."""
    results = [
        EvalResult("image-classification", plan.data, plan.data, r["column"], round(r["value"], 6))
        for r in own
    ]
    source, _ = reading_of(plan.data)
    hub = hub_data(source)
    data = ModelCardData(
        language=None, license="mit", library_name="jeat",
        datasets=[hub.name if hub else source], model_name=name,
        tags=["adversarial-robustness", "energy-based-model", method], eval_results=results,
    )  # fmt: skip
    text: str = data.to_yaml()
    return text


def _use(name: str, method: str, run: Path) -> str:
    """A line that uses the net."""
    if method == JUDGE:
        return f"net = jeat.load({name!r})"
    first = spec_of(load(run)).classes[0]
    return f"jeat sample {name} {first}.png --class {first} -n 64"


def _settings(plan: dict[str, Any]) -> list[dict[str, object]]:
    """Rows of the settings of a run."""
    flat = {k: v for k, v in plan.items() if k not in GROUPS}
    flat |= {k: v for group in GROUPS[:3] for k, v in plan[group].items()}
    return [{"setting": k, "value": _plain(v)} for k, v in flat.items()]


def _figures(suite: Suite, own: list[dict[str, Any]]) -> list[dict[str, object]]:
    notes = _notes(suite)
    return [
        {
            "figure": r["column"], "value": f"{r['value']:.4g}", "images": r["images"],
            "what": notes.get(r["column"], ""),
        }
        for r in own
    ]  # fmt: skip


def _commands(suite: Suite, name: str, run: Path, own: list[dict[str, Any]]) -> list[str]:
    """The commands that find the figures again from the files that are handed on."""
    commands = sorted({r["drawing"] for r in own if r["drawing"]})
    commands += sorted({r["command"] for r in own})
    here = {f"{run}/": "", str(run): name, str(run.parents[1] / JUDGE): f"{suite.models}-{JUDGE}"}
    for path, word in here.items():
        commands = [c.replace(path, word) for c in commands]
    return commands


def _summary(method: str, plan: Plan) -> str:
    what = (
        "A plainly trained classifier that judges the images of others"
        if method == JUDGE
        else f"A classifier trained by `{method}`"
    )
    settings = ", ".join(f"{k} {v}" for k, v in plan.architecture.items())
    began = f", from the weights of `{Path(plan.init).name}`" if plan.init else ""
    return f"{what}: {plan.net} ({settings}) on {plan.data}{began}."


def _plain(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.4g}"
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


def _notes(suite: Suite) -> dict[str, str]:
    """What each column of the suite's tables is, in a line."""
    tables = suite.comparison.tables(suite, {})
    return {c.name: f"{c.label}: {c.reading}" for table in tables for c in table.columns}


def _weakness(method: str, plan: Plan) -> str:
    """What is known against a net: of its method, and of its images."""
    if method == JUDGE:
        return JUDGES
    known = constant_of("objectives", plan.method, "weakness")
    return " ".join(filter(None, [known, DRAWS]))
