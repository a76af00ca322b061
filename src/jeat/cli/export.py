"""write a net for others: a page for browsers, ONNX, TorchScript, torch.export, the hub

    jeat export NET OUT.html | OUT.onnx | OUT.pt2 | OUT.ts | OUT.py | FOLDER/

What is written takes images in [0, 1], with the normalisation inside, in batches of any size. It
is read back by onnxruntime or PyTorch, and compared with the net before it gets its name. The page
docs/export.md says what is in each. OUT.html draws and attacks in a browser, without a network.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jeat._support.checks import plain
from jeat._support.files import check_not_home, expanded
from jeat.cli._flags import NET, add_arch, with_arch
from jeat.cli._parser import Parser
from jeat.cli._show import warn

if TYPE_CHECKING:
    from jsonargparse import Namespace
    from torch import nn

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Export, and print how far what is read back is from the net."""
    parser = Parser("jeat export", __doc__)
    parser.add_argument("net", type=str, help=NET)
    parser.add_argument("out", type=str, help="file or folder to write; its end says which format")
    parser.add_argument(
        "--push", type=str | None, default=None,
        help="OWNER/NAME of the Hugging Face hub, which a folder is uploaded to",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=str | None, default=None,
        help="data set of the images of a page; by default the net's own",
    )  # fmt: skip
    parser.add_argument("-n", "--number", type=int, default=10, help="test images in a page, or 0")
    parser.add_argument(
        "--runtime", type=str | None, default=None,
        help="what 'npm pack onnxruntime-web' wrote, or a folder of it, for a page; by default npm "
        "fetches it once",
    )  # fmt: skip
    add_arch(parser, words)
    args = parser.parse(words)
    _check_out(parser, args.out, args.net, args.push)
    _check_page(parser, args)

    from jeat import export, load
    from jeat.exports import format_of
    from jeat.report import table

    format_of(args.out)  # refuses before anything is loaded
    net = load(with_arch(args.net, args))
    settings: dict[str, Any] = {"card": _card(args.net)} if _is_folder(args.out) else {}
    if _is_page(args.out):
        settings = _of_page(net, args)
    found = export(net, args.out, **settings)
    print(table([{"output": k, "largest difference": f"{v:.2g}"} for k, v in found.items()]))
    said = "read back and compared with the net on random images, in batches of 1 and 8"
    print(plain(f"{args.out}: {said}"))
    if args.push is not None:
        from jeat.exports.hub_folder import push

        print(plain(f"{args.push}: {push(expanded(args.out), args.push)}"))
    return 0


def _check_out(parser: Parser, out: str, net: str, push: str | None) -> None:
    """Refuse what cannot be written, before any work."""
    if not out or "\0" in out:
        parser.error(f"OUT must name a file or a folder, got {out!r}")
    if not _is_folder(out):
        if push is not None:
            parser.error("--push uploads a folder: give OUT as NAME/")
        suffix = expanded(out).suffix.lower()
        for end in {suffix, ".pt2"} if suffix == ".py" else {suffix}:
            parser.check_file(str(expanded(out).with_suffix(end)), end, net)
        return
    check_not_home("OUT", out)
    parser.check_hides_none(out)
    folder = expanded(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        parser.error(f"{out} is there already, and not empty: name a new folder")
    above = next(p for p in folder.absolute().parents if p.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        parser.error(f"{out} cannot be written, {above} is no folder to write to: name another")
    if push is not None:
        from jeat.exports.hub_folder import check_name

        check_name(push)


def _check_page(parser: Parser, args: "Namespace") -> None:
    """Refuse flags of a page for another format, and a number of images that is none."""
    if not 0 <= args.number <= 1000:
        parser.error(f"--number must lie in 0..1000, got {args.number}")
    given = [k for k in ("data", "runtime") if args[k] is not None]
    if given and not _is_page(args.out):
        parser.error(f"--{given[0]} is for a page: give OUT as NAME.html")


def _of_page(net: "nn.Module", args: "Namespace") -> dict[str, Any]:
    """What a page holds beside the net: the runtime, test images, and the net's name."""
    from jeat.data import load_data
    from jeat.exports.page import other_sampler, runtime
    from jeat.jobs.inputs import check_fit, data_of

    settings = {"found": runtime(args.runtime), "name": with_arch(args.net, args)}
    if other := other_sampler(net):
        warn([f"a page does not know the net's sampler {other}: it draws by jeat's usual chain"])
    if not args.number:
        return settings
    source = args.data
    try:
        source = source or data_of(net)
        data = load_data(source)
    except (ValueError, OSError):
        if args.data is not None:
            raise
        why = (
            f"{source} cannot be read" if source else "the net does not say what it was trained on"
        )
        warn([f"the page has no test images, as {why}: name a data set by --data"])
        return settings
    check_fit(args.net, net, data)
    x, y = data.test.floats(args.number)
    of = {"data": args.data or "", "numbers": data.test.rows(args.number)}
    return settings | of | {"images": x, "labels": y}


def _is_page(out: str) -> bool:
    return not _is_folder(out) and expanded(out).suffix.lower() == ".html"


def _is_folder(out: str) -> bool:
    return out.endswith("/") or not expanded(out).suffix or expanded(out).is_dir()


def _card(net: str) -> str:
    """The card that lies beside the file of a net, as those of this package and of a suite's."""
    from jeat._support.words import parted
    from jeat.nets.places import file_of

    try:
        beside = file_of(parted(net)[0]).with_suffix(".md")
    except FileNotFoundError:  # it was made by a name, and not read from a file
        return ""
    return beside.read_text() if beside.is_file() else ""
