"""Nets of the hub as users of ``from_pretrained`` know them."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from jeat._support.checks import check_kind
from jeat.exports import hub_folder
from jeat.nets import Spec, build, load_net, spec_of

__all__ = ["Pretrained"]

_CONFIG = [f.name for f in fields(Spec)]


class Pretrained(nn.Module, PyTorchModelHubMixin, library_name="jeat"):
    """``Pretrained.from_pretrained("OWNER/NAME", revision="COMMIT")``: images in [0, 1] -> logits.

    It reads and writes folders of ``jeat export NET FOLDER/``. Every function of this package takes
    its ``net``, which has its start and chain.

    Args:
        name, channels, size, classes, settings: as :class:`jeat.nets.Spec` has them. A config.json
            has no code imported.

    Raises:
        ValueError: no such net, or files that are not of one.
    """

    net: nn.Module

    def __init__(
        self, name: str, channels: int, size: int, classes: list[str], settings: dict[str, Any]
    ) -> None:
        super().__init__()
        check_kind("classes", classes, list)
        self.net = build(Spec(name, channels, size, tuple(classes), settings), by_file=True)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits

    def _save_pretrained(self, save_directory: Path) -> None:
        hub_folder.write(self.net, save_directory)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **given: Any) -> Any:
        if missing := [k for k in _CONFIG if k not in given]:
            raise ValueError(
                f"{model_id} is no folder of jeat export: its config.json says no {missing[0]}"
            )
        return super()._from_pretrained(model_id=model_id, **given)

    @classmethod
    def _load_as_pickle(cls, *_: object) -> Any:
        raise ValueError("it holds no model.safetensors, as jeat export writes it")

    @classmethod
    def _load_as_safetensor(  # type: ignore[override]  # of this class alone
        cls, model: "Pretrained", model_file: str, map_location: str, strict: bool
    ) -> "Pretrained":
        found = load_net(Path(model_file))
        if spec_of(found) != spec_of(model.net):
            raise ValueError(f"{model_file} is of another net than the config.json beside it")
        model.net = found.to(map_location)
        return model.eval()
