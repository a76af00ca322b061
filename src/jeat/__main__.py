"""``python -m jeat``, and so ``torchrun --nproc-per-node 2 -m jeat``: the command line."""

import sys

from jeat.cli import main

sys.exit(main())
