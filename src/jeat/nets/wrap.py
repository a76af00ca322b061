"""Any classifier as a net of this package: one that one already has, or of another library."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from jeat._support.checks import SettingError
from jeat._support.libraries import LIBRARIES
from jeat._support.own_code import is_named
from jeat._support.passes import bare, meant
from jeat._support.plugins import Part, check_named_by_file, name_of
from jeat.nets._given import (
    check_has_weights,
    check_how,
    classes_of,
    plain_numbers,
    shape_of,
    why_not,
)
from jeat.nets._layers import Normalize, PerChannel, Size
from jeat.nets._modules import chosen, made, name_alike
from jeat.nets._noise import check_logits_of
from jeat.nets._typed import LoadedNet
from jeat.nets.modes import to_eval
from jeat.nets.spec import Spec, build

__all__ = [
    "NAME",
    "Net",
    "NoModuleError",
    "OtherNetError",
    "around",
    "check_has_weights",
    "finished",
    "wrap",
]

NAME = "wrap"
holds_modules = True


class NoModuleError(ValueError):
    """A file whose module must be given, as it cannot make it."""


class OtherNetError(ValueError):
    """Weights that are not those of a net."""


class Net(nn.Module):
    """wrap: a module that maps images to logits, of another library or of one's own.

    Its images are in [0, 1]; they are normalised, and cast to the module's dtype, on their way in.

    Args:
        make: ``timm:NAME``, ``torchvision:NAME``, ``pytorchcv:NAME``; or ``FILE.py:FACTORY`` or
            ``package.module:factory`` of one's own, which returns the module, and is given
            ``channels``, ``size`` and ``classes`` where it takes them; with arguments as
            ``{"name": ..., ARGUMENT: VALUE}``. "" is a module that was given to :func:`jeat.wrap`,
            which no file can make again.
        output: where the logits are in what the module returns: an attribute, a key or a position;
            "" is the whole of it, or its ``logits``.
        channels, size: images are (channels, H, W); size is one side or (H, W).
        classes: number of logits.
        mean, std: what the module was trained on is (x - mean) / std; a number, or one a channel.

    Raises:
        ValueError: there is no such module, or it cannot be made so.
    """

    casts_images = True

    def __init__(
        self,
        *,
        channels: int = 3,
        size: Size = 32,
        classes: int = 10,
        make: Part = "",
        output: str = "",
        mean: PerChannel = 0.0,
        std: PerChannel = 1.0,
    ) -> None:
        super().__init__()
        self.first = Normalize(mean, std, channels)
        self.net = made(make, channels, size, classes)
        self.output = output
        self.prepare: Callable[[Tensor], Tensor] | None = None
        name_alike(self)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images in [0, 1] -> logits."""
        x = self.first(x if self.prepare is None else self.prepare(x))
        weight = next(self.net.parameters(), x)
        if weight.is_floating_point() and not torch.is_autocast_enabled(x.device.type):
            x = x.to(weight.dtype)
        try:
            found = self.net(x)
        except AssertionError as error:  # as nets of libraries look at their images
            if said := meant(error):
                raise ValueError(said) from error
            shape = tuple(x.shape[1:])
            raise ValueError(
                f"the module does not take images of {shape}: {error}; where it is made for one "
                "size, that is a setting, such as {name: timm:NAME, img_size: 32}"
            ) from error
        return chosen(found, self.output)

    @staticmethod
    def check_named_by_file(settings: Mapping[str, Any]) -> None:
        """Refuse a module that a file names, where that would have code of others run.

        Raises:
            NoModuleError: its module was given, or is made by a file of code.
            SettingError: it is made by a module that is not imported.
        """
        name = name_of(settings["make"])
        if not name:
            raise NoModuleError(
                "its module was given, and no file can make it again: give it, as --arch "
                "FILE.py:FACTORY, or in Python jeat.load(..., net=MODULE)"
            )
        if ".py:" in name:
            if is_named(name):
                return
            raise NoModuleError(
                f"its module is made by {name}, code that no file may have run: give it, as --arch "
                f"{name}, or in Python jeat.load(..., arch={name!r})"
            )
        if name.partition(":")[0] not in LIBRARIES:
            check_named_by_file(name, "net", called=True)


def wrap(
    net: nn.Module | Part,
    images: Sequence[int],
    classes: Sequence[str] | int | np.integer[Any],
    *,
    mean: PerChannel = 0.0,
    std: PerChannel = 1.0,
    output: str = "",
    prepare: Callable[[Tensor], Tensor] | None = None,
) -> LoadedNet:
    """``net`` as every function of this package takes it: images in [0, 1] to logits, in fp32.

    Args:
        net: a module in whatever mode and dtype; or the name of what makes one, ``timm:NAME``,
            ``torchvision:NAME`` or ``package.module:function``, so that its file can be loaded
            again by name; with arguments as ``{"name": ..., ARGUMENT: VALUE}``.
        images: (C, H, W) of the images it takes.
        classes: names, in the order of the logits; or how many, named 0, 1, ...
        mean, std: what it was trained on is (x - mean) / std of pixels in [0, 1]; a number, or one
            a channel.
        output: where its logits are in what it returns: an attribute, a key or a position; "" is
            the whole of it, or its ``logits``.
        prepare: images in [0, 1] to what is normalised, such as ``lambda x: 255 * x``; no file
            keeps it.

    Returns:
        A net in eval mode with a ``spec``.

    Raises:
        SettingError: an argument of another kind than these.
        ValueError: images that it does not take, or something else than a finite logit a class.

    Warns:
        DoubtWarning: its outputs look like probabilities or their logarithms, which are no logits,
            are random, or depend on the other images of a batch.
    """
    channels, *size = shape_of(images)
    check_how(output, prepare)
    own = {"mean": plain_numbers("mean", mean), "std": plain_numbers("std", std), "output": output}
    spec = Spec(NAME, channels, size, classes_of(classes), own)
    if isinstance(net, str) or (isinstance(net, dict) and "name" in net):
        wrapped: Any = build(Spec(NAME, channels, size, spec.classes, own | {"make": net}))
    elif isinstance(bare(net) if isinstance(net, nn.Module) else None, Net):
        raise SettingError(
            "wrap was given a net of jeat.wrap: use it as it stands, or wrap its module, net.net"
        )
    elif isinstance(net, nn.Module):
        wrapped = around(net, spec)
    else:
        raise SettingError(f"wrap takes a torch.nn.Module or a name, got {why_not(net)}")
    wrapped.prepare = prepare
    return finished(wrapped)


def finished(net: Any) -> LoadedNet:
    """A net in eval mode that keeps nothing of a run, once what it gives is looked at.

    Raises:
        ValueError: as :func:`check_logits_of`.
    """
    net.start = net.chain = None
    net.about = {}
    to_eval(net)
    check_logits_of(net)
    whole: LoadedNet = net
    return whole


def around(net: nn.Module, spec: Spec) -> nn.Module:
    """The net of a spec of this file, around a module that is given; what the spec names is not
    made. Of a net of :func:`wrap` it is the module in it, and its ``prepare``.

    Raises:
        SettingError: a spec of another architecture, or a module whose weights have no numbers yet.
    """
    if spec.name != NAME:
        raise SettingError(f"a {spec.name} takes no module: leave net and arch out")
    check_has_weights(net)
    own, make = dict(spec.settings), spec.settings.get("make", "")
    images = spec.channels, spec.size
    made: Any = build(Spec(NAME, *images, spec.classes, own | {"make": ""}))
    inner = bare(net)
    again = isinstance(inner, Net) and not make
    made.net, made.prepare = (inner.net, inner.prepare) if again else (net, None)
    made.spec = Spec(NAME, *images, spec.classes, dict(made.spec.settings) | {"make": make})
    whole: nn.Module = made
    return whole
