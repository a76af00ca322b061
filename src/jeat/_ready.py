"""A training at its beginning."""

from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn

from jeat import shards
from jeat._checks import SettingError
from jeat.checkpoint import load, load_weights
from jeat.data import Batch, Data, Images, augment
from jeat.nets import Spec, build
from jeat.objectives import make
from jeat.plan import Optimisation, Plan
from jeat.samplers import Start, start_of
from jeat.step import Training, prepare

__all__ = ["ready"]


def ready(plan: Plan, data: Data, *, fresh: bool) -> tuple[Training, Start]:
    """A training at its beginning, after two images have gone through it, and its chains' start.

    Args:
        plan: with all settings of its objective.
        data: what it names.
        fresh: whether nothing was saved of it, so that it begins from ``plan.init``.

    Raises:
        FileNotFoundError, ValueError: a plan that cannot be carried out.
    """
    o, objective = plan.optimisation, dict(plan.objective)
    torch.manual_seed(o.seed)
    channels, size, _ = data.shape
    spec = Spec(plan.net, channels, size, data.classes, plan.norm, plan.activation, std=plan.std)
    net = build(spec)
    if plan.init is not None and fresh:
        load_weights(net, load(plan.init))
    if shards.world() > 1:  # the same first weights, other chains and attacks
        torch.manual_seed(shards.seed_of(o.seed))
    if "buffer_size" in objective:
        share = shards.mine(objective["buffer_size"])
        objective["buffer_size"] = share.stop - share.start
    start = start_of(plan.start, data)
    made = make(plan.method, partial(_restart, start, len(data.classes)), objective)
    if objective.get("buffer_size", o.batch_size) < o.batch_size // shards.world():
        slots = plan.objective["buffer_size"]
        raise SettingError(f"a replay buffer of {slots} cannot fill a batch of {o.batch_size}")
    _rehearse(net, made, data.train, o)
    return prepare(net, made, o, images=len(data.train), limits=plan.recovery), start


def _rehearse(net: nn.Module, objective: nn.Module, images: Images, o: Optimisation) -> None:
    """Two images through copies, so that settings which cannot work are refused at once."""
    with torch.random.fork_rng():
        x, y = images.floats(2)
        batch = Batch(augment(x, pad=o.pad, flip=o.flip), y)
        deepcopy(objective)(deepcopy(net), batch)


def _restart(start: Start, classes: int, n: int) -> Tensor:
    return start(torch.randint(classes, (n,)))
