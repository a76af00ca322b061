"""attack a net on test images: accuracy and energies before and after

    jeat attack NET [flags]

One step without random start is FGSM (Eq. 2), more are PGD (Eq. 3); --loss energy climbs
E(x, y) alone (Eq. 18). Signs of gradient masking are looked for in the same ball.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from jeat.cli._flags import add_subject, data_named, with_arch
from jeat.cli._parser import Parser
from jeat.cli._show import bar, warn

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Attack, print a table, and save the adversarial images where asked."""
    parser = _parser(words)
    args = parser.parse(words)
    source = data_named(parser, args)
    parser.check_file(args.out, ".npz", args.net, source, *(args.config or ()))

    import numpy as np
    import torch

    from jeat._support.files import whole_file
    from jeat.attacks import pgd
    from jeat.jobs.inputs import at_another_eps, subject_of
    from jeat.metrics import energies, signs_of_masking
    from jeat.metrics.gradient_masking import measure as measure_masking
    from jeat.report import table

    s, _ = subject_of(with_arch(args.net, args), source, args.number, args.seed)
    attack = partial(
        pgd, s.net, eps=args.eps, steps=args.steps, step_size=args.step_size, norm=args.norm,
        loss=args.loss, random_start=args.random_start,
    )  # fmt: skip
    attacked: list[torch.Tensor] = []
    with bar() as show:
        for x, y in zip(torch.split(s.x, 500), torch.split(s.y, 500), strict=True):
            show("attacking", 500 * len(attacked), len(s.y))
            attacked.append(attack(x, y))
        show("attacking", len(s.y), len(s.y))
        show("masked gradients", 0, 1)
        masking = measure_masking(s, eps=args.eps, norm=args.norm)
        show("masked gradients", 1, 1)
    x_adv = torch.cat(attacked)
    rows = [
        {"images": k} | energies(s.net, x, s.y) for k, x in (("clean", s.x), ("attacked", x_adv))
    ]
    print(table(rows))
    print(table([{"metric": k, "value": f"{v:.4g}"} for k, v in masking.items()]))
    if args.out is not None:
        with whole_file(args.out) as part:
            np.savez(part, images=x_adv.cpu().numpy(), labels=s.y.cpu().numpy())
    ball = {"this attack": {"eps": args.eps, "norm": args.norm}}
    warn([*at_another_eps(args.net, s.net, ball), *signs_of_masking(masking)])
    return 0


def _parser(words: Sequence[str]) -> Parser:
    parser = Parser("jeat attack", __doc__)
    add_subject(parser, words)
    parser.add_argument("--eps", type=float, default=8 / 255, help="radius, in [0, 1] pixels")
    parser.add_argument("--steps", type=int, default=20, help="gradient steps")
    parser.add_argument("--step_size", type=float, default=2 / 255, help="length of a step")
    parser.add_argument("--norm", type=Literal["linf", "l2"], default="linf", help="ball")
    parser.add_argument("--loss", type=Literal["ce", "energy"], default="ce", help="what to climb")
    parser.add_argument("--random_start", type=bool, default=True, help="start inside the ball")
    parser.add_argument(
        "--out", type=str | None, default=None, help=".npz of the attacked images and labels"
    )
    return parser
