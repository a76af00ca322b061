"""What a command may write: nothing that is an input, or part of a run or of this package."""

import os
from pathlib import Path
from typing import Any, NoReturn

from jeat._support.files import check_not_home, expanded
from jeat._support.shipped import shipped

__all__ = ["PIXELS", "Outputs"]

PIXELS = (".png", ".webp", ".pdf")
"""Suffixes of pictures of images."""
PICTURES = (".png", ".svg", ".pdf")
_OF_RUNS = ("run.json", "manifest.json", "net.safetensors", "model.safetensors")


class Outputs:
    """Checks of a parser, before any work that could be lost."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what was wrong, and leave."""
        raise NotImplementedError

    def check_out(self, folder: str) -> None:
        """Refuse what is no name of a folder."""
        if not folder or "\0" in folder:
            self.error(f"--out must name a folder, got {folder!r}")
        check_not_home("--out", folder)
        self.check_hides_none(folder)

    def check_hides_none(self, folder: str) -> None:
        """Refuse a new folder here that would be taken for a net that comes with the package."""
        place = expanded(folder).absolute()
        if place.name in shipped() and place.parent == Path.cwd() and not place.exists():
            self.error(
                f"{folder} is the name of a net that comes with jeat, which a folder of that name "
                "would hide: name another folder"
            )

    def check_new_folder(self, folder: str) -> None:
        """Refuse a folder that holds something, or lies where nothing can be written."""
        self.check_out(folder)
        if not folder.isprintable():
            self.error(f"{folder!r} is no name of a folder to write: name another")
        place = expanded(folder).absolute()
        above = next(p for p in place.parents if p.exists())
        if place.is_file() or (place.is_dir() and any(place.iterdir())):
            self.error(f"{folder} is there and not an empty folder: name another to write")
        if not (above.is_dir() and os.access(above, os.W_OK)):
            self.error(f"{folder} cannot be written in {above}: name another")

    def check_picture(self, file: str, *inputs: Any) -> str:
        """Refuse what is no picture to write, as :meth:`check_file`; its format."""
        suffix = Path(file).suffix.lower()
        if suffix not in PICTURES:
            *most, last = PICTURES
            self.error(f"OUT must be a {', '.join(most)} or {last} file, got {file!r}")
        self.check_file(file, suffix, *inputs)
        return suffix[1:]

    def check_file(self, file: str | None, suffix: str, *inputs: Any) -> None:
        """Refuse a file to write, where one is given, before any work that could be lost.

        It is a folder, one of the inputs, part of a run, of a data set or of this package, has
        another suffix, or lies where nothing can be written.
        """
        if file is None:
            return
        if not file or "\0" in file:
            self.error(f"{file!r} is not the name of a {suffix} file")
        file = str(expanded(file))
        place = Path(file).resolve()
        names = [n for name in inputs if name for n in (str(name), str(name).rpartition("?")[0])]
        read = [expanded(name).resolve() for name in names if name]
        sets = [folder for folder in read if folder.is_dir() and not (folder / "run.json").exists()]
        if place in read or any(folder in place.parents for folder in sets):
            self.error(
                f"{file} is read by this command, or lies in a folder that is: name another file "
                "to write"
            )
        if place.name in _OF_RUNS or any(
            (p.parent / "run.json").exists() for p in place.parents if p.name == "checkpoints"
        ):
            self.error(f"{place.name} is the name of a file of a run: name another")
        if Path(__file__).resolve().parents[1] in place.parents:
            self.error(f"{file} is part of this package: name another file to write")
        if Path(file).suffix.lower() != suffix or Path(file).is_dir():
            self.error(f"{file!r} is not the name of a {suffix} file")
        folder = next(p for p in Path(file).absolute().parents if p.exists())
        if not (folder.is_dir() and os.access(folder, os.W_OK)):
            self.error(f"{file} cannot be written, {folder} is no folder to write to: name another")
