"""draw images of given classes from a net, into a PNG

    jeat sample NET OUT.png [flags]

NET is a run directory, a checkpoint file, a shipped name or a hub id. Chains descend E(x, y)
(Eq. 17) from class-conditional Gaussians where the net was trained with them, else from noise.
"""

from collections.abc import Sequence
from typing import Literal

from jeat import shards
from jeat.cli._parser import Parser
from jeat.cli._subject import net_of, seed_all

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Sample, one row a class."""
    parser = Parser("jeat sample", __doc__)
    parser.add_argument("net", type=str, help="run directory, checkpoint, shipped name or hub id")
    parser.add_argument("out", type=str, help="PNG to write")
    parser.add_argument("--class", type=str, nargs="+", help="class names; all by default")
    parser.add_argument("-n", "--number", type=int, default=10, help="images of each class")
    parser.add_argument("--steps", type=int, default=150, help="length of the chain")
    parser.add_argument("--step_size", type=float, default=0.25, help="factor of the gradient")
    parser.add_argument(
        "--noise",
        type=float | None,
        default=0.005,
        help="noise of the chain; null couples it to the step, sqrt(2 * step_size)",
    )
    parser.add_argument(
        "--energy", type=Literal["joint", "cross-entropy"], default="joint",
        help="descend E(x, y) (joint, Eq. 17) or E(x, y) - E(x) (cross-entropy, Eq. 16)",
    )  # fmt: skip
    parser.add_argument(
        "--start", type=Literal["own", "uniform", "buffer"], default="own",
        help="what the net was trained to start from, uniform noise, or a run's replay buffer",
    )  # fmt: skip
    parser.add_argument(
        "--precision", type=Literal["fp32", "bf16"], default="fp32", help="of the net's passes"
    )
    parser.add_argument("--seed", type=int, default=0, help="of starts and noise")
    args = parser.parse(words)
    if args.number < 1:
        parser.error(f"--number must be at least 1, got {args.number}")
    parser.check_place(args.out, ".png")

    import torch

    from jeat import report, sample
    from jeat.checkpoint import load_buffer
    from jeat.nets import spec_of
    from jeat.samplers import Start, Uniform

    net = net_of(args.net)
    spec = spec_of(net)
    names = args["class"] or list(spec.classes)
    if unknown := [name for name in names if name not in spec.classes]:
        raise ValueError(f"no class {unknown[0]!r}: classes are {', '.join(spec.classes)}")
    seed_all(args.seed)
    labels = torch.tensor([spec.classes.index(name) for name in names for _ in range(args.number)])
    start: Start | None = None
    if args.start == "uniform":
        start = Uniform((spec.channels, spec.size, spec.size))
    elif args.start == "buffer":
        start = load_buffer(args.net)
    parser.place(args.out)
    images = shards.split(
        len(labels),
        lambda part: sample(
            net, labels[part], steps=args.steps, step_size=args.step_size, noise=args.noise,
            energy=args.energy, start=start, precision=args.precision,
        ).cpu(),
    )  # fmt: skip
    if shards.rank():
        return 0
    columns = args.number if len(names) > 1 else min(10, args.number)
    report.grid(torch.cat(images), columns=columns).save(args.out)
    print(f"{args.out}: {len(labels)} images, rows {', '.join(names)}")
    return 0
