"""What is seen of a run beside its log, as it goes on: pictures, and what follows it elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from jeat._support import processes
from jeat._support.passes import logits_of
from jeat.data import Data
from jeat.energy import joint_energy, marginal_energy
from jeat.nets import autocast, evaluating
from jeat.runs.drawn import draw, is_due
from jeat.runs.tracking import Seen, tracked
from jeat.training.begin import Begun
from jeat.training.loop import Log
from jeat.training.plan import Plan

__all__ = ["looking"]


@contextmanager
def looking(
    out: Path, plan: Plan, begun: Begun, data: Data, *, rollbacks: int
) -> Iterator[Callable[[Log], None]]:
    """``look(log)`` draws and tracks an iteration, in the first process; the run is left as it was.

    At evaluations and pictures, histograms of E(x) and E(x, y) of the test images, and of those
    drawn, are tracked, too.
    """
    if processes.rank():
        yield lambda _: None
        return
    training = begun.training
    o, net = plan.optimisation, training.net
    with tracked(out, plan, at=training.iteration, rollbacks=rollbacks) as send:

        def look(log: Log) -> None:
            values: dict[str, Tensor] = {}
            drawn = None
            if is_due(o, log.iteration, log.total):
                drawn = draw(out, log.iteration, net, begun.start, data.classes, seed=o.seed)
            if send is None:
                return
            if any(name.startswith("test_") for name in log.metrics):
                values |= _energies(net, *data.test.floats(o.evaluate_images), of="test")
            if drawn:
                values |= _energies(net, drawn.images, drawn.labels, of="drawn")
            if log.metrics or drawn:
                pictures = {"drawn": drawn.picture} if drawn else {}
                send(log.iteration, Seen(log.metrics, pictures, values))

        yield look


@torch.no_grad()
def _energies(net: nn.Module, x: Tensor, y: Tensor, *, of: str) -> dict[str, Tensor]:
    """E(x) and E(x, y) of each image (Eq. 12), in eval mode and fp32."""
    device = next(net.parameters()).device
    with autocast("fp32", device), evaluating(net):
        logits = torch.cat([logits_of(net, part.to(device)) for part in x.split(500)])
    return {f"E/{of}": marginal_energy(logits), f"E_y/{of}": joint_energy(logits, y.to(device))}
