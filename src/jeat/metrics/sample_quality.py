"""Inception Score, FID, KID, precision and recall of samples, by torch-fidelity."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from jeat._support.checks import SettingError, is_fp32
from jeat._support.passes import bare
from jeat._support.tensors import check_images
from jeat.metrics._column import Column
from jeat.metrics._features import Pixels, Seen
from jeat.metrics._inception import inception_weights, reference_inception
from jeat.metrics._judge import features_and_logits
from jeat.metrics._subject import Subject, checked, given
from jeat.nets import autocast, evaluating

__all__ = ["measure", "reference_inception", "sample_quality"]

_HIGHER, _LOWER = (partial(Column, better=way, by_count=True) for way in ("higher", "lower"))
columns = (
    _HIGHER("is", "IS", "Inception Score"),
    _LOWER("fid", "FID", "Inception's"),
    _LOWER("kid", "KID", "Inception's"),
    _HIGHER("precision", "precision", "in Inception's features"),
    _HIGHER("recall", "recall", "in Inception's features"),
    _HIGHER("judge_is", "judge-IS", "in the judge's probabilities"),
    _LOWER("judge_fid", "judge-FID", "in the judge's features"),
    _LOWER("judge_kid", "judge-KID", "in the judge's features"),
    _HIGHER("judge_precision", "judge-precision", "in the judge's features"),
    _HIGHER("judge_recall", "judge-recall", "in the judge's features"),
)

needs = ("samples", "train")
needs_either = ("judge", "inception")
_FIGURES = {
    "is": "inception_score_mean",
    "is_std": "inception_score_std",
    "fid": "frechet_inception_distance",
    "kid": "kernel_inception_distance_mean",
    "precision": "precision",
    "recall": "recall",
}


def sample_quality(
    samples: Float[Tensor, "b c h w"],
    train: Float[Tensor, "n c h w"],
    extractor: nn.Module | str | Path,
) -> dict[str, float]:
    """How samples compare with real images, in the features and class probabilities of a net.

    - ``is``, ``is_std``: Inception Score exp mean KL(p(y|x) || p(y)) (Salimans et al. 2016), mean
      and deviation over 10 splits of the samples, over 1 where there are fewer than 1000.
    - ``fid``: ||m - m'||^2 + tr(S + S' - 2 (S S')^(1/2)), with means m and covariances S of
      features (Heusel et al. 2017).
    - ``kid``: squared MMD of features under the kernel (<x, x'> / d + 1)^3 of d features
      (Binkowski et al. 2018), mean over 100 subsets of 1000 images, of the smaller set's size where
      there are fewer; a judge's in fp64. It depends on the features' scale.
    - ``precision``, ``recall``: the share of samples within the third-neighbour balls of real
      features, and the other way round (Kynkaanniemi et al. 2019).

    Pixels are rounded to 8 bits first, as image files would. Splits and subsets are drawn from
    torch-fidelity's fixed seed, so figures are those of torch-fidelity called with its defaults.

    Args:
        samples: in [0, 1].
        train: the real images, all that samples shall be compared with.
        extractor: a net whose last linear layer receives the features and returns the logits; or
            the path of torch-fidelity's weights of the reference Inception, which sees grey images
            as RGB. In eval mode, fp32.

    Raises:
        ValueError: fewer than 4 images, images of other shapes or outside of [0, 1], a net that
            does not end in a linear layer, a file that does not hold the weights, features that are
            the same for all real images or vary by less than 1e-5, a figure that is NaN or beyond
            fp32.

    Warns:
        DoubtWarning: there are fewer images than features.
    """
    from torch_fidelity import calculate_metrics  # type: ignore[import-untyped]

    samples, train = check_images(samples, train)
    if min(len(samples), len(train)) < 4:
        raise ValueError(
            f"sample_quality takes at least 4 images of each kind, got {len(samples)} samples and "
            f"{len(train)} training images"
        )
    inception = not isinstance(extractor, nn.Module)
    seen = Seen()
    how_to = inception_weights(extractor) if inception else _judging(extractor, seen)
    with autocast("fp32", samples.device), how_to as how, np.errstate(all="ignore"):
        found = calculate_metrics(
            input1=Pixels(samples, rgb=inception),
            input2=Pixels(train, rgb=inception),
            isc=True, fid=True, kid=True, prc=True,
            isc_splits=10 if len(samples) >= 1000 else 1,
            kid_subset_size=min(1000, len(samples), len(train)),
            prc_batch_size=2000,
            save_cpu_ram=True,  # no worker processes; distances in pieces
            cuda=inception and samples.is_cuda,
            verbose=False,
            **how,
        )  # fmt: skip
    seen.check(len(samples), len(train))
    figures = {name: float(found[key]) for name, key in _FIGURES.items()}
    figures = {k: v if is_fp32(v) else math.copysign(math.inf, v) for k, v in figures.items()}
    return checked(figures, "the features are too large; give another --judge")


@contextmanager
def _judging(judge: Any, seen: Seen) -> Iterator[dict[str, Any]]:
    """Arguments of ``calculate_metrics`` for a judge, registered for as long."""
    from torch_fidelity import FeatureExtractorBase, register_feature_extractor
    from torch_fidelity.registry import (  # type: ignore[import-untyped]
        FEATURE_EXTRACTORS_REGISTRY,
    )

    both, weight = features_and_logits(judge), next(judge.parameters())

    class Judge(FeatureExtractorBase):  # type: ignore[misc]
        def __init__(self, name: str, features: list[str], **_: Any) -> None:
            super().__init__(name, features)

        @staticmethod
        def get_provided_features_list() -> tuple[str, str]:
            return "features", "logits"

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "logits" if metric == "isc" else "features"

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            x = x.to(weight.device).float() / 255
            x, logits = both(
                x if getattr(bare(judge), "casts_images", False) else x.to(weight.dtype)
            )
            seen.see(x)
            logits = logits.float()  # of less than e^-745, a probability is 0, and 0 log 0 nan
            logits = (logits - logits.amax(1, keepdim=True)).clamp(min=-700)
            found = {"features": x.double(), "logits": logits}  # beside KID's 1 fp32 loses them
            return tuple(found[name] for name in self.features_list)

    name = f"jeat-judge-{id(judge)}"
    register_feature_extractor(name, Judge)
    try:
        with autocast("fp32", weight.device), evaluating(judge):
            yield {"feature_extractor": name, "batch_size": 500}
    finally:
        del FEATURE_EXTRACTORS_REGISTRY[name]


def measure(subject: Subject, *, inception: str | None = None) -> dict[str, float]:
    """Inception Score, FID, KID, precision and recall of samples against training images.

    Figures of the judge are named ``judge_``: they stand in for Inception's, and do not compare
    with those of another judge.

    Args:
        inception: file of the reference Inception's weights, or "reference" to fetch it (96 MB);
            the judge's features without.
    """
    samples, train = given(subject, "sample_quality", needs)
    if inception is not None:
        file = reference_inception() if inception == "reference" else inception
        return sample_quality(samples, train, file)
    if subject.judge is None:
        raise SettingError("sample_quality needs --judge, or --sample_quality.inception")
    figures = sample_quality(samples, train, subject.judge)
    return {f"judge_{name}": value for name, value in figures.items()}


def check(settings: Mapping[str, Any]) -> None:
    """Raise where the file of Inception's weights that the settings name is not there or not that.

    Raises:
        FileNotFoundError: it is not there, or cannot be fetched.
        ValueError: it holds something else.
    """
    inception = settings.get("inception")
    if inception is None:
        return
    file = reference_inception() if inception == "reference" else Path(inception)
    if not file.is_file():
        raise FileNotFoundError(f"no file of Inception's weights at {inception}")
    with inception_weights(str(file)):
        pass
