"""Nets: images (B, C, H, W) in [0, 1] -> logits (B, classes), with f(x)[k] = -E(x, k).

An architecture is a file with a class ``Net``, which normalises in its first layer. The name
``"wrn-10-2"`` means ``Net(10, 2, ...)`` of ``wrn.py``; its keyword-only arguments are given
(``channels, size, classes``) or settings, and these are flags of ``jeat train``. Whatever gives
logits fits: a classifier, an energy net of one pass a class, a flow that knows log p(x, k). A net
that finds E(x, y) of given classes for less than all logits has it as ``joint(x, y)``, (B,).

``spec.py`` says which net, ``modes.py`` how it is run, ``checkpoint.py`` keeps one in a file, and
``places.py`` finds that file.
"""

from jeat._support.shipped import shipped
from jeat.nets._layers import by_name
from jeat.nets._linear import is_piecewise_linear
from jeat.nets._noise import check_same_logits
from jeat.nets._trained import ball_of, plan_of
from jeat.nets._typed import LoadedNet
from jeat.nets.checkpoint import digest, load, load_net, save_net
from jeat.nets.modes import Precision, autocast, evaluating, in_bf16
from jeat.nets.spec import Spec, build, net_settings, spec_of
from jeat.nets.weights import load_first_weights, load_weights
from jeat.nets.wrap import wrap

__all__ = [
    "LoadedNet", "Precision", "Spec", "autocast", "ball_of", "build", "by_name",
    "check_same_logits", "digest", "evaluating", "in_bf16", "is_piecewise_linear", "load",
    "load_first_weights", "load_net", "load_weights", "net_settings", "plan_of", "save_net",
    "shipped", "spec_of", "wrap",
]  # fmt: skip
