"""The equation index of the docs names what is there."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "docs/equations.md").read_text().splitlines()
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in LINES if line.startswith("|")]
INDEX = [(row[0], row[-2].strip("`"), row[-1].strip("`")) for row in ROWS[2:]]


def test_every_equation_has_a_row():
    named = {equation for equation, *_ in INDEX}
    assert named == {f"Eq. {n}" for n in range(1, 25)} | {"Algorithm 1"}


@pytest.mark.parametrize(("equation", "code", "test"), INDEX, ids=lambda v: v.split(".")[-1])
def test_a_row_names_code_that_cites_it_and_a_test(equation, code, test):
    module, name = code.rsplit(".", 1)
    thing = getattr(import_module(module), name)
    cited = (thing.__doc__ or "") + (import_module(thing.__module__).__doc__ or "")
    number = equation.removeprefix("Eq. ")
    lists = re.findall(r"Eq\. ([\d, -]+)", cited)
    spans = [tuple(map(int, re.findall(r"\d+", part))) for li in lists for part in li.split(",")]
    assert equation in cited or any(s and s[0] <= int(number) <= s[-1] for s in spans), cited
    file, function = test.split(".")
    assert f"def {function}(" in (ROOT / f"tests/{file}.py").read_text()
