"""RobustBench: NAME.py with a class ``Model`` of torch alone, and its graph beside it, NAME.pt2.

RobustBench's ``benchmark`` takes a module in eval mode, of images in [0, 1], and moves it by
``model.to(device)``; ``jeat.load`` gives one, too. This one needs no jeat.
"""

from collections.abc import Callable
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from keyword import iskeyword
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError
from jeat.exports._program import images, program, save
from jeat.nets import spec_of

__all__ = ["read", "write"]

suffixes = (".py",)

TEXT = '''"""A {name} for RobustBench: images {shape} in [0, 1] -> {classes} logits.

    from robustbench import benchmark
    from {module} import Model
    benchmark(Model(), dataset="cifar10", threat_model="Linf", eps=8 / 255, device="cuda:0")

It needs PyTorch {torch} or later; the net is in {module}.pt2, beside this file.
"""

from pathlib import Path

import torch
from torch.export.passes import move_to_device_pass


class Model(torch.nn.Module):
    """The net, in eval mode: it has no other."""

    def __init__(self):
        super().__init__()
        self.training = False
        self.to("cpu")

    def forward(self, x):
        return self.net(x)

    def to(self, device):
        program = torch.export.load(Path(__file__).with_suffix(".pt2"))
        self.net = move_to_device_pass(program, str(device)).module()
        return self

    def train(self, mode=False):
        return self
'''


def write(net: nn.Module, file: Path) -> None:
    """Both files.

    Raises:
        SettingError: a name that Python cannot import, or imports as another module.
    """
    if not file.stem.isidentifier() or iskeyword(file.stem):
        raise SettingError(f"{file.name} is no name that Python imports: name it as net.py")
    if _is_module(file.stem):
        raise SettingError(
            f"{file.name} would be imported in the place of the module {file.stem}, or never: name "
            "it as net.py"
        )
    spec = spec_of(net)
    save(program(net, images(net)), file.with_suffix(".pt2"))
    text = TEXT.format(
        name=spec.name, classes=len(spec.classes),
        shape=f"(B, {spec.channels}, {spec.size}, {spec.size})",
        module=file.stem, torch=".".join(torch.__version__.split(".")[:2]),
    )  # fmt: skip
    file.write_text(text)


def _is_module(name: str) -> bool:
    """Whether a module of that name is there already, elsewhere than in the working folder."""
    try:
        found = find_spec(name)
    except (ValueError, ImportError):  # as of __main__
        return True
    return found is not None and Path(found.origin or "").parent != Path.cwd()


def read(file: Path) -> Callable[[Tensor], dict[str, Tensor]]:
    """The logits of its ``Model``."""
    found: Any = spec_from_file_location(file.stem, file)
    module = module_from_spec(found)
    found.loader.exec_module(module)
    net = module.Model()
    return lambda x: {"logits": net(x)}
