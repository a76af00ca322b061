"""Code of the user's own: what ``$JEAT_PLUGINS`` has imported, and where an error of it arose."""

import os
from importlib import import_module
from pathlib import Path

from jeat._support.brought import brought, look_here
from jeat._support.checks import SettingError
from jeat._support.files import expanded
from jeat._support.plugins import NAMED

__all__ = ["import_plugins", "is_named", "place_in_own_code"]


def import_plugins() -> None:
    """Import the modules that ``$JEAT_PLUGINS`` names, so that files of their nets can be loaded.

    Raises:
        SettingError: one cannot be imported.
    """
    for module in filter(None, os.environ.get("JEAT_PLUGINS", "").split(",")):
        look_here()
        try:
            import_module(module)
        except Exception as error:  # whatever one's own module raises
            kind = type(error).__name__
            raise SettingError(f"JEAT_PLUGINS names {module!r}, but: {kind}: {error}") from error
        NAMED.add(module)


def is_named(name: str) -> bool:
    """Whether the user named the file of ``FILE.py:NAME``, so that its code may be run."""
    return str(expanded(name.rpartition(":")[0]).resolve()) in NAMED


def place_in_own_code(error: BaseException) -> str | None:
    """File and line, of the user's own parts or a plugin's, in which an error was raised or passed.

    ``None`` where it was in none of them.
    """
    own = NAMED | {b.value.partition(":")[0] for b in brought()}
    packages = {name.rpartition(".")[0] for name in own} - {""}
    found, traceback = None, error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        name = str(frame.f_globals.get("__name__"))
        if name in own or name.rpartition(".")[0] in packages:
            found = f"{Path(frame.f_code.co_filename).name}, line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    return found
