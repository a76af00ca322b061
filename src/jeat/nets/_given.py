"""What :func:`jeat.wrap` is given: looked at at the door."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram
from torch.nn.parameter import is_lazy

from jeat._support.checks import SettingError, is_whole, quoted
from jeat.nets._layers import PerChannel

__all__ = ["check_has_weights", "check_how", "classes_of", "plain_numbers", "shape_of", "why_not"]


def shape_of(images: object) -> tuple[int, int, int]:
    """(C, H, W) of images.

    Raises:
        SettingError: they are no three whole numbers.
    """
    shape = tuple(images) if isinstance(images, Sequence | np.ndarray) else ()
    if len(shape) != 3 or not all(is_whole(n, 1) for n in shape):
        raise SettingError(f"images are (C, H, W), such as (3, 32, 48), got {quoted(images)}")
    return int(shape[0]), int(shape[1]), int(shape[2])


def classes_of(classes: Any) -> tuple[str, ...]:
    """Names of classes; of a number of them 0, 1, ...

    Raises:
        SettingError: they are neither.
    """
    if is_whole(classes, 0):
        return tuple(map(str, range(int(classes))))
    if isinstance(classes, str | bytes) or not isinstance(classes, Iterable):
        raise SettingError(
            f"classes are names, such as ['cat', 'dog'], or how many, got {quoted(classes)}"
        )
    return tuple(map(str, classes))


def plain_numbers(name: str, value: Any) -> PerChannel:
    """A number, or a list of numbers, of whatever holds them.

    Raises:
        SettingError: it holds none.
    """
    try:
        values = torch.as_tensor(value, dtype=torch.float64).flatten().tolist()
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingError(f"{name} is a number, or one a channel, got {quoted(value)}") from error
    return float(values[0]) if len(values) == 1 else values


def check_how(output: object, prepare: object) -> None:
    """Check what says how images go in and logits come out.

    Raises:
        SettingError: ``output`` is no text, or ``prepare`` no function.
    """
    if not isinstance(output, str):
        raise SettingError(f"output is a text, such as 'logits' or '1', got {quoted(output)}")
    if prepare is not None and not callable(prepare):
        raise SettingError(
            f"prepare is a function of images, such as lambda x: 255 * x, got {quoted(prepare)}"
        )


def why_not(net: object) -> str:
    """Why something is no net, and what would be one."""
    if isinstance(net, type):
        return f"the class {net.__name__}: give a net of it, as {net.__name__}(...)"
    if isinstance(net, dict):
        return "a dict without 'name': load a state dict into its module, and give that"
    if isinstance(net, ExportedProgram):
        return "a program of torch.export: give its .module()"
    said = f"a {type(net).__name__}"
    return f"{said}: call it in the forward of a module" if callable(net) else said


def check_has_weights(net: nn.Module) -> None:
    """Check that the weights of a module are numbers.

    Raises:
        SettingError: they get their size later, or are on the device meta.
    """
    held = (*net.parameters(), *net.buffers())
    if any(map(is_lazy, held)):
        raise SettingError(
            "the net has weights that get their size later (nn.Lazy...): run it once on images of "
            "its size, or give their sizes"
        )
    if any(t.is_meta for t in held):
        raise SettingError(
            "the net's weights are on the device meta, and have no numbers: make it on another "
            "one, or load its weights with assign=True"
        )
