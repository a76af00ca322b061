"""Shapes and types are checked in every test, and randomness starts from one seed."""

import hypothesis
import jaxtyping
import pytest
import torch

CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"  # 1 is a float
jaxtyping.install_import_hook("jeat", CHECKER)  # before jeat is first imported

from jeat.data import load_data  # noqa: E402
from jeat.nets import Spec, build  # noqa: E402

hypothesis.settings.register_profile("same", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("same")

DIGITS = load_data("digits")


LONG = {
    f"test_{name}"
    for name in (
        "bad_input", "crash", "ended", "kinds_of_nets", "pages", "parallel", "readme", "recipes",
        "recovery", "run", "shards", "toys", "values", "workers",
    )
}  # fmt: skip
"""Files that take a minute come first, so that no process is left alone with one at the end."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.stem not in LONG)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def unchecked():
    """What a user meets, who has no type checker: the library's own errors."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def net():
    """A piecewise linear net on digits, in train mode."""
    return build(Spec("convnet-4", 1, 8, DIGITS.classes))


@pytest.fixture
def smooth_net():
    """A SiLU net on digits, in train mode."""
    return build(Spec("convnet-4", 1, 8, DIGITS.classes, activation="silu"))


@pytest.fixture
def digits():
    """Sixteen digits (16, 1, 8, 8) in [0, 1] and their labels."""
    return DIGITS.test.floats(16)
