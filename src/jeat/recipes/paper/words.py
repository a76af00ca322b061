"""How the numbers of the paper's comparison were obtained, in words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jeat.nets import net_settings
from jeat.recipes.paper._balls import ball_in_words
from jeat.suites import JUDGE, Suite
from jeat.training.plan import Plan

__all__ = ["chains_in_words", "judge_in_words", "run_in_words", "words"]

PAPER = {
    "cifar10": "WRN-28-10 on CIFAR-10, eps 8/255",
    "cifar100": "WRN-28-10 on CIFAR-100, eps 8/255",
}


def words(
    paper: Any, suite: Suite, measured: Mapping[Path, dict[str, Any]], *, seeds: int
) -> dict[str, str]:
    """How every number was obtained, in words."""
    by_name = {file.stem: m for file, m in measured.items()}
    probes = int(by_name["fisher"]["figures"]["fisher_probes"])
    images = {name: m["images"] for name, m in by_name.items()}
    starts = {p.start for p in suite.plans(Path(), 0).values()}
    inception = paper.settings.get("sample_quality", {}).get("inception")
    return {
        "data": suite.data,
        "training": "; ".join(run_in_words(m, p) for m, p in suite.plans(Path(), 0).items()),
        "paper": f"numbers marked paper are of a {PAPER[paper.printed]}"
        + " in linf, which do not compare with ours" * (paper.norm != "linf"),
        "seeds": f"{seeds} (0 to {seeds - 1}): of training, attacks, probes, starts and noise; "
        "means and sample standard deviations over seeds",
        "accuracy, PGD, ECE": f"{images['pgd_20']} test images, spread evenly; fp32; "
        f"{ball_in_words(paper.eps, paper.norm)}, PGD-20 in steps of eps / 4",
        "Fisher scores": f"{images['fisher']} test images; "
        + (f"Hutchinson's estimate with {probes} probes" if probes else "exact"),
        "curvature, AUROC": f"{images['fisher']} test images; outside: {paper.outside} images",
        "AutoAttack": f"{paper.attacks or 'the standard set'}, {images['auto_attack']} test "
        f"images, seeds 0 to {min(seeds, paper.autoattack_seeds) - 1}; zero gradients are counted "
        "at the test images",
        "gradient masking": f"{images['masking']} test images; a share above 0.01 by more than "
        "three standard errors is a sign of it",
        "generated images": f"{by_name['eq17']['samples']} a method and seed, "
        f"{suite.per_class} of each class, fresh chains, unselected; "
        + chains_in_words(suite)
        + f"; start {', '.join(sorted(starts))}; "
        f"compared with {paper.compared or 'all'} training images",
        "extractor": "torch-fidelity's Inception" if inception else "the judge",
        "judge": judge_in_words(suite, measured),
    }


def judge_in_words(suite: Suite, measured: Mapping[Path, dict[str, Any]]) -> str:
    """What judges images, and how accurate it is where the suite trained it."""
    judge = suite.judge
    if isinstance(judge, str):
        return judge
    activation = net_settings(judge.net, judge.architecture).get("activation", "")
    found = next(m for file, m in measured.items() if file.parents[1].name == JUDGE)
    return (
        f"{judge.net} ({activation}), {judge.method} training on the same data, seed "
        f"{judge.optimisation.seed}, accuracy {found['figures']['accuracy']:.4f} on "
        f"{found['images']} test images ({found['command']})"
    )


def chains_in_words(suite: Suite) -> str:
    """The settings of the chains that draw images, and those that differ by method."""
    told = [", ".join(f"{k} {v}" for k, v in suite.chain.items())]
    told += [f"of {m} {k} {v}" for m, how in suite.chains.items() for k, v in how.items()]
    return ", ".join(told)


def run_in_words(method: str, plan: Plan) -> str:
    """A run in words: what it starts from, how long, with which settings of its own."""
    o = plan.optimisation
    began = f"from the trained {Path(plan.init).name}" if plan.init else "from scratch"
    how = {"epochs": o.epochs, "optimizer": o.optimizer, "lr": o.lr} | plan.objective
    told = [f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in how.items()]
    return f"{method} {began} ({', '.join(told)})"
