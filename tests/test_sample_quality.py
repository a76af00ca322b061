"""Figures of samples: laws of IS, FID, KID, precision and recall, and torch-fidelity's own."""

import hashlib
import importlib
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from jeat import metrics
from jeat._support.plugins import constant_of
from jeat.metrics import DoubtWarning, Subject, judge_accuracy, sample_quality
from jeat.nets import Spec, build

from .conftest import DIGITS

torch_fidelity = pytest.importorskip("torch_fidelity")
EXTRACTORS = torch_fidelity.registry.FEATURE_EXTRACTORS_REGISTRY
OURS = {"kid_error", "swd", "swd_error"} | {
    f"{name}{end}" for name in ("density", "coverage") for end in ("", "_error")
}
MEASURED = [name for name in metrics.names() if constant_of("metrics", name, "needs")]


def reader(pixels, classes=2, scale=1000.0):
    """A judge whose features are the pixels, and whose k-th logit is ``scale`` times the k-th."""
    judge = nn.Sequential(nn.Flatten(), nn.Linear(pixels, classes))
    with torch.no_grad():
        judge[1].weight.copy_(scale * torch.eye(pixels)[:classes])
        judge[1].bias.zero_()
    return judge


class Stored(torch.utils.data.Dataset):
    """A tensor of images as a data set."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, at):
        return self.x[at]


def one_hots(n):
    return F.one_hot(torch.arange(n) % 10, 10).float().view(n, 1, 2, 5)


def two_levels(n, mean, deviation):
    """n images of 4 pixels, mean +- deviation grey levels in all 16 ways: no correlation at all."""
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 4).repeat(n // 16, 1)
    return ((torch.tensor(mean) + signs * torch.tensor(deviation)) / 255).view(n, 1, 2, 2)


@pytest.fixture
def judge():
    return build(Spec("convnet-4", 1, 8, DIGITS.classes, norm="batch"))


@pytest.fixture
def subject(net, judge, digits):
    """A subject that has all there is."""
    x, y = digits
    train = DIGITS.train.floats(60)[0]
    return Subject(net, x, y, samples=1 - x, sample_labels=y, train=train, outside=x, judge=judge)


def test_the_inception_score_is_c_on_spread_one_hots_and_1_on_constants():
    spread, constant = one_hots(500), one_hots(1)[:1].expand(500, -1, -1, -1)
    found = [sample_quality(x, spread, reader(10, 10)) for x in (spread, constant)]
    assert found[0]["is"] == pytest.approx(10, rel=1e-6)
    assert found[1]["is"] == pytest.approx(1, rel=1e-6)


def test_the_inception_score_is_over_10_splits_from_1000_samples_on():
    """Ten splits of a hundred do not hold all ten classes equally often, one split does."""
    few, many = (sample_quality(one_hots(n), one_hots(50), reader(10, 10)) for n in (990, 1000))
    assert few["is_std"] == 0
    assert few["is"] == pytest.approx(10, rel=1e-6)
    assert 0.01 < many["is_std"] < 1
    assert 8 < many["is"] < 9.9


def test_the_fid_of_diagonal_gaussians_is_in_closed_form():
    """sum (m - m')^2 + (s - s')^2, which depends on the first two moments alone."""
    m, s, n = [60.0, 120.0, 130.0, 200.0], [10.0, 20.0, 30.0, 40.0], 640
    m_real, s_real = [80.0, 120.0, 100.0, 190.0], [30.0, 20.0, 10.0, 5.0]
    found = sample_quality(two_levels(n, m, s), two_levels(n, m_real, s_real), reader(4))["fid"]
    m, s, m_real, s_real = (torch.tensor(v) / 255 for v in (m, s, m_real, s_real))
    fid = (m - m_real).square().sum() + (s - s_real).square().sum() * n / (n - 1)
    assert found == pytest.approx(float(fid), rel=1e-4)


def test_the_kid_of_point_masses_is_in_closed_form():
    """k(x, x') = (<x, x'> / d + 1)^3: at 0 and 1 it is 1, at 1 and 1 it is 8."""
    black, white = torch.zeros(30, 1, 2, 2), torch.ones(10, 1, 2, 2)
    real = torch.cat([black[:10], white])  # 10 * 9 pairs of one kind, 200 of both
    found = sample_quality(black, real, reader(4))["kid"]
    assert found == pytest.approx(1 + (90 * 8 + 90 + 200) / 380 - 2 * 1, rel=1e-5)


@pytest.mark.parametrize("scale", [1e3, 1.0, 1e-2, 1e-3, 1e-4])
def test_the_kid_of_features_of_any_size_is_that_of_fp64(scale):
    """The kernel is of features of about 1, and beside its 1 fp32 loses smaller ones."""
    real, noise = DIGITS.train.floats(200)[0], torch.rand(200, 1, 8, 8)
    noise = (noise * 255).round() / 255
    judge = reader(64)
    judge.insert(1, nn.Linear(64, 64, bias=False))
    with torch.no_grad():
        judge[1].weight.copy_(scale * torch.eye(64))
        found = sample_quality(noise, real, judge)["kid"]
        x, x_real = (judge[:-1](v).double() for v in (noise, real))
    n = len(x)

    def k(a, b):
        u = a @ b.T / 64
        return u * (3 + 3 * u + u * u)  # (u + 1)^3 - 1, as the constant drops out

    same = sum((k(a, a).sum() - k(a, a).trace()) / (n * (n - 1)) for a in (x, x_real))
    assert found == pytest.approx(float(same - 2 * k(x, x_real).mean()), rel=1e-5)


def test_real_images_are_precise_and_complete_and_one_mode_is_precise_only():
    centres = torch.tensor([0.2, 0.8]).repeat(100).view(200, 1, 1, 1)
    real = centres + 0.1 * torch.rand(200, 1, 2, 2)
    same, mode, far = (sample_quality(x, real, reader(4)) for x in (real, real[::2], 0 * real))
    assert (same["precision"], same["recall"]) == (1, 1)
    assert same["fid"] == pytest.approx(0, abs=1e-6)
    assert (mode["precision"], mode["recall"]) == (1, pytest.approx(0.5))
    assert (far["precision"], far["recall"]) == (0, 0)
    assert far["fid"] > 100 * same["fid"]


def test_pixels_are_rounded_to_8_bits():
    real = torch.randint(256, (100, 1, 2, 2)) / 255
    known = sample_quality(real, real, reader(4))
    off = (real + 0.45 / 255 * torch.randn(100, 1, 2, 2).sign()).clamp(0, 1)
    assert sample_quality(off, real, reader(4)) == known
    rounded = (real + 5e-7 * torch.randn(100, 1, 2, 2).sign()).clamp(-1e-6, 1 + 1e-6)
    assert sample_quality(rounded, real, reader(4)) == known


def with_features_of(change):
    """A judge on digits whose 64 features are changed."""
    judge = build(Spec("convnet-4", 1, 8, DIGITS.classes, activation="relu"))
    (*_, last) = (m for m in judge if isinstance(m, nn.Conv2d))
    with torch.no_grad():
        change(last)
    return judge


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda layer: layer.bias.fill_(-1e3), "the judge's 64 features do not vary"),
        (lambda layer: layer.weight.zero_(), "the judge's 64 features do not vary"),
        (lambda layer: layer.weight.mul_(1e9), r"not finite \(kid -?inf.*give another --judge"),
        (lambda layer: layer.weight.mul_(1e-20), "the judge's 64 features do not vary"),
        (
            lambda layer: (layer.weight.mul_(1e-7), layer.bias.mul_(1e-7)),
            r"features vary .* by \de-\d+ only, which KID",
        ),
        (lambda layer: layer.bias.fill_(1e5), "the judge's 64 features do not vary"),
        (lambda layer: layer.weight.mul_(torch.inf), r"features are NaN or infinite at \d+ of"),
    ],
    ids=["dead", "constant", "large", "small", "rounded away", "nearly constant", "infinite"],
)
def test_a_judge_whose_features_say_nothing_is_refused(change, said, recwarn):
    real, noise = DIGITS.train.floats(100)[0], torch.rand(100, 1, 8, 8)
    for samples in (noise, real):
        with pytest.raises(ValueError, match=f"^.*{said}[^\n]*$"):
            sample_quality(samples, real, with_features_of(change))
    assert not recwarn.list


def test_a_judge_to_which_most_images_are_the_same_is_refused():
    real = DIGITS.train.floats(100)[0]
    rare = nn.Sequential(nn.Flatten(), Rare(), nn.Linear(64, 10))
    with pytest.raises(ValueError, match="or are the same for nearly all"):
        sample_quality(real, real, rare)


class Rare(nn.Module):
    """The features of the brightest image of a batch; 0 for the others."""

    def forward(self, x):
        return x * (x.sum(1) == x.sum(1).max())[:, None]


def test_a_judge_in_a_sequence_is_that_judge():
    real, samples = DIGITS.train.floats(100)[0], torch.rand(100, 1, 8, 8)
    judge = build(Spec("convnet-4", 1, 8, DIGITS.classes))
    assert sample_quality(samples, real, nn.Sequential(judge)) == sample_quality(
        samples, real, judge
    )


def test_it_is_said_that_most_features_are_dead():
    real = DIGITS.train.floats(100)[0]
    keep = torch.zeros(64).index_fill_(0, torch.arange(20, 40), 1)
    judge = nn.Sequential(nn.Flatten(), Kept(keep), nn.Linear(64, 10))
    with pytest.warns(DoubtWarning, match="of the judge's 64 features do not vary"):
        sample_quality(real, real, judge)


class Kept(nn.Module):
    def __init__(self, keep):
        super().__init__()
        self.keep = keep

    def forward(self, x):
        return x * self.keep


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_judge_of_another_dtype_judges(dtype):
    real = DIGITS.train.floats(100)[0]
    found = sample_quality(torch.rand(100, 1, 8, 8), real, reader(64).to(dtype))
    same = sample_quality(torch.rand(100, 1, 8, 8), real, reader(64))
    assert found["fid"] == pytest.approx(same["fid"], rel=0.3)


def test_samples_that_are_all_alike_are_measured():
    """It is the real images that must differ to the judge."""
    real = DIGITS.train.floats(100)[0]
    assert sample_quality(real[:1].expand(80, -1, -1, -1), real, reader(64))["recall"] < 0.1
    with pytest.raises(ValueError, match="judge's 64 features do not vary over the real"):
        sample_quality(real, real[:1].expand(80, -1, -1, -1), reader(64))


@pytest.mark.parametrize(("samples", "train"), [(64, 100), (100, 64)])
def test_fid_is_left_out_with_a_word_where_images_are_no_more_than_features(
    samples, train, recwarn
):
    x = DIGITS.train.floats(100)[0]
    assert {"fid", "fid_error"} < sample_quality(x[:65], x[:65], reader(64)).keys()
    assert not recwarn.list
    assert not {"fid", "fid_error"} & sample_quality(x[:samples], x[:train], reader(64)).keys()
    (said,) = recwarn.list
    assert said.category is DoubtWarning
    assert f"{samples} samples and {train} training images in 64 features" in str(said.message)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_figures_are_in_fp32_whatever_is_around(kind, judge):
    x = DIGITS.train.floats(70)[0]
    known = sample_quality(1 - x, x, judge)
    with torch.autocast("cpu", kind):
        assert sample_quality(1 - x, x, judge) == known


@pytest.mark.parametrize(("n", "shape"), [(300, (1, 8, 8)), (1100, (1, 8, 8)), (40, (3, 6, 6))])
def test_figures_are_those_of_torch_fidelity_called_directly(n, shape):
    judge = build(Spec("convnet-4", shape[0], shape[1], DIGITS.classes)).eval()
    samples, train = (torch.randint(256, (k, *shape), dtype=torch.uint8) // 2 for k in (n, 1200))
    train += torch.arange(1200, dtype=torch.uint8).view(-1, 1, 1, 1) % 8 * 10

    class Oracle(torch_fidelity.FeatureExtractorBase):
        def __init__(self, name, features_list, **kwargs):
            super().__init__(name, features_list)

        @staticmethod
        def get_provided_features_list():
            return "hidden", "logits"

        def forward(self, x):
            hidden = []
            hook = judge[-1].register_forward_pre_hook(lambda m, given: hidden.append(given[0]))
            logits = judge(x.float() / 255)
            hook.remove()
            both = {"hidden": hidden[0], "logits": logits}
            return tuple(both[name] for name in self.features_list)

    torch_fidelity.register_feature_extractor("oracle", Oracle)
    layers = {f"feature_layer_{m}": "hidden" for m in ("fid", "kid", "prc")}
    direct = torch_fidelity.calculate_metrics(
        input1=Stored(samples), input2=Stored(train), feature_extractor="oracle",
        isc=True, fid=True, kid=True, prc=True, feature_layer_isc="logits", **layers,
        isc_splits=10 if n >= 1000 else 1, kid_subset_size=min(n, 1000), cuda=False, verbose=False,
        save_cpu_ram=True,
    )  # fmt: skip
    del EXTRACTORS["oracle"]
    found = sample_quality(samples / 255, train / 255, judge)
    known = {
        "is": "inception_score_mean", "is_std": "inception_score_std",
        "fid": "frechet_inception_distance", "kid": "kernel_inception_distance_mean",
        "precision": "precision", "recall": "recall",
    }  # fmt: skip
    if n <= 64:
        del known["fid"]
    theirs = {k: pytest.approx(direct[v], rel=1e-4, abs=1e-7) for k, v in known.items()}
    assert {k: v for k, v in found.items() if k in known} == theirs
    assert found.keys() - known == OURS | ({"fid_error"} if n > 64 else set())
    assert found["kid"] > 1e-5


def test_the_same_images_give_the_same_figures_whatever_the_random_state(subject):
    measure = metrics.find("sample_quality")
    found = measure(subject)
    torch.manual_seed(7)
    assert measure(subject) == found
    assert set(found) == {
        f"judge_{name}" for name in ("is", "is_std", "kid", "precision", "recall", *OURS)
    }


def test_nothing_is_left_behind_and_nothing_is_said(subject, judge, capfd):
    judge[2].eval()
    modes = [m.training for m in judge.modules()]
    state, known = {k: v.clone() for k, v in judge.state_dict().items()}, set(EXTRACTORS)
    with pytest.warns(DoubtWarning, match="16 samples and 60 training images in 64 features"):
        metrics.find("sample_quality")(subject)
    assert [m.training for m in judge.modules()] == modes
    assert all(torch.equal(v, state[k]) for k, v in judge.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in judge.parameters())
    assert set(EXTRACTORS) == known
    assert capfd.readouterr() == ("", "")
    with pytest.raises(RuntimeError):
        sample_quality(torch.rand(9, 3, 8, 8), torch.rand(9, 3, 8, 8), judge)
    assert set(EXTRACTORS) == known


def test_a_judge_looks_in_eval_mode(subject, judge):
    found = sample_quality(subject.samples, subject.train, judge.train())
    assert found == sample_quality(subject.samples, subject.train, judge.eval())


def test_inception_is_read_from_its_file_and_sees_grey_as_rgb(subject, tmp_path, monkeypatch):
    """In place of Inception, an extractor that wants what Inception wants."""
    seen = []

    class Small(torch_fidelity.FeatureExtractorBase):
        def __init__(self, name, features_list, feature_extractor_weights_path, **kwargs):
            super().__init__(name, features_list)
            self.layer = nn.Linear(192, 1008)
            weights = torch.load(feature_extractor_weights_path)
            self.layer.load_state_dict({k.removeprefix("fc."): v for k, v in weights.items()})

        @staticmethod
        def get_provided_features_list():
            return "logits_unbiased", "2048"

        @staticmethod
        def get_default_feature_layer_for_metric(metric):
            return "logits_unbiased" if metric == "isc" else "2048"

        def forward(self, x):
            seen.append(x)
            pixels = x.flatten(1) / 255
            found = {"2048": pixels[:, :64], "logits_unbiased": self.layer(pixels)}
            return tuple(found[name] for name in self.features_list)

    monkeypatch.setitem(EXTRACTORS, "inception-v3-compat", Small)
    weights = {"fc.weight": torch.randn(1008, 192), "fc.bias": torch.zeros(1008)}
    torch.save(weights, tmp_path / "weights.pth")
    found = metrics.find("sample_quality")(subject, inception=str(tmp_path / "weights.pth"))
    assert set(found) == {"is", "is_std", "kid", "precision", "recall", *OURS}
    judged = sample_quality(subject.samples, subject.train, reader(64))
    assert found["kid"] == pytest.approx(judged["kid"], rel=1e-5)
    shown = torch.cat(seen)
    assert shown.dtype == torch.uint8
    assert (shown[:16] == (subject.samples * 255).round()).all()
    assert shown.shape == (76, 3, 8, 8)


def test_the_reference_inception_is_fetched_once_and_checked(tmp_path, monkeypatch):
    module = importlib.import_module("jeat.metrics._inception")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "source").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setattr(module, "_URL", (tmp_path / "source").as_uri())
    with pytest.raises(FileNotFoundError, match=r"cannot fetch .* give its path"):
        module.reference_inception()  # of another hash
    assert not list((tmp_path / "checkpoints").iterdir())
    monkeypatch.setattr(module, "_HASH", digest[:8])
    file = module.reference_inception()
    assert file.read_bytes() == b"weights"
    (tmp_path / "source").unlink()
    assert module.reference_inception() == file


@pytest.mark.slow
def test_the_reference_inception_itself_takes_a_file_of_its_weights(tmp_path):
    """With random weights, as the real ones need a download: it runs, called as it should be."""
    inception = EXTRACTORS["inception-v3-compat"]
    torch.save({}, tmp_path / "none.pth")
    blank = type("Blank", (inception,), {"load_state_dict": lambda self, weights: None})
    net = blank("blank", ["2048"], feature_extractor_weights_path=tmp_path / "none.pth")
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    x, train = (torch.randint(256, (n, 3, 32, 32), dtype=torch.uint8) for n in (6, 7))
    direct = torch_fidelity.calculate_metrics(
        input1=Stored(x), input2=Stored(train), feature_extractor="inception-v3-compat", kid=True,
        feature_extractor_weights_path=tmp_path / "weights.pth", cuda=False, verbose=False,
        save_cpu_ram=True, kid_subset_size=6,
    )  # fmt: skip
    found = sample_quality(x / 255, train / 255, tmp_path / "weights.pth")["kid"]
    assert found == pytest.approx(direct["kernel_inception_distance_mean"], rel=1e-3, abs=1e-9)


def test_judge_accuracy_is_the_share_taken_for_the_class_asked_for():
    x, y = one_hots(1000), torch.arange(1000) % 10
    asked = torch.where(torch.arange(1000) % 4 == 0, (y + 1) % 10, y)
    assert judge_accuracy(reader(10, 10), x, asked) == 0.75


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, f) for name in MEASURED for f in constant_of("metrics", name, "needs")]
    + [("sample_quality", "judge")],
)
def test_a_metric_says_what_it_needs(name, field, subject):
    fields = {k: v for k, v in vars(subject).items() if k != field}
    with pytest.raises(ValueError, match=f"^{name} needs .*{field}[^\n]*$"):
        metrics.find(name)(Subject(**fields))


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_compared_is_refused_in_one_line(judge, tmp_path):
    x = torch.rand(9, 1, 8, 8)
    (tmp_path / "text").write_text("no weights")
    torch.save({"fc.bias": torch.zeros(1000)}, tmp_path / "other.pth")
    for samples, train, extractor, said in (
        (x[:0], x, judge, "no image"),
        (x[:5], x, judge, "at least 6 images"),
        (x, x[:5], judge, "at least 6 images"),
        (x, x[:, :, :4], judge, "do not compare"),
        (x / 0, x, judge, "finite"),
        (255 * x, x, judge, "divide uint8 pixels by 255"),
        (
            x,
            1.01 * x + 0.05,
            judge,
            r"outside of .*: undo what normalised them, then x.clamp\(0, 1\)",
        ),
        (x, x, judge[0], "ends in a linear layer"),
        (x, x, nn.Sequential(), "ends in a linear layer"),
        (x, x, tmp_path / "none.pth", "cannot read .*none.pth: FileNotFoundError"),
        (x, x, str(tmp_path / "text"), "cannot read .*text: UnpicklingError"),
        (x, x, tmp_path / "other.pth", "something else; give torch-fidelity's"),
    ):
        with pytest.raises(ValueError, match=f"^.*{said}[^\n]*$"):
            sample_quality(samples, train, extractor)


def test_importing_the_metrics_imports_neither_torch_fidelity_nor_kornia():
    code = (
        "import sys, jeat.metrics; sys.exit(bool({'torch_fidelity', 'kornia'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
