"""Flags that several commands share."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import jsonargparse

from jeat._support.reading import reading_of
from jeat._support.signatures import signature_of
from jeat._support.words import joined
from jeat.cli._parser import Parser

__all__ = [
    "NET", "READING", "add_arch", "add_nets", "add_reading", "add_subject", "check_once",
    "data_named", "short_names", "with_arch",
]  # fmt: skip

READING = {
    "size": "bring images to this size: 32, or HEIGHTxWIDTH, such as 32x48; they are scaled until "
    "they cover it, then cut at the centre",
    "label": "column of labels, where a table has several",
    "background": "colour behind transparent pixels: white, black (the default) or #rrggbb",
    "labels_per_class": "train on this many labelled images of each class, the same ones every "
    "time",
    "validation": "hold out the last so many training images, of each class in its share, and test "
    "on them in the place of the test images: for choosing settings",
}
"""Flags that say how a data set is read, and their help."""

NET = (
    "run directory, checkpoint (of another project, too), shipped name, hub id, timm:NAME, "
    "torchvision:NAME, or code of your own, which is run: FILE.py:FUNCTION, package.module:function"
)
_ARCH = "arch"
_SHORT = ("images", "classes", "mean", "std", "output")


def add_subject(parser: Parser, words: Sequence[str], *, several: bool = False) -> None:
    """Flags that say which net, or which ``several`` of them, and which images."""
    if several:
        parser.add_argument("nets", type=str, nargs="+", metavar="NET", help=NET)
    else:
        parser.add_argument("net", type=str, help=NET)
    parser.add_argument(
        "--data", type=str | None, default=None, help="data set; by default the net's own"
    )
    add_reading(parser)
    parser.add_argument(
        "-n", "--number", type=int, default=1000, help="number of test images, spread evenly"
    )
    parser.add_argument("--seed", type=int, default=0, help="of attacks and probes")
    add_arch(parser, words)


def add_arch(parser: Parser, words: Sequence[str]) -> None:
    """``--arch`` and what else a checkpoint of another project does not say of its net."""
    chosen = parser.chosen(words, _ARCH, "")
    parser.add_argument(
        f"--{_ARCH}.name", type=str | None, default=None,
        help="what a checkpoint of another project is of: wrn-16-2, timm:NAME, torchvision:NAME, "
        "or code of your own that makes the module, which is run: FILE.py:FUNCTION; with settings, "
        "as --arch.SETTING",
    )  # fmt: skip
    parser.add_short(_ARCH, f"{_ARCH}.name")
    helps = {
        "images": "C H W of its images, where its file does not say",
        "classes": "names of its classes, in the order of its logits, or how many they are",
        "mean": "of the pixels in [0, 1] that it was trained on, one number or one a channel",
        "std": "of these pixels",
        "output": "where its logits are in what it returns: an attribute, a key or a position",
    }
    for name, said in helps.items():
        several: dict[str, Any] = {} if name == "output" else {"nargs": "+"}
        kind = {"images": int, "mean": float, "std": float}.get(name, str)
        parser.add_argument(f"--{_ARCH}.{name}", type=kind, help=said, **several)
        parser.add_short(name, f"{_ARCH}.{name}")
    if chosen and ":" not in chosen:
        flags = signature_of("nets", chosen.partition("-")[0], "net").flags
        own = [flag for flag in flags if flag.name not in _SHORT]
        for flag in own:
            parser.add_argument(f"--{_ARCH}.{flag.name}", type=flag.type, help=flag.help)
        return
    for name in parser.of_group(words, _ARCH):  # of a library, or of code of one's own
        if name not in ("name", *_SHORT):
            parser.add_argument(f"--{_ARCH}.{name}", type=Any, help="of the architecture")


def with_arch(name: str, args: jsonargparse.Namespace) -> str:
    """The name of a net with what flags say of it: ``FILE?arch=NAME&SETTING=VALUE``."""
    said = {k: v for k, v in vars(args[_ARCH]).items() if v is not None}
    return joined(name, {k: _one(v) for k, v in said.items()})


def _one(value: Any) -> Any:
    """A value, where it is alone in a list."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def add_nets(parser: Parser) -> None:
    """Nets that are shown side by side, the picture, and the data."""
    parser.add_argument(
        "nets", type=str, nargs="+", help="run directories, checkpoints, shipped names or hub ids"
    )
    parser.add_argument("out", type=str, help="picture to write: .png, .svg or .pdf")
    parser.add_argument(
        "--data", type=str | None, default=None, help="data set; by default that of the first net"
    )
    add_reading(parser)


def add_reading(parser: Parser) -> None:
    """Flags that say how the data set is read."""
    for name, help in READING.items():
        words = {"size": int | str | None, "label": str | None, "background": str | None}
        kind = words.get(name, int | None)
        parser.add_argument(f"--{name}", type=kind, default=None, help=help)


def data_named(
    parser: Parser, args: jsonargparse.Namespace, *, also_of: Collection[str] = ()
) -> str | None:
    """The whole name of the data set of ``--data`` and the flags that say how it is read.

    None is the net's own data set, whose name says how it was read when the net was trained. Flags
    ``also_of`` other images of the command may be given all the same.
    """
    given = {name: args[name] for name in READING if args[name] is not None}
    if args.data is None:
        if odd := given.keys() - {*also_of}:
            parser.error(
                f"--{min(odd)} goes with --data: the net's own data are read as in training"
            )
        return None
    source, how = reading_of(args.data, **given)
    return how.of(source)


def check_once(parser: Parser, what: str, names: Sequence[str]) -> None:
    """Refuse a net or run that is named twice, in whatever words, such as ``at`` and ``./at``."""
    if len(names) > 1:
        from jeat.nets.places import named_twice

        if twice := named_twice(names):
            parser.error(f"{what} is named twice, as {' and '.join(dict.fromkeys(twice))}")


def short_names(nets: Sequence[str]) -> list[str]:
    """The names of the run folders or files, or the whole paths where two are alike."""
    paths = [Path(net) if Path(net).name not in ("", "..") else Path(net).resolve() for net in nets]
    names = [path.name.removesuffix(".safetensors") for path in paths]
    return names if len(set(names)) == len(names) else list(nets)
