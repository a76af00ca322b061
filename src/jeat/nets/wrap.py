"""Any classifier as a net of this package: one that one already has, or of another library."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jeat._support.checks import DoubtWarning, SettingError
from jeat._support.plugins import Part, check_named_by_file, name_of
from jeat._support.tensors import check_logits
from jeat.nets._layers import Normalize, PerChannel, Size
from jeat.nets._modules import LIBRARIES, chosen, made
from jeat.nets.modes import evaluating
from jeat.nets.spec import Spec, build

__all__ = ["Net", "around", "wrap"]

NAME = "wrap"


class Net(nn.Module):
    """wrap: a module that maps images to logits, of another library or of one's own.

    Its images are in [0, 1]; they are normalised, and cast to the module's dtype, on their way in.

    Args:
        make: ``timm:NAME``, ``torchvision:NAME``, or ``package.module:function`` of one's own that
            returns the module; with arguments as ``{"name": ..., ARGUMENT: VALUE}``. "" is a module
            that was given to :func:`jeat.wrap`, which no file can make again.
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
        self.net = made(make, channels, classes)
        self.output = output
        self.prepare: Callable[[Tensor], Tensor] | None = None

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images in [0, 1] -> logits."""
        x = self.first(x if self.prepare is None else self.prepare(x))
        weight = next(self.net.parameters(), x)
        if weight.is_floating_point() and not torch.is_autocast_enabled(x.device.type):
            x = x.to(weight.dtype)
        return chosen(self.net(x), self.output)

    @staticmethod
    def check_named_by_file(settings: Mapping[str, Any]) -> None:
        """Refuse a module that a file names, where that would have code of others run.

        Raises:
            SettingError: it would, or the file cannot say what made it.
        """
        name = name_of(settings["make"])
        if not name:
            raise SettingError(
                "its module was given to jeat.wrap, and no file can make it again: load its "
                "weights by jeat.load(file, net=MODULE)"
            )
        if name.partition(":")[0] not in LIBRARIES:
            check_named_by_file(name, "net", called=True)


def wrap(
    net: nn.Module | str,
    images: Sequence[int],
    classes: Sequence[str] | int,
    *,
    mean: PerChannel = 0.0,
    std: PerChannel = 1.0,
    output: str = "",
    prepare: Callable[[Tensor], Tensor] | None = None,
) -> nn.Module:
    """``net`` as every function of this package takes it: images in [0, 1] to logits, in fp32.

    Args:
        net: a module in whatever mode and dtype; or the name of what makes one, ``timm:NAME``,
            ``torchvision:NAME`` or ``package.module:function``, so that its file can be loaded
            again by name.
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
        ValueError: images that it does not take, or something else than a finite logit a class.

    Warns:
        DoubtWarning: its outputs look like probabilities, which are no logits.
    """
    shape = tuple(images)
    if len(shape) != 3:
        raise SettingError(f"images are (C, H, W), such as (3, 32, 48), got {shape}")
    channels, size = shape[0], shape[1:]
    names = tuple(map(str, range(classes))) if isinstance(classes, int) else tuple(classes)
    own: dict[str, Any] = {"mean": _plain(mean), "std": _plain(std), "output": output}
    if isinstance(net, str):
        wrapped: Any = build(Spec(NAME, channels, size, names, own | {"make": net}))
    elif isinstance(net, nn.Module):
        wrapped = around(net, Spec(NAME, channels, size, names, own))
    else:
        raise SettingError(f"wrap takes a torch.nn.Module or a name, got a {type(net).__name__}")
    wrapped.prepare = prepare
    wrapped.start = wrapped.chain = None
    wrapped.about = {}
    whole: nn.Module = wrapped.eval()
    _check(whole, shape, len(names))
    return whole


def around(net: nn.Module, spec: Spec) -> nn.Module:
    """The net of a spec of this file, around a module that is given.

    Raises:
        SettingError: a spec of another architecture.
    """
    if spec.name != NAME:
        raise SettingError(f"a {spec.name} takes no module: leave net= out")
    made: Any = build(spec)
    made.net = net
    whole: nn.Module = made
    return whole


def _plain(value: Any) -> PerChannel:
    """A number, or a list of numbers, of whatever holds them."""
    values = torch.as_tensor(value, dtype=torch.float64).flatten().tolist()
    return float(values[0]) if len(values) == 1 else values


def _check(net: nn.Module, shape: tuple[int, ...], classes: int) -> None:
    """Look at what it gives for two images of noise."""
    weight = next(net.parameters(), torch.zeros(()))
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0)).to(weight.device)
    try:
        with torch.no_grad(), evaluating(net):
            logits = net(x)
    except RuntimeError as error:
        raise ValueError(f"the net does not take images of {shape}: {error}") from error
    check_logits(logits)
    if logits.shape[1] != classes:
        raise ValueError(f"the net gives {logits.shape[1]} logits for {classes} classes")
    if not logits.isfinite().all():
        raise ValueError("the net's logits are NaN or infinite at images of noise")
    sums = logits.sum(1)
    if (logits >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
        warnings.warn(
            "the net's outputs are not negative and sum to 1, as probabilities: leave its softmax "
            "out, as energies are of logits",
            DoubtWarning,
            stacklevel=3,
        )
