"""What one sees at the prompt: what there is, in short, what was meant, and what to cite."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import jeat
from jeat.cli import main
from jeat.data import Images
from jeat.metrics import Subject
from jeat.training.loop import Log

from .conftest import DIGITS

ROOT = Path(__file__).parents[1]


def test_dir_shows_what_there_is():
    assert dir(jeat) == sorted(jeat.__all__)
    assert all(hasattr(jeat, name) for name in dir(jeat))


def test_data_are_shown_in_short():
    assert repr(DIGITS) == "1437 + 360 images 1x8x8, 10 classes"
    assert repr(Images(DIGITS.test.x[:3], DIGITS.test.y[:3])) == "3 images 1x8x8"


def test_values_are_shown_in_a_line():
    """Without what is as usual, without pixels, by few digits."""
    o = jeat.Optimisation(lr=3e-4, epochs=2.0)
    assert repr(o) == "Optimisation(epochs=2, lr=0.0003)"
    plan = repr(jeat.Plan("at", eps=0.1, optimisation=o))
    assert plan.startswith("Plan(method='at', ")
    assert "eps=0.1" in plan
    assert f"optimisation={o!r}" in plan
    assert "recovery" not in plan
    net = jeat.nets.build(jeat.nets.Spec("convnet-2", 1, 8, ("a", "b")))
    x, y = DIGITS.test.floats(4)
    assert repr(Subject(net, x, y)) == "Subject(net=Net, x=4x1x8x8 float32, y=4 int64)"
    assert len(repr(jeat.attacks.Counterfactual(x, y.float(), y.float(), y.float()))) < 120
    assert repr(Log(3, 9, {"loss": 0.123456})) == (
        "Log(iteration=3, total=9, metrics={'loss': 0.1235})"
    )


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("trian at", "train"),
        ("train jaet --out new", "jeat"),
        ("train at --out new --epohcs 3", "--epochs"),
        ("train at --out new --objective.rato 3", "--objective.ratio"),
        ("train at --out new --net convnt-4", "convnet"),
        ("train at --out new --data cifer10", "cifar10"),
        ("train at --out new --data digtis", "digits"),
        ("data fashon-mnist", "fashion-mnist"),
        ("train at --out new --start gausian", "gaussian"),
        ("train at --out new --step sharpnes_aware", "sharpness_aware"),
        ("train at --out new --precision bf61", "bf16"),
        ("train at --out new --track tensorbord", "tensorboard"),
        ("train at --out new --activation=sliu", "silu"),
        ("train at --out new --config new.yaml", "cosine"),
        ("train jeat --out new --objective.attack_loss enrgy", "energy"),
        ("train jem --out new --objective.sampler clmped", "clamped"),
        ("attack cifar10-at --norm lnif", "linf"),
        ("sample cifar10-jeat new.png --steps onw", "own"),
        ("plot new new.png --along epochs", "epoch"),
        ("completion bsh", "bash"),
        ("measure cifar10-at --metrics square_attack --square_attack.norm linff", "linf"),
        ("reproduce digit --out new", "digits"),
        ("sample cifar10-jaet new.png", "cifar10-jeat"),
        ("sample cifar10-jeat new.png --class shp", "ship"),
        ("sample cifar10-jeat new.png --step-sze 3", "--step_size"),
        ("measure cifar10-jeat --metrics acuracy", "accuracy"),
    ],
)
def test_a_misspelt_name_is_said_with_what_is_near(words, meant, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JEAT_DATA", "")
    if "new.yaml" in words:
        Path("new.yaml").write_text("schedule: cosin\n")
    try:
        code = main(words.split())
    except SystemExit as left:
        code = left.code
    assert code in (1, 2)
    err = capsys.readouterr().err
    assert f": did you mean {meant}?" in err
    assert err.count("\n") == 1
    assert {*tmp_path.iterdir()} <= {tmp_path / "new.yaml"}


@pytest.mark.usefixtures("unchecked")
def test_python_says_what_is_near_too():
    with pytest.raises(ValueError, match=r"got 'bf61': did you mean bf16\?$"):
        jeat.Optimisation(precision="bf61")
    with pytest.raises(ValueError, match=r"linf, l1, l2, got 'cosine'$"):
        jeat.Plan("at", eps_norm="cosine")
    with pytest.raises(FileNotFoundError, match="digtis: did you mean digits"):
        jeat.load_data("digtis")


def test_what_is_like_nothing_has_no_hint(capsys):
    assert main(["xyzzy"]) == 2
    assert "unknown command 'xyzzy': commands are app, attack, " in capsys.readouterr().err


def test_all_places_cite_the_same(capsys):
    assert main(["cite"]) == 0
    printed = capsys.readouterr().out
    (shown,) = re.findall(r"```bibtex\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert printed.startswith(shown)
    assert f"version = {{{jeat.__version__}}}" in printed
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cff["version"] == jeat.__version__
    paper = cff["preferred-citation"]
    assert paper["title"] in printed
    assert str(paper["year"]) in printed
    authors = [f"{a['family-names']}, {a['given-names']}" for a in paper["authors"]]
    assert " and ".join(authors) in " ".join(printed.split())


@pytest.mark.slow
def test_a_type_checker_knows_what_a_loaded_net_keeps(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed")
    code = tmp_path / "mine.py"
    code.write_text(
        "import jeat\n"
        "net = jeat.load('cifar10-jeat')\n"
        "reveal_type(net.spec.classes)\n"
        "reveal_type(net.about['plan'])\n"
        "reveal_type(net.chain)\n"
        "reveal_type(jeat.wrap(net, (3, 32, 32), 10).spec.shape)\n"
        "net.spec.clases\n"
    )
    words = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        str(tmp_path / "cache"),
        "mine.py",
    ]
    said = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True).stdout
    kinds = ["tuple[str, ...]", "Any", "jeat.samplers._chain.Chain | None", "tuple[int, int, int]"]
    for kind in kinds:
        assert f'Revealed type is "{kind}"' in said.replace("builtins.", "")
    assert 'has no attribute "clases"' in said
    assert said.count("error:") == 1
