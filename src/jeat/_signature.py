"""Signatures read from source, so that ``--help`` shows them without importing torch."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from docstring_parser import parse

__all__ = ["Flag", "Signature", "constant_of", "files_of", "signature_of"]

_PACKAGE = Path(__file__).parent
_TYPES = {
    "Literal": Literal,
    "Norm": Literal["linf", "l2"],
    "GradAt": Literal["start", "clean"],
    "AttackLoss": Literal["ce", "energy"],
    "Precision": Literal["fp32", "bf16", "auto"],
}


@dataclass(frozen=True)
class Flag:
    """A keyword-only argument: its type, default and line in the docstring."""

    name: str
    type: Any
    default: Any
    help: str


@dataclass(frozen=True)
class Signature:
    """The first line of a docstring, and the keyword-only arguments it documents."""

    summary: str
    flags: tuple[Flag, ...]


def files_of(folder: str) -> list[str]:
    """The public modules of a folder of this package, by name."""
    return sorted(p.stem for p in (_PACKAGE / folder).glob("[a-z]*.py"))


def signature_of(folder: str, module: str, function: str | None = None) -> Signature:
    """The signature of a function of a module, or of the class that heads its ``__all__``."""
    body = ast.parse((_PACKAGE / folder / f"{module}.py").read_text()).body
    owner: Any
    if function is None:
        (public,) = [n.value for n in body if isinstance(n, ast.Assign) and _assigns(n, "__all__")]
        name = ast.literal_eval(public)[0]
        owner = next(node for node in body if getattr(node, "name", "") == name)
        made = [node for node in owner.body if getattr(node, "name", "") == "__init__"]
    else:
        owner = next(node for node in body if getattr(node, "name", "") == function)
        made = [owner]
    doc = parse(ast.get_docstring(owner) or "")
    helps = {p.arg_name: " ".join((p.description or "").split()) for p in doc.params}
    flags = [
        Flag(arg.arg, _evaluate(arg.annotation), _evaluate(default), helps.get(arg.arg, ""))
        for init in made
        for arg, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
    ]
    return Signature(doc.short_description or "", tuple(flags))


def constant_of(folder: str, module: str, name: str) -> Any:
    """The literal that a module assigns to ``name`` at its top, None where it does not."""
    body = ast.parse((_PACKAGE / folder / f"{module}.py").read_text()).body
    found = [n.value for n in body if isinstance(n, ast.Assign) and _assigns(n, name)]
    return ast.literal_eval(found[-1]) if found else None


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(t, ast.Name) and t.id == name for t in node.targets)


def _evaluate(node: ast.expr) -> Any:
    """An annotation or a default of our own source, made of builtins and ``_TYPES``."""
    return eval(compile(ast.Expression(node), "signature", "eval"), dict(_TYPES))
