"""A net that is given to a training, and not made by its plan."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError
from jeat._support.learning import is_exported
from jeat._support.passes import bare
from jeat._support.tensors import weights_of
from jeat.data import Data
from jeat.nets import Spec, build, load_first_weights, spec_of
from jeat.nets.wrap import NAME, around, check_has_weights
from jeat.training.plan import Plan

__all__ = ["Given", "given", "net_for", "with_net"]


@dataclass(frozen=True)
class Given:
    """A module, and its weights as it was given, from which a run begins that went back to 0."""

    net: nn.Module
    first: dict[str, Tensor]

    def ready(self, plan: Plan, data: Data, *, fresh: bool) -> nn.Module:
        """The module, in a net for the images and classes of ``data``.

        Raises:
            ValueError: it is for others.
        """
        if fresh:
            self.net.load_state_dict(self.first)
        if not _says(self.net):
            spec = Spec(NAME, data.shape[0], data.shape[1:], data.classes, plan.architecture)
            return around(self.net, spec)
        spec = spec_of(self.net)
        if (spec.shape, len(spec.classes)) != (data.shape, len(data.classes)):
            raise ValueError(
                f"the net takes images of {spec.shape} in {len(spec.classes)} classes, the data "
                f"are {data.shape} in {len(data.classes)}"
            )
        numbered = tuple(map(str, range(len(data.classes))))
        if data.classes == numbered:  # which say nothing
            return self.net
        if spec.classes not in (data.classes, numbered):
            raise ValueError(
                f"the net knows the classes {', '.join(spec.classes)}; the data have "
                f"{', '.join(data.classes)}"
            )
        own = Spec(spec.name, spec.channels, spec.size, data.classes, spec.settings)
        self.net.spec = own  # type: ignore[assignment]  # a plain value on a module
        return self.net


def net_for(plan: Plan, data: Data, net: Given | None, *, fresh: bool) -> nn.Module:
    """The net of a plan, or the one that is given, with the weights that it begins from if
    ``fresh``.

    Raises:
        FileNotFoundError, ValueError: there is no such net, it is for other images, or it is
            scripted or exported.
    """
    if net is None:
        spec = Spec(plan.net, data.shape[0], data.shape[1:], data.classes, plan.architecture)
        whole = build(spec)
    else:
        whole = net.ready(plan, data, fresh=fresh)
    _check_is_code(whole)
    if plan.init is not None and fresh:
        load_first_weights(whole, plan.init)
    return whole


def _check_is_code(net: nn.Module) -> None:
    """Refuse a net of which a part is no code of Python any more.

    Raises:
        SettingError: it is scripted, traced or exported.
    """
    if any(isinstance(m, torch.jit.ScriptModule) or is_exported(m) for m in net.modules()):
        raise SettingError(
            "the net, or a part of it, is scripted, traced or exported, and such a one is not "
            "trained: train the module that it was made of, then script or export that"
        )


def given(net: nn.Module) -> Given:
    """A module that is to be trained where it is.

    Raises:
        SettingError: no module, or one that autograd cannot follow.
        ValueError: one that no file can hold, such as a quantised one.
    """
    if not isinstance(net, nn.Module):
        raise SettingError(f"fit takes a torch.nn.Module as net, got a {type(net).__name__}")
    inner = bare(net)
    check_has_weights(inner)
    if any(t.is_inference() for t in (*inner.parameters(), *inner.buffers())):
        raise SettingError(
            "the net was made in torch.inference_mode(), where nothing is learnt: give "
            "copy.deepcopy(net), made outside of it"
        )
    with torch.no_grad():
        return Given(inner, {k: v.detach().clone() for k, v in weights_of(inner).items()})


def with_net(plan: Plan, net: nn.Module | None) -> Plan:
    """The plan, with the net that is given in the place of its own.

    Raises:
        SettingError: none is given, and the plan makes none.
    """
    if net is None:
        if plan.net == NAME and not plan.architecture.get("make"):
            raise SettingError(
                f"net {NAME} holds a module that is given: jeat.fit(plan, out, net=MODULE), or "
                "name what makes it, as --net FILE.py:FACTORY or --net timm:NAME"
            )
        return plan
    if _says(inner := bare(net)):
        spec = spec_of(inner)
        return replace(plan, net=spec.name, architecture=dict(spec.settings))
    return replace(plan, net=NAME, architecture=plan.architecture if plan.net == NAME else {})


def _says(net: nn.Module) -> bool:
    """Whether it is a net of this package, which says what images it takes."""
    return isinstance(getattr(net, "spec", None), Spec)
