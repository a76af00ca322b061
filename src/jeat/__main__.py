"""``jeat``, and ``python -m jeat`` as for ``torchrun --nproc-per-node 2 -m jeat``."""

import sys

__all__ = ["main"]


def main() -> int:
    """The command line; Ctrl-C before it is loaded says so in one line, too."""
    try:
        from jeat.cli import main as run

        return run()
    except KeyboardInterrupt:
        print("jeat: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
