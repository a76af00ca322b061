"""write a net for others: ONNX, TorchScript, torch.export, RobustBench, a folder for the hub

    jeat export NET OUT.onnx | OUT.pt2 | OUT.ts | OUT.py | FOLDER/

What is written takes images in [0, 1], with the normalisation inside, in batches of any size. It
is read back by onnxruntime or PyTorch, and compared with the net before it gets its name. The page
docs/export.md says what is in each.
"""

import os
from collections.abc import Sequence

from jeat._support.checks import plain
from jeat._support.files import check_not_home, expanded
from jeat.cli._flags import NET, add_arch, with_arch
from jeat.cli._parser import Parser

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
    add_arch(parser, words)
    args = parser.parse(words)
    _check_out(parser, args.out, args.net, args.push)

    from jeat import export, load
    from jeat.exports import format_of
    from jeat.report import table

    format_of(args.out)  # refuses before anything is loaded
    net = load(with_arch(args.net, args))
    card = {"card": _card(args.net)} if _is_folder(args.out) else {}
    found = export(net, args.out, **card)
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
    folder = expanded(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        parser.error(f"{out} is there already, and not empty: name a new folder")
    above = next(p for p in folder.absolute().parents if p.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        parser.error(f"{out} cannot be written, {above} is no folder to write to: name another")
    if push is not None:
        from jeat.exports.hub_folder import check_name

        check_name(push)


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
