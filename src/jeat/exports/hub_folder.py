"""A folder for the Hugging Face hub: config.json, model.safetensors and a card, README.md.

:func:`jeat.load` reads it, and so does :class:`jeat.Pretrained`, by ``from_pretrained``.
"""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelCardData
from torch import Tensor, nn

from jeat._support import version
from jeat._support.checks import SettingError, plain
from jeat._support.hub import pinned
from jeat._support.table import table
from jeat.nets import Spec, load_net, save_net, spec_of

__all__ = ["check_name", "push", "read", "write"]

suffixes = ("",)

WEIGHTS = "model.safetensors"
_TOKEN = re.compile(r"\bhf_\w+|Bearer \S+")


def write(net: nn.Module, folder: Path, *, card: str = "") -> None:
    """The folder.

    Args:
        net: is saved with its start and chain.
        folder: is made, where it is not there.
        card: the text of README.md; "" is one made of what the net knows of itself.

    Raises:
        ValueError: a net that no file can make again.
    """
    spec, own = spec_of(net), vars(net)
    if "make" in spec.settings and not spec.settings["make"]:
        raise ValueError(
            "its module was given to jeat.wrap, and no file can make that again: wrap it by the "
            "name of what makes it, as package.module:function, or export a graph, as OUT.onnx"
        )
    if own.get("prepare") is not None:
        raise ValueError("its images are prepared by a function of yours, which no file keeps")
    folder.mkdir(exist_ok=True)
    save_net(
        net, own.get("start"), folder / WEIGHTS, about=own.get("about") or {},
        chain=own.get("chain"),
    )  # fmt: skip
    (folder / "config.json").write_text(json.dumps(asdict(spec), indent=1) + "\n")
    (folder / "README.md").write_text(card or _card(folder.name, spec, own.get("about") or {}))


def read(folder: Path) -> Callable[[Tensor], dict[str, Tensor]]:
    """The logits of the net in the folder."""
    net = load_net(folder / WEIGHTS)
    return lambda x: {"logits": net(x)}


def _card(name: str, spec: Spec, about: dict[str, Any]) -> str:
    """A card in the hub's format, of what a net knows of itself."""
    plan: dict[str, Any] = about.get("plan") or {}
    data = ModelCardData(
        language=None, library_name="jeat", model_name=name,
        datasets=[str(plan["data"])] if "/" in str(plan.get("data", "")) else None,
        tags=["energy-based-model", *filter(None, [plan.get("method")])],
    )  # fmt: skip
    trained = f", trained by `{plan['method']}` on {plan['data']}" if plan else ""
    rows: list[dict[str, object]] = [
        {"setting": k, "value": v}
        for k, v in (("architecture", spec.name), *spec.settings.items())
    ]  # fmt: skip
    text: str = data.to_yaml()
    return "\n".join([
        f"---\n{text}\n---", f"# {name}", "",
        f"A classifier of {' x '.join(map(str, spec.shape))} images in [0, 1] as an "
        f"energy model: {spec.name}{trained}. Its logits are f(x)[k] = -E(x, k).", "",
        "```python", "import jeat", "", 'net = jeat.load("OWNER/NAME@COMMIT")  # or this folder',
        'net = jeat.Pretrained.from_pretrained("OWNER/NAME", revision="COMMIT").net', "```", "",
        table(rows), "",
        f"Classes: {', '.join(spec.classes)}.", "",
        f"Written by jeat {version.__version__}. Licence, figures and weaknesses: say them here.",
        "",
    ])  # fmt: skip


def check_name(repository: str) -> None:
    """Check the name of a repository of the hub.

    Raises:
        SettingError: it is none.
    """
    if pinned(repository) is None or "@" in repository:
        raise SettingError(f"--push takes OWNER/NAME of the hub, got {plain(repository)}")


def push(folder: Path, repository: str) -> str:
    """Upload a folder of :func:`write` to ``OWNER/NAME``, which is made where it is not there.

    Returns:
        The address of the commit.

    Raises:
        OSError: the hub does not take it; the folder stays.
    """
    hub = HfApi(library_name="jeat", library_version=version.__version__)
    try:
        hub.create_repo(repository, exist_ok=True)
        done = hub.upload_folder(
            repo_id=repository, folder_path=folder, commit_message=f"{folder.name}, by jeat"
        )
    except Exception as error:  # of the hub, of the network, of whatever carries to it
        why = _TOKEN.sub("...", " ".join(str(error).split()))[:200] or type(error).__name__
        raise OSError(
            f"{folder} is written, but the hub does not take it as {repository}: {plain(why)} (log "
            "in by hf auth login, as one who may write there)"
        ) from error
    return str(done.commit_url)
