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


def cited(thing):
    """The numbers of equations in a docstring, and in its module's, as in "Eq. 1, 14 and 18"."""
    text = (thing.__doc__ or "") + (import_module(thing.__module__).__doc__ or "")
    lists = re.findall(r"Eq\. (\d+(?:(?:,| and|, and) \d+)*)", text)
    found = {f"Eq. {n}" for numbers in lists for n in re.findall(r"\d+", numbers)}
    return found | ({"Algorithm 1"} if "Algorithm 1" in text else set())


@pytest.mark.parametrize(("equation", "code", "test"), INDEX, ids=lambda v: v.split(".")[-1])
def test_a_row_names_code_that_cites_it_and_a_test(equation, code, test):
    module, name = code.rsplit(".", 1)
    assert equation in cited(getattr(import_module(module), name))
    file, function = test.split(".")
    assert f"def {function}(" in (ROOT / f"tests/{file}.py").read_text()


def test_an_equation_is_not_cited_by_one_that_begins_alike():
    thing = type("Thing", (), {"__doc__": "As Eq. 14, 18 and 24 have it.", "__module__": "re"})
    assert cited(thing) == {"Eq. 14", "Eq. 18", "Eq. 24"}
