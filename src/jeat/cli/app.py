"""open a page in the browser: draw, attack, compare and look at energies by clicking

    jeat app [NET ...] [flags]

NET is what other commands take; without one, the nets that come with the package. The page is at
http://127.0.0.1:7860, for this machine only, until Ctrl-C. --host 0.0.0.0 gives it to whoever can
reach this machine, without a password. Each view shows the command that does the same.
"""

import socket
import time
from collections.abc import Sequence
from importlib.util import find_spec

from jeat._support.checks import SettingError, plain
from jeat._support.stop import stop_asked
from jeat.cli._flags import NET, add_reading, check_once, data_named, short_names
from jeat.cli._parser import Parser
from jeat.cli._show import warn

__all__ = ["main"]

LOCAL = ("127.0.0.1", "localhost")


def main(words: Sequence[str]) -> int:
    """Serve the page until it is stopped."""
    parser = _parser()
    args = parser.parse(words)
    if not 1 <= args.port <= 65535:
        parser.error(f"--port must lie in 1..65535, got {args.port}")
    check_once(parser, "a net", args.nets)
    source = data_named(parser, args)
    _check_free(args.host, args.port)
    if find_spec("gradio") is None:
        raise SettingError("jeat app needs gradio: pip install 'jeat[app]'")

    from jeat import shipped
    from jeat.app.given import Given
    from jeat.app.page import served
    from jeat.app.why import TAUGHT

    names = args.nets or list(dict.fromkeys([*reversed(TAUGHT), *shipped()]))
    given = Given(dict(zip(short_names(names), names, strict=True)), source)
    for name in given.nets:
        given.net(name)  # what cannot be loaded is said before the page is there
    if args.host not in LOCAL:
        warn([f"whoever reaches {args.host} can use the page: it has no password"])
    with stop_asked() as asked, served(given, host=args.host, port=args.port) as address:
        print(plain(f"{address} (Ctrl-C stops it)"), flush=True)
        while not asked:
            time.sleep(0.2)
    return 0


def _check_free(host: str, port: int) -> None:
    """Refuse an address that is taken, or not of this machine, by a ValueError."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise ValueError(
            f"nothing can be served at {host}:{port} ({error.strerror}): give another --port or "
            "--host"
        ) from error


def _parser() -> Parser:
    parser = Parser("jeat app", __doc__)
    parser.add_argument("nets", type=str, nargs="*", help=f"{NET}; all shipped ones by default")
    parser.add_argument("--host", type=str, default="127.0.0.1", help="address to serve at")
    parser.add_argument("--port", type=int, default=7860, help="port to serve at")
    parser.add_argument(
        "--data", type=str | None, default=None, help="test images; by default each net's own"
    )
    add_reading(parser)
    return parser
