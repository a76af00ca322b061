"""What docs/your-net.md shows works as it stands, shortened to a few iterations."""

import re
import shlex
from pathlib import Path

import pytest

from jeat.cli import main

PAGE = (Path(__file__).parents[1] / "docs/your-net.md").read_text()
pytestmark = [pytest.mark.usefixtures("unchecked"), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def part(title):
    (found,) = [p for p in re.split(r"^## ", PAGE, flags=re.MULTILINE) if p.startswith(title)]
    return found


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def run(text):
    """The commands of a part, each for a moment."""
    (commands,) = blocks(text, "bash")
    for line in commands.splitlines():
        line = re.sub(r"--epochs \S+", "--epochs 0.05 --evaluate_images 4", line)
        line = re.sub(r"(-n|--steps) \d+", r"\1 2", line)
        assert main(shlex.split(line)[1:]) == 0, line


def test_modules_of_ones_own_from_python():
    first, second = blocks(part("In Python"), "python")
    exec(first + second.replace("epochs=1", "epochs=0.1"), {})


def test_a_net_of_timm_is_trained():
    text = part("Train a net of timm")
    Path("vit.yaml").write_text(blocks(text, "yaml")[0])
    run(text)
    assert Path("vit.png").stat().st_size > 0


def test_a_robust_net_of_another_project_is_taken():
    text = part("Take a robust net")
    exec(blocks(text, "python")[0].replace("epochs=1", "epochs=0.05"), {})
    run(text)
    assert Path("robust.png").stat().st_size > 0
