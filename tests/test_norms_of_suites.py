"""A comparison in l2: every attack of it is told so, and every word says so."""

from dataclasses import replace
from pathlib import Path

import pytest

from jeat._support.checks import SettingError
from jeat._support.plugins import constant_of
from jeat._support.signatures import signature_of
from jeat.figures import accuracy_curves
from jeat.jobs.measurement import measure
from jeat.nets import Spec, build, save_net
from jeat.recipes import digits
from jeat.recipes.paper import Paper, Variants
from jeat.recipes.paper.accuracies import CURVE, curves
from jeat.recipes.paper.shown import Shown
from jeat.suites.rehearsal import rehearse

from .conftest import DIGITS

EPS = 0.5
FURTHER = ("square_attack", "hop_skip_jump", "targeted_success", "class_accuracy", "energies")
PAPER = Paper(EPS, 10, 10, 10, norm="l2", thorough=True, further=FURTHER)
VARIANTS = Variants(EPS, norm="l2")
KINDS = {
    "paper": PAPER, "smoke": PAPER.smoke(), "variants": VARIANTS, "few": VARIANTS.smoke(),
}  # fmt: skip
every_kind = pytest.mark.parametrize("comparison", KINDS.values(), ids=KINDS)


def suite_of(comparison):
    return replace(digits.suite(), comparison=comparison, judge="cifar10-judge")


def measurements(comparison, seed=0):
    suite = suite_of(comparison)
    return comparison.measurements(suite, "at", Path("net"), "cifar10-judge", seed)


def attacks(found):
    """(what, metric, its settings) of all that attacks as it is."""
    for what, m in found.items():
        for metric in m.metrics:
            own = {f.name: f.default for f in signature_of("metrics", metric).flags}
            if "eps" in own and own["eps"] != 0:
                yield what, metric, own | dict(m.settings.get(metric, {}))


@every_kind
def test_every_attack_is_told_the_radius_and_the_norm(comparison):
    seen = {}
    for what, metric, how in attacks(measurements(comparison)):
        assert (how["eps"], how["norm"]) == (EPS, "l2"), (what, metric)
        if "step_size" in how:
            assert how["step_size"] == (EPS if "fgsm" in what else EPS / 4), (what, metric)
        seen[metric] = what
    known = {"robust_accuracy", "auto_attack"}
    if isinstance(comparison, Paper):
        known |= {"gradient_masking", "robustness_curve", *FURTHER[:3]}
    assert seen.keys() == known
    robust = {m for found in measurements(comparison).values() for m in found.metrics
              if constant_of("metrics", m, "robustness")}  # fmt: skip
    assert robust <= {*seen, "class_accuracy"}


def test_what_attacks_only_where_it_is_told_to_is_not_told_to():
    how = measurements(PAPER)["further"].settings
    assert how["class_accuracy"] == how["energies"] == {}


@pytest.mark.parametrize("settings", [{"norm": "l2"}, {}])
def test_a_setting_that_is_named_comes_before_the_comparisons(settings):
    own = {"square_attack": {"eps": 0.25, **settings}}
    paper = replace(PAPER, settings=own)
    how = measurements(paper)["further"].settings["square_attack"]
    assert how == {"eps": 0.25, "norm": "l2"}


@pytest.mark.parametrize("kind", [Paper(8 / 255, 10, 10, 10), Variants(8 / 255)])
def test_the_commands_of_linf_are_those_that_they_were(kind):
    """So that what was measured before is not measured anew."""
    found = measurements(kind)
    assert found["pgd_20"].command() == (
        "jeat measure net --metrics robust_accuracy" + f" --number {found['pgd_20'].number}" * (
            found["pgd_20"].number != 1000
        )
    )  # fmt: skip
    assert not any("norm" in m.command() for m in found.values())


def test_a_measurement_of_the_comparison_is_in_its_ball(tmp_path):
    net = build(Spec("convnet-2", 1, 8, DIGITS.classes))
    save_net(net, None, tmp_path / "net", about={"plan": {"data": "digits"}})
    for what in ("pgd_20", "masking"):
        m = replace(measurements(PAPER.smoke())[what], net=str(tmp_path / "net"))
        balls = measure(m)["balls"]
        assert balls
        assert all(ball["norm"] == "l2" for ball in balls.values())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("ball", "said"),
    [({"norm": "l3"}, "unknown norm 'l3'"), ({"norm": "linf", "eps": 8}, "most 1")],
)
@pytest.mark.parametrize("comparison", [PAPER, VARIANTS], ids=["paper", "variants"])
def test_a_ball_that_is_none_is_refused_before_anything_is_trained(
    comparison, ball, said, tmp_path
):
    with pytest.raises(SettingError, match=said):
        rehearse(suite_of(replace(comparison, **ball)), tmp_path / "out", seeds=1)


def told(comparison):
    """All that a report of the comparison says of its attacks."""
    suite = suite_of(comparison)
    found = measurements(comparison)
    measured = {
        Path(f"seed0/at/figures/{what}.json"): {
            "images": m.number, "samples": 10, "figures": {"fisher_probes": 0},
        }
        for what, m in found.items()
    }  # fmt: skip
    said = comparison.words(suite, measured, seeds=1)
    notes = [t.note for t in comparison.tables(suite, {})]
    return said, [*said.values(), *notes, comparison.attacks_in_words()]


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("comparison", [PAPER, VARIANTS], ids=["paper", "variants"])
def test_words_say_the_norm_and_no_other(comparison, norm):
    comparison = replace(comparison, norm=norm)
    said, texts = told(comparison)
    ball = f"eps 0.5 ({norm}, [0, 1] pixels)"
    assert comparison.attacks_in_words() == f". Attacks have {ball}"
    assert ball in next(v for k, v in said.items() if k.startswith("accuracy, PGD"))
    theirs = said.get("paper", "")  # the numbers of the paper are of linf
    if theirs:
        assert ("in linf, which do not compare with ours" in theirs) == (norm != "linf")
    others = {"linf", "l2", "l1"} - {norm}
    assert not any(
        f"({other}," in text or f" in {other}" in text
        for text in texts if text != theirs for other in others
    )  # fmt: skip


def test_the_picture_of_accuracy_over_radii_is_of_the_norm(tmp_path, monkeypatch):
    file = tmp_path / "at/figures" / f"{CURVE}.json"
    file.parent.mkdir(parents=True)
    file.write_text(
        '{"images": 10, "figures": {"robust_accuracy@0.5": 0.5}, '
        '"intervals": {"robust_accuracy@0.5": [0.2, 0.8]}}'
    )
    drawn = []
    draw = accuracy_curves.draw

    def watched(lines, **how):
        drawn.append(how)
        return draw(lines, **how)

    monkeypatch.setattr(accuracy_curves, "draw", watched)
    s = Shown(tmp_path, ["at"], DIGITS, tmp_path, EPS, "l2", 2.0, 5, None)
    assert "Under PGD-20 in l2, 10 test images" in curves(s).caption
    assert drawn == [{"norm": "l2"}]
