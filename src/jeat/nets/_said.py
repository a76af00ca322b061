"""What is said of a net beside its file: architecture, images, normalisation, classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jeat._support.checks import SettingError, is_finite, is_whole, quoted
from jeat._support.plugins import Part, name_of, settings_of
from jeat._support.words import is_decimal, is_digits

__all__ = ["SAID", "Said", "remedy_of", "said_of", "with_config"]

SAID = ("images", "classes", "mean", "std", "output")
"""What may be said of a net of whatever architecture."""


@dataclass(frozen=True)
class Said:
    """What is said; None and "" where nothing is.

    Attributes:
        name: of the architecture: ``wrn-16-2``, ``timm:NAME``, ``FILE.py:FACTORY`` and the like.
        images: (C, H, W).
        classes: names, in the order of the logits.
        mean, std: what it was trained on is (x - mean) / std of pixels in [0, 1].
        output: where its logits are in what it returns.
        settings: further ones, of the architecture.
    """

    name: str = ""
    images: tuple[int, int, int] | None = None
    classes: tuple[str, ...] | None = None
    mean: float | list[float] | None = None
    std: float | list[float] | None = None
    output: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def said_of(arch: Part | None) -> Said:
    """What a part says, such as ``"wrn-16-2"`` or ``{"name": "timm:NAME", "mean": 0.5}``.

    Raises:
        SettingError: images, classes or a normalisation that are none.
    """
    if arch is None:
        return Said()
    if not isinstance(arch, str | dict):
        raise SettingError(
            f"arch must be the name of an architecture, or a dict with its name, got {quoted(arch)}"
        )
    own = dict(settings_of(arch))
    name = "" if isinstance(arch, dict) and "name" not in arch else name_of(arch)
    images = own.pop("images", None)
    classes = own.pop("classes", None)
    return Said(
        name,
        None if images is None else _images(images),
        None if classes is None else _classes(classes),
        _numbers("mean", own.pop("mean", None)),
        _numbers("std", own.pop("std", None)),
        str(own.pop("output", "")),
        own,
    )


def remedy_of(said: Said) -> str:
    """What to do about images that a net does not take; "" where they are said."""
    return "" if said.images else "; its file does not say which: give them, as --images C H W"


def _words(value: Any) -> list[Any]:
    """One value or several, of which a text has commas between."""
    if isinstance(value, str):
        return value.split(",")
    return list(value) if isinstance(value, Sequence) else [value]


def _images(value: Any) -> tuple[int, int, int]:
    words = [int(w) if isinstance(w, str) and is_digits(w) else w for w in _words(value)]
    if len(words) == 1:
        words = [3, *words, *words]
    if len(words) != 3 or not all(is_whole(w, 1, 100_000) for w in words):
        raise SettingError(f"images are C H W, such as 3 32 32, got {quoted(value)}")
    return words[0], words[1], words[2]


def _classes(value: Any) -> tuple[str, ...]:
    words = [w.strip() if isinstance(w, str) else w for w in _words(value)]
    if len(words) == 1 and is_digits(str(words[0])) and 2 <= int(words[0]) <= 100_000:
        return tuple(map(str, range(int(words[0]))))
    names = tuple(map(str, words))
    if len(names) < 2 or len(set(names)) < len(names):
        raise SettingError(f"classes are names that differ, or a number, got {quoted(value)}")
    return names


def _numbers(name: str, value: Any) -> float | list[float] | None:
    if value is None:
        return None
    try:
        words = [_number(w) for w in _words(value)]
    except (TypeError, ValueError):
        words = []
    if not words or not all(map(is_finite, words)):
        raise SettingError(f"{name} is a number, or one a channel, got {quoted(value)}")
    return words[0] if len(words) == 1 else words


def _number(word: Any) -> float:
    if isinstance(word, str) and not is_decimal(word.strip()):
        raise ValueError(word)
    return float(word)


def with_config(said: Said, config: Mapping[str, Any], place: str) -> Said:
    """What is said, with what the ``config.json`` of a folder of the hub says.

    That of timm names a net of timm. Others hold the arguments of a class, which they do not name:
    it must be said. No config names code.

    Raises:
        ValueError: the class is not said, or the folder is of another library.
    """
    if isinstance(config.get("architecture"), str) and "pretrained_cfg" in config:
        return _of_timm(said, config)
    if "model_type" in config or "architectures" in config:
        raise ValueError(
            f"{place} holds a model of transformers: load it in a function of your own that "
            "returns jeat.wrap(net, ..., output='logits'), and name it FILE.py:FUNCTION"
        )
    if not said.name:
        raise ValueError(
            f"{place} holds the weights of a class that its config.json does not name: give yours, "
            "as --arch FILE.py:CLASS, or in Python jeat.load(..., arch='FILE.py:CLASS')"
        )
    own = {k: v for k, v in config.items() if not k.startswith("_")}
    return replace(said, settings=own | dict(said.settings))


def _of_timm(said: Said, config: Mapping[str, Any]) -> Said:
    """What timm's own config says, where nothing else is."""
    how = dict(config["pretrained_cfg"])
    kept: Any = config.get("model_args") or {}
    names = config.get("label_names") or how.get("label_names") or config.get("num_classes")
    base = said_of(
        {k: v for k, v in {
            "name": f"timm:{config['architecture'].partition('.')[0]}",
            "images": how.get("input_size"), "classes": names,
            "mean": how.get("mean"), "std": how.get("std"),
        }.items() if v}
    )  # fmt: skip
    return Said(
        said.name or base.name, said.images or base.images, said.classes or base.classes,
        base.mean if said.mean is None else said.mean, base.std if said.std is None else said.std,
        said.output, {**dict(kept), **said.settings},
    )  # fmt: skip
