"""What a type checker knows of a net that is loaded: a module, with what it keeps of itself."""

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from jeat.nets.spec import Spec
    from jeat.samplers import Chain, Start

    class LoadedNet(nn.Module):
        """A net of :func:`jeat.load` or :func:`jeat.wrap`, of whichever class it is.

        Attributes:
            spec: which net it is.
            about: how it came: its plan and the commit of its training, where that is known.
            start: where its chains start; None is uniform noise.
            chain: what :func:`jeat.sample` draws by, where it is not told otherwise.
        """

        spec: Spec
        about: dict[str, Any]
        start: Start | None
        chain: Chain | None
else:
    LoadedNet = nn.Module

__all__ = ["LoadedNet"]
