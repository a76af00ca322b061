"""What a part's file says in its text, which is read without running it."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

from jeat._support.checks import SettingError

__all__ = ["assigned", "defines", "literal"]

_KINDS: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "limits": ("a dict of numbers", dict),
    "recovery": ("a dict of words", dict),
    "smallest": ("a dict of settings", dict),
    "needs": ("a tuple of words, with a comma", (tuple, list)),
    "needs_either": ("a tuple of words, with a comma", (tuple, list)),
    "remedies": ("a tuple of words, with a comma", (tuple, list)),
    "suffixes": ("a tuple of words, with a comma", (tuple, list)),
    "step": ("a name, or a dict with one", (str, dict)),
    "passes": ("a whole number", int),
}


def literal(file: Path, constant: str, *, of: str) -> Any:
    """The literal that a file assigns to ``constant``, None where it does not.

    Raises:
        SettingError: it is none, or not of its kind; the part ``of`` which it is, is named.
    """
    if (node := assigned(file, constant)) is None:
        return None
    kind, types = _KINDS.get(constant, ("text or a number", (str, int, float)))
    try:
        found = ast.literal_eval(node)
    except ValueError:
        found = node
    if found is not None and not isinstance(found, types):
        raise SettingError(
            f"{constant} of {of} must be {kind}, written out, as {file.name} is read and not run: "
            f"line {node.lineno} assigns {ast.unparse(node)}"
        )
    return found


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def defines(file: Path, name: str) -> bool:
    """Whether a file defines a function or class of that name at its top."""
    return any(getattr(node, "name", "") == name for node in _tree(file).body)


def assigned(file: Path, name: str) -> ast.expr | None:
    """What a file assigns to ``name`` at its top, at last."""
    found = None
    for node in _tree(file).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(t, ast.Name) and t.id == name for t in targets):
                found = node.value or found
    return found
