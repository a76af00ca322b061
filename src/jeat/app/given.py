"""What the app was started with: nets by the names on its page, and test images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from torch import Tensor, nn

from jeat._support.checks import SettingError, is_finite, is_whole, quoted
from jeat.app.turns import TURN
from jeat.data import Data, load_data
from jeat.jobs.inputs import data_of, misfit, net_of
from jeat.nets import spec_of

__all__ = ["Given", "number", "whole"]


@dataclass(frozen=True)
class Given:
    """The nets of an app: a page can name no other, whatever is sent to it.

    Attributes:
        nets: by the names that the page shows, what :func:`jeat.load` takes.
        data: the data set of test images; None is each net's own.
    """

    nets: Mapping[str, str]
    data: str | None = None

    def name(self, shown: object) -> str:
        """What :func:`jeat.load` takes for a net, by its name on the page.

        Raises:
            SettingError: there is none of that name.
        """
        if not isinstance(shown, str) or shown not in self.nets:
            raise SettingError(f"choose a net of the list, got {quoted(shown)}")
        return self.nets[shown]

    def net(self, shown: object) -> nn.Module:
        """The net, loaded once."""
        name = self.name(shown)
        with TURN:
            return _loaded(name)

    def classes(self, shown: object) -> tuple[str, ...]:
        """The names of the classes of a net."""
        return spec_of(self.net(shown)).classes

    def like_the_first(self, most: int) -> list[str]:
        """The first net and those that take its images and know its classes, up to ``most``."""
        specs = {shown: spec_of(self.net(shown)) for shown in self.nets}
        kinds = {shown: (spec.shape, spec.classes) for shown, spec in specs.items()}
        first = next(iter(kinds.values()))
        return [shown for shown, kind in kinds.items() if kind == first][:most]

    def images(self, shown: object) -> Data:
        """The data set of test images for a net, which may not fit it.

        Raises:
            ValueError: nobody says which it is.
            FileNotFoundError: it is not here.
        """
        net = self.net(shown)
        try:
            source = self.data or data_of(net)
        except ValueError as error:
            raise ValueError(
                f"{shown} does not say what it was trained on, so that it has no test images: "
                "upload a picture, or start jeat app with --data"
            ) from error
        with TURN:
            return _data(source)

    def misfits(self, nets: Sequence[str]) -> dict[str, str]:
        """Those of the nets that were not made for the test images of the first, and why.

        Raises:
            ValueError: none was made for them.
            FileNotFoundError: as :meth:`images`.
        """
        data = self.images(nets[0])
        said = {net: misfit(net, self.net(net), data) for net in nets}
        if all(said.values()):
            raise ValueError(f"{said[nets[0]]}: choose another net")
        return {net: f"{why}: it is left out" for net, why in said.items() if why}

    def test_image(self, shown: object, index: object) -> tuple[Tensor, Tensor, Data]:
        """Test image ``index`` for a net as (1, C, H, W) in [0, 1], its label (1,), and the data.

        Raises:
            ValueError: no test images, none of that number, or not those of this net.
            FileNotFoundError: the data set is not here.
        """
        self.misfits([str(shown)])
        net, data = self.net(shown), self.images(shown)
        at = whole("the number of the test image", index, 0, len(data.test) - 1)
        device = next(net.parameters()).device
        x, y = data.test.x[[at]].float() / 255, data.test.y[[at]]
        return x.to(device), y.to(device), data


_loaded, _data = cache(net_of), cache(load_data)


def whole(name: str, value: object, least: int, most: int) -> int:
    """A whole number of a page, which may send anything.

    Raises:
        SettingError: it is none, or not from ``least`` to ``most``.
    """
    found = int(value) if isinstance(value, float) and value.is_integer() else value
    if not is_whole(found, least, most):
        raise SettingError(
            f"{name} must be a whole number from {least} to {most}, got {quoted(value)}"
        )
    return int(found)  # type: ignore[call-overload,no-any-return]


def number(name: str, value: object, least: float, most: float) -> float:
    """A number of a page, which may send anything.

    Raises:
        SettingError: it is none, or not from ``least`` to ``most``.
    """
    if not (isinstance(value, int | float) and is_finite(value) and least <= value <= most):
        raise SettingError(f"{name} must be from {least:g} to {most:g}, got {quoted(value)}")
    return float(value)
