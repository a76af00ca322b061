"""A training at its beginning."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jeat._support import processes
from jeat._support.checks import SettingError, quoted
from jeat._support.plugins import constant_of
from jeat._support.signatures import check_takes
from jeat.data import Batch, Branch, Data, Images, augment, batch_at, fixed, load_data
from jeat.nets import spec_of
from jeat.objectives import make
from jeat.samplers import ReplayBuffer, Restart, Start, start_of
from jeat.training.given import Given, net_for
from jeat.training.iteration import Training, prepare
from jeat.training.plan import Optimisation, Plan
from jeat.training.unsaved import check_unsaved, unsaved

__all__ = ["Begun", "begin"]


@dataclass(frozen=True)
class Begun:
    """A training at its beginning.

    Attributes:
        training: with its net and objective.
        start: of chains.
        others: the images of its objective's further branches.
        unsaved: the plain attributes of its objective (:func:`jeat.training.unsaved.unsaved`).
    """

    training: Training
    start: Start
    others: dict[str, Images]
    unsaved: dict[str, str]


def begin(plan: Plan, data: Data, *, fresh: bool, net: Given | None = None) -> Begun:
    """Build net, objective and optimiser of a plan.

    Two images run through copies first, so that settings which cannot work are refused here.

    Args:
        plan: with all settings of its net and objective.
        data: what it names.
        fresh: whether nothing was saved of it, so that it begins from ``plan.init``.
        net: one that is given; else the plan makes one.

    Raises:
        FileNotFoundError, ValueError: a plan that cannot be carried out.
    """
    if not torch.is_grad_enabled():
        raise ValueError(
            "nothing is learnt within torch.no_grad() or torch.inference_mode(): train outside"
        )
    o = plan.optimisation
    torch.manual_seed(o.seed)
    whole = net_for(plan, data, net, fresh=fresh)
    if processes.world() > 1:  # the same first weights, other chains and attacks
        torch.manual_seed(processes.seed_of(o.seed))
    start = start_of(plan.start, data)
    restart = Restart(start, len(data.classes))
    objective = make(plan.method, restart, plan.objective, net=whole)
    for buffer in _buffers(objective):
        if len(buffer.states) < o.batch_size // processes.world():
            slots = len(buffer.states) * processes.world()
            raise SettingError(f"a replay buffer of {slots} cannot fill a batch of {o.batch_size}")
    others = _others(objective, data, o)
    own = constant_of("objectives", plan.method, "limits") or {}
    limits = plan.recovery.with_limits(own, of=plan.method)
    _rehearse(whole, objective, data.train, others, o)
    training = prepare(whole, objective, o, images=len(data.train), limits=limits)
    return Begun(training, start, others, unsaved(objective))


def _buffers(objective: nn.Module) -> Iterator[ReplayBuffer]:
    return (m for m in objective.modules() if isinstance(m, ReplayBuffer))


def _others(objective: nn.Module, data: Data, o: Optimisation) -> dict[str, Images]:
    """The images of an objective's further branches.

    Raises:
        ValueError: images of another shape, fewer than a batch, or a batch that the processes
            cannot share.
    """
    found = {}
    branches: object = getattr(objective, "branches", {})
    if not isinstance(branches, dict) or not all(isinstance(b, Branch) for b in branches.values()):
        raise SettingError(
            f"branches of {type(objective).__name__} must be {{name: jeat.data.Branch(...)}}, got "
            f"{quoted(branches)}"
        )
    for name, branch in branches.items():
        images = data.train if branch.data is None else load_data(fixed(branch.data)).train
        size = branch.batch_size or o.batch_size
        if images.x.shape[1:] != data.train.x.shape[1:]:
            raise ValueError(
                f"images of {name} are {tuple(images.x.shape[1:])}, those of the run "
                f"{tuple(data.train.x.shape[1:])}: give data of one shape"
            )
        if size % processes.world():
            raise SettingError(
                f"{processes.world()} processes cannot share {name}'s batch of {size}"
            )
        batch_at(images, size, iteration=0, seed=o.seed, name=name)
        found[name] = images
    return found


def _rehearse(
    net: nn.Module,
    objective: nn.Module,
    images: Images,
    others: dict[str, Images],
    o: Optimisation,
) -> None:
    """Two images through copies; one where an iteration has no more.

    Raises:
        ValueError: settings that cannot work, or an objective with state in plain attributes.
    """
    branches = getattr(objective, "branches", {})

    def few(images: Images, size: int | None) -> Batch:
        x, y = images.floats(min(2, (size or o.batch_size) // processes.world() or 1))
        return Batch(augment(x, pad=o.pad, flip=o.flip), y)

    with torch.random.fork_rng():
        first, copy = few(images, o.batch_size), _copied(objective)
        _check_net(deepcopy(net), first.x, alone=not [*objective.parameters()])
        plain, held = unsaved(copy), _shapes(copy)
        further = {k: few(v, branches[k].batch_size) for k, v in others.items()}
        batch = Batch(first.x, first.y, others=further)
        for part in {"points", "forward"} & {*dir(copy)}:
            whose = f"{part} of {type(copy).__name__}"
            check_takes(getattr(copy, part), whose, "net", "batch")
        with _explained_norms():
            found = copy(deepcopy(net), batch)
        _check_loss(found, type(objective).__name__)
    check_unsaved(copy, plain)
    later = _shapes(copy)
    if changed := [
        k for k, shape in held | later if shape == (-1,) or (k, shape) not in held & later
    ]:
        raise SettingError(
            f"the tensor {min(changed)} of the objective is not there at its beginning as later, "
            "so no checkpoint could be loaded: register it persistent, with its last shape"
        )


def _copied(objective: nn.Module) -> nn.Module:
    try:
        return deepcopy(objective)
    except TypeError as error:
        raise SettingError(
            f"{type(objective).__name__} holds what cannot be copied, and no checkpoint holds "
            f"({error}): register a tensor for it, by register_buffer"
        ) from error


def _check_net(net: nn.Module, x: Tensor, *, alone: bool) -> None:
    """Check that a net gives a logit a class, with a gradient where it learns ``alone``.

    Raises:
        SettingError: it gives something else.
    """
    spec = spec_of(net)
    with torch.set_grad_enabled(alone):
        logits: object = net.eval()(x)
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
    if shape != (right := (len(x), len(spec.classes))):
        raise SettingError(
            f"net {spec.name!r} must give a logit a class, {right} for {len(x)} images, got {shape}"
        )
    if alone and isinstance(logits, Tensor) and not logits.requires_grad:
        raise SettingError(
            f"net {spec.name!r} has nothing to learn: its logits have no gradient for a weight. "
            "Register weights, do not freeze all, and leave torch.no_grad() out of forward"
        )


@contextmanager
def _explained_norms() -> Iterator[None]:
    """Say what is wrong where torch cannot normalise, as one value a channel has no variance."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise SettingError(
            "the net normalises over the images of a batch where one pixel is left, which takes at "
            "least 2 images an iteration in each process: raise batch_size, or change its norm"
        ) from error


def _check_loss(found: object, name: str) -> None:
    """Check what an objective returns.

    Raises:
        SettingError: no pair of a loss with a gradient and metrics.
    """
    loss, metrics = found if isinstance(found, tuple) and len(found) == 2 else (None, None)
    if not isinstance(loss, Tensor) or loss.shape or not loss.requires_grad:
        raise SettingError(
            f"{name} must return (loss, metrics), the loss one number with a gradient; it returns "
            f"{_in_words(found)}"
        )
    scalars = isinstance(metrics, dict) and all(
        isinstance(v, Tensor) and not v.shape for v in metrics.values()
    )
    if not scalars:
        raise SettingError(f"the metrics of {name} must be a dict of tensors of one number each")


def _in_words(found: object) -> str:
    if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[0], Tensor):
        return f"a {type(found).__name__}"
    gradient = "a" if found[0].requires_grad else "no"
    return f"a loss of shape {tuple(found[0].shape)} with {gradient} gradient"


def _shapes(objective: nn.Module) -> set[tuple[str, tuple[int, ...]]]:
    """The tensors of an objective, each with its shape; one that no checkpoint holds has none."""
    held = {k: tuple(v.shape) for k, v in objective.state_dict().items()}
    every = {k for k, _ in objective.named_buffers()} | held.keys()
    return {(k, held.get(k, (-1,))) for k in every}
