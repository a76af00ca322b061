"""How samples compare with real images, in the features of a net that looks at both."""

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from jeat._support.checks import DoubtWarning, SettingError, is_fp32, quoted
from jeat._support.passes import bare
from jeat._support.tensors import check_images
from jeat.metrics._column import Column
from jeat.metrics._features import See, Seen, real_seen_by, seen_by
from jeat.metrics._inception import by_inception, check_inception, reference_inception
from jeat.metrics._judge import features_and_logits
from jeat.metrics._likeness import NEIGHBOUR, density_and_coverage, fid, kid_error, sliced_distance
from jeat.metrics._lite0 import LITE0, Lite0, check_lite0, lite0
from jeat.metrics._subject import Subject, checked, given
from jeat.nets import autocast, evaluating

__all__ = ["measure", "reference_inception", "sample_quality"]

_NAMES = {"": "Inception's", "judge_": "the judge's", "lite0_": "EfficientNet-Lite0's"}
_LABELS = {"": "", "judge_": "judge-", "lite0_": "Lite0-"}
_KINDS: tuple[tuple[str, str, str, Literal["higher", "lower", ""]], ...] = (
    ("is", "IS", "in {} probabilities", "higher"),
    ("fid", "FID", "in {} features", "lower"),
    ("fid_error", "FID error", "jackknife over samples", ""),
    ("kid", "KID", "in {} features", "lower"),
    ("kid_error", "KID error", "jackknife over samples", ""),
    ("swd", "SWD", "sliced Wasserstein distance in {} features", "lower"),
    ("swd_error", "SWD error", "jackknife over samples", ""),
    ("precision", "precision", "in {} features", "higher"),
    ("recall", "recall", "in {} features", "higher"),
    ("density", "density", "in {} features; of real images 1", "higher"),
    ("density_error", "density error", "jackknife over samples", ""),
    ("coverage", "coverage", "in {} features", "higher"),
    ("coverage_error", "coverage error", "jackknife over samples", ""),
)
columns = tuple(
    Column(of + name, _LABELS[of] + label, note.format(_NAMES[of]), better, by_count=True)
    for of in _NAMES
    for name, label, note, better in _KINDS
)

needs = ("samples", "train")
needs_either = ("judge", "inception", "features")
_FIGURES = {
    "is": "inception_score_mean",
    "is_std": "inception_score_std",
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
      features (Heusel et al. 2017); left out, with a warning, where samples or real images are no
      more than features.
    - ``kid``: squared MMD of features under the kernel (<x, x'> / d + 1)^3 of d features
      (Binkowski et al. 2018), mean over 100 subsets of 1000 images, of the smaller set's size where
      there are fewer; in fp64. It depends on the features' scale.
    - ``swd``: sliced Wasserstein distance of features (Bonneel et al. 2015), by 256 directions.
    - ``precision``, ``recall``: the share of samples within the third-neighbour balls of real
      features, and the other way round (Kynkaanniemi et al. 2019).
    - ``density``, ``coverage``: a fifth of the mean number of fifth-neighbour balls of real
      features that a sample is in, and the share of balls that a sample is in (Naeem et al. 2020);
      with as many real images as samples, spread evenly, where there are more.
    - ``fid_error``, ``kid_error``, ``swd_error``, ``density_error``, ``coverage_error``: standard
      errors over the samples, by the jackknife; the real images stay what they are.

    Pixels are rounded to 8 bits first, as image files would. Splits and subsets are drawn from
    torch-fidelity's fixed seed, so the first six are those of torch-fidelity called with its
    defaults.

    Args:
        samples: in [0, 1].
        train: the real images, all that samples shall be compared with.
        extractor: a net whose last linear layer receives the features and returns the logits; or
            the path of torch-fidelity's weights of the reference Inception, which sees grey images
            as RGB. In eval mode, fp32.

    Raises:
        ValueError: fewer than 6 images, images of other shapes or outside of [0, 1], a net that
            does not end in a linear layer, a file that does not hold the weights, features that are
            the same for all real images or vary by less than 1e-5, a figure that is NaN or beyond
            fp32.

    Warns:
        DoubtWarning: there are no more images than features; most features do not vary.
    """
    samples, train = check_images(samples, train)
    if min(len(samples), len(train)) <= NEIGHBOUR:
        raise ValueError(
            f"sample_quality takes at least {NEIGHBOUR + 1} images of each kind, got "
            f"{len(samples)} samples and {len(train)} training images"
        )
    judged, seen = isinstance(extractor, nn.Module), Seen()
    see = _judging(extractor) if judged else by_inception(extractor, samples.device)
    with autocast("fp32", samples.device), np.errstate(all="ignore"):
        f, logits = seen_by(see, samples, seen)
        if isinstance(extractor, Lite0):
            g = real_seen_by(see, train, seen, kept=extractor.kept)
        else:
            g, _ = seen_by(see, train, seen)
        seen.check(len(samples))
        figures = _figures(f, g, logits)
    figures = {k: v if is_fp32(v) else math.copysign(math.inf, v) for k, v in figures.items()}
    return checked(figures, "the features are too large; give another --judge")


def _figures(f: Tensor, g: Tensor, logits: Tensor) -> dict[str, float]:
    """The figures of features (n, d) and logits of samples, and features (m, d) of real images."""
    from torch_fidelity.metric_isc import (  # type: ignore[import-untyped]
        isc_features_to_metric,
    )
    from torch_fidelity.metric_kid import (  # type: ignore[import-untyped]
        kid_features_to_metric,
    )
    from torch_fidelity.metric_prc import (  # type: ignore[import-untyped]
        prc_features_to_metric,
    )

    n, m, d = *map(len, (f, g)), f.shape[1]
    found = isc_features_to_metric(logits, splits=10 if n >= 1000 else 1)
    found |= kid_features_to_metric(f, g, kid_subset_size=min(1000, n, m), verbose=False)
    found |= prc_features_to_metric(f, g, prc_batch_size=2000, save_cpu_ram=True, verbose=False)
    figures = {name: float(found[key]) for name, key in _FIGURES.items()}
    figures["kid_error"] = kid_error(f, g)
    figures["swd"], figures["swd_error"] = sliced_distance(f, g)
    for name, pair in zip(("density", "coverage"), density_and_coverage(f, g), strict=True):
        figures[name], figures[f"{name}_error"] = pair
    if min(n, m) > d:
        figures["fid"], figures["fid_error"] = fid(f, g)
    else:
        warnings.warn(
            f"FID is left out: {n} samples and {m} training images in {d} features, and with no "
            "more images than features a covariance is singular, and FID mostly bias",
            DoubtWarning,
            stacklevel=3,
        )
    return figures


def _judging(judge: Any) -> See:
    """What a judge sees, in eval mode and fp32."""
    both, weight = features_and_logits(judge), next(judge.parameters())
    casts = getattr(bare(judge), "casts_images", False)

    def see(x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.to(weight.device).float() / 255
        with autocast("fp32", weight.device), evaluating(judge):
            return both(x if casts else x.to(weight.dtype))

    return see


def measure(
    subject: Subject,
    *,
    inception: str | None = None,
    features: Literal["efficientnet-lite0"] | None = None,
) -> dict[str, float]:
    """Inception Score, FID, KID, precision, recall, density and coverage of samples.

    They are compared with training images. Figures of the judge are named ``judge_``, those of
    EfficientNet-Lite0 ``lite0_``: they stand in for Inception's, and do not compare with those of
    another net.

    Args:
        inception: file of the reference Inception's weights, or "reference" to fetch it (96 MB).
        features: efficientnet-lite0 is a net of ImageNet, which never saw these data; the judge's
            without, and without inception.
    """
    check({"inception": inception, "features": features})
    samples, train = given(subject, "sample_quality", needs)
    if inception is not None:
        return sample_quality(samples, train, _inception_file(inception))
    if features is not None:
        of, judge = "lite0", lite0().to(subject.x.device)
    else:
        of, judge = "judge", given(subject, "sample_quality", ("judge",))[0]
    figures = sample_quality(samples, train, judge)
    return {f"{of}_{name}": value for name, value in figures.items()}


def check(settings: Mapping[str, Any]) -> None:
    """Raise where what the settings name is not there.

    Raises:
        FileNotFoundError: the file of Inception's weights is not, or cannot be fetched.
        ValueError: it holds something else; the packages of other features are not installed.
    """
    inception, features = settings.get("inception"), settings.get("features")
    if inception is not None and features is not None:
        raise SettingError("sample_quality looks with inception or with features: give one of them")
    if features is not None:
        if features != LITE0:
            raise SettingError(f"unknown features {quoted(features)}: use {quoted(LITE0)}")
        check_lite0()
    if inception is not None:
        file = _inception_file(inception)
        if not Path(file).is_file():
            raise FileNotFoundError(f"no file of Inception's weights at {inception}")
        check_inception(file)


def _inception_file(inception: str) -> str | Path:
    return reference_inception() if inception == "reference" else inception
