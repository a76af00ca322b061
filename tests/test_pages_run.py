"""Every command of every page is run in order, on small nets and few images; minutes in all.

What a page takes to be there is made by fixtures. ``LEFT`` and ``PAGES_LEFT`` say what is not run
here, and why.
"""

import io
import os
import re
import shlex
import shutil
import tarfile
from itertools import takewhile
from pathlib import Path

import pytest
import torch
from PIL import Image

import jeat
from jeat._support.checks import SettingError
from jeat.cli import main
from jeat.exports._runtime import runtime
from jeat.nets import Spec, build

from . import foreign_nets
from .test_pages import INLINE, PAGES, SHELL, of_another_project, write_files_of_pages

pytestmark = [
    pytest.mark.slow, pytest.mark.usefixtures("unchecked"), pytest.mark.filterwarnings("ignore"),
]  # fmt: skip
EXTRAS = ("matplotlib", "optuna", "tensorboard", "timm", "onnxruntime", "onnxscript", "av")

PAGES_LEFT = {
    "hour.md": "test_readme.py runs it at full length",
    "your-data.md": "test_data_command.py compares what it prints",
}
LEFT = {
    r"^(make|pip|python3|npm|\.) ": "sets up a place to work in",
    r" --(nnodes|num_machines) ": "needs several machines",
    r"^jeat app": "is a server: test_app.py and test_app_browser.py use it",
    r"vit\.yaml|runs/vit|robust\.pt": "test_your_net.py runs it, after what makes its files",
    r"--from IMAGE$": "is followed by the flags that it needs, in words",
    r"^jeat [a-z]+ --(metrics|out|samples)$": "is a flag, and no whole command",
}
LAST = {
    r"sample (?!.*--from)": "-n 1 --steps 1",
    "train": "--epochs 0.001 --evaluate_images 10",
    "sweep": "--epochs 0.1 --evaluate_images 10",
    "attack": "-n 4 --steps 1",
    "measure": "-n 10",
    r"measure .*timm:": "--metrics accuracy",
    r"measure .*auto_attack": "-n 2",
    r"measure .*hop_skip_jump": "--hop_skip_jump.images 2",
    "curve": "-n 4 --steps 1",
    "landscape": "--points 3",
    "reproduce": "--dry_run",  # test_recipes.py carries one out
}
"""Words that make a command small: of a flag that is given twice the last one counts."""

INSTEAD = {
    r"^torchrun .*-m -- jeat": "jeat",
    "^(jeat train .*--init runs/(at|normal) .*)": r"\1 --activation silu",  # as that of `runs`
    "--epochs 30$": "--epochs 0.6",  # of a run that is finished at 0.3
    "--search 20": "--search 2",
    "wrn-(28-10|16-2)": "wrn-10-1",
    "uoft-cs/cifar100": "uoft-cs/cifar10",
    r"FILE\.py:FACTORY": "own.py:digits",
    "METHOD": "at",
    "--samples FOLDER": "--samples other/images",
    "JUDGE": "runs/judge",
    "--out (RUN|FOLDER)": "--out runs/jeat",
    r"NET OUT\.png": "cifar10-jeat drawn.png",
    r"\bNET\b(?=.*--outside)": "cifar10-normal",  # whose images are those of the other data set
    r"\bNET\b": "runs/jeat",
    "IMAGE": "pets/owl/0.png",
}
"""What stands for the words of pages that name something, or that take hours."""

OWN = """from torch import nn

def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3))

def digits():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""


def of_timm():
    import timm

    return timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=4, num_classes=10)


NET_PT = {
    "wrn-16-2": lambda: build(Spec("wrn-10-1", 3, 32, tuple("0123456789"), norm="batch")),
    "timm:vit": of_timm,
    "own.py:net": lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 3)),
}
"""The module whose weights lie in net.pt, by what a command says of it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs, images, nets of other projects and files: what pages take to be there."""
    for extra in EXTRAS:
        pytest.importorskip(extra)
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(place)
        write_files_of_pages()
        for file in Path().glob("*.yaml"):
            file.write_text(shorter(file.read_text()))
        make_runs()
        make_nets()
        make_images()
        if not lacking("jeat export NET page.html"):
            with tarfile.open("onnxruntime-web-1.30.0.tgz", "w") as archive:
                for name, held in runtime().items():
                    info = tarfile.TarInfo(f"package/dist/{name}")
                    info.size = len(held)
                    archive.addfile(info, io.BytesIO(held))
    return place


def make_runs():
    o = jeat.Optimisation(epochs=0.3, evaluate_images=20)
    chains = {"steps": 2, "buffer_size": 300}
    plans = {
        "jeat": jeat.Plan("jeat", activation="silu", objective=chains, optimisation=o),
        "at": jeat.Plan("at", activation="silu", optimisation=o),
        "normal": jeat.Plan("normal", activation="silu", optimisation=o),
        "judge": jeat.Plan("normal", net="convnet-8", optimisation=o),
    }
    for name, plan in plans.items():
        for _ in jeat.fit(plan, f"runs/{name}"):
            pass
    Path("own.py").write_text(OWN)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    for _ in jeat.fit(jeat.Plan("normal", optimisation=o), "runs/mine", net=module):
        pass


def make_nets():
    of_another_project()
    jem = foreign_nets.JEM(10, 1).state_dict()
    buffer = torch.rand(40, 3, 32, 32) * 2 - 1
    torch.save({"model_state_dict": jem, "replay_buffer": buffer}, "CIFAR10_MODEL.pt")
    torch.save(foreign_nets.Trades(10, 1).state_dict(), "Carmon2019Unlabeled.pt")


def make_images():
    """Digits as files, and noise of three classes."""
    x, y = jeat.load_data("digits").test.floats(100)
    folders = {"other/images": (x, y), "pets": (torch.rand(30, 3, 32, 32), torch.arange(30) % 3)}
    for folder, (images, labels) in folders.items():
        names = ("cat", "dog", "owl") if folder == "pets" else tuple("0123456789")
        for k, name in enumerate(names):
            Path(folder, name).mkdir(parents=True)
            for i, image in enumerate(images[labels == k]):
                pixels = (255 * image).byte().permute(1, 2, 0).squeeze(-1).numpy()
                Image.fromarray(pixels).save(Path(folder, name, f"{i}.png"))


@pytest.fixture
def _here(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(tmp_path / "here")


def lacking(command):
    """What a command needs that is not here; "" where nothing is."""
    needs = (
        r"--(data|config|outside) \S*cifar|--from test:|/cifar-|(attack|curve|landscape) cifar10-"
    )
    if re.search(needs, command) and not os.environ.get("JEAT_DATA"):
        return "$JEAT_DATA names no folder of cifar10"
    if re.search(r"export .*\.html", command):
        try:
            runtime()
        except SettingError as error:
            return str(error)
    return ""


def made_by(words):
    """The file or folder that a command writes; None where it writes none."""
    if "--out" in words:
        return Path(words[words.index("--out") + 1])
    given = [*takewhile(lambda word: not word.startswith("-"), words[1:])]
    draws = words[0] in ("sample", "export", "landscape", "curve", "plot")
    return Path(given[-1]) if draws and given else None


def shorter(text):
    for long, short in INSTEAD.items():
        text = re.sub(long, short, text)
    return text


def run(command):
    """Run it, shortened, and see that it leaves what it names."""
    for pattern, module in NET_PT.items():
        if f"net.pt --arch {pattern}" in command:
            torch.save(module().state_dict(), "net.pt")
    words = shlex.split(shorter(command))[1:]
    goes_on, tells = "--resume" in words, {"--help", "--dry-run"} & {*words}
    if not (goes_on or tells):
        small = [more for start, more in LAST.items() if re.match(start, " ".join(words))]
        words += shlex.split(" ".join(small))
    out = None if tells or "--dry_run" in words else made_by(words)
    if out and out.is_dir() and not goes_on:
        shutil.rmtree(out)
    elif out and not goes_on:
        out.unlink(missing_ok=True)
    try:
        status = main(words)
    except SystemExit as left:  # of --help
        status = left.code
    assert status == 0, words
    assert out is None or out.exists(), words


def run_all(commands):
    """Those that are run here, in order; skip, saying why, if some lack what they need."""
    wanted = [c for c in commands if not any(re.search(pattern, c) for pattern in LEFT)]
    for command in wanted:
        if not lacking(command):
            run(command)
    if lack := {*map(lacking, wanted)} - {""}:
        pytest.skip(f"all but some commands were run: {'; '.join(lack)}")


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page in dict(SHELL) and page.name not in PAGES_LEFT],
    ids=lambda page: page.name,
)
def test_the_commands_of_a_page_run_from_top_to_bottom(page):
    run_all(command for shown_on, command in SHELL if shown_on == page)


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("command", INLINE)
def test_the_commands_within_sentences_run(command):
    run_all([command])


def test_what_is_left_out_is_on_a_page():
    everything = [*INLINE, *(command for _, command in SHELL)]
    for pattern in (*LEFT, *INSTEAD):
        assert any(re.search(pattern, command) for command in everything), pattern
    assert {*PAGES_LEFT} <= {page.name for page, _ in SHELL}
