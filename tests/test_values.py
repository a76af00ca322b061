"""What values functions meet: NaN and infinity, images of another range, nets in train mode."""

import json
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import jeat
from jeat import metrics
from jeat._support.checks import doubts
from jeat.attacks import balls, fgsm, fgsm_rs, pgd
from jeat.cli import main
from jeat.data import Batch, from_arrays
from jeat.energy import energy_of, loss_of, score
from jeat.figures import energy_changes, grid
from jeat.jobs.drawing import Drawing
from jeat.jobs.image_files import draw_to, save_images
from jeat.jobs.measurement import Measurement, measure, measure_to
from jeat.metrics import DoubtWarning, NotFiniteError, Subject
from jeat.metrics.out_of_distribution import auroc, inside_scores
from jeat.nets import Spec, build, save_net
from jeat.objectives import TwoParts
from jeat.report import Column, Table, markdown, ordering, summarise, write_csv
from jeat.samplers import langevin, last
from jeat.training.iteration import iterate, prepare
from jeat.training.plan import Optimisation

from .conftest import DIGITS

X, _ = DIGITS.test.floats(8)
NAN, INF = torch.nan, torch.inf
with torch.random.fork_rng():
    torch.manual_seed(1)
    NET = build(Spec("convnet-4", 1, 8, DIGITS.classes)).eval().requires_grad_(False)
Y = NET(X).argmax(1)  # every image is right
BALL = {"eps": 0.1, "steps": 3, "step_size": 0.05}
L2 = {"eps": 0.5, "steps": 3, "step_size": 0.25, "norm": "l2"}
L1 = {"eps": 4.0, "steps": 3, "step_size": 2.0, "norm": "l1"}
PLANE = {"radius": 1.0, "points": 3}


class Changed(nn.Module):
    """A net whose logits are changed where an image is near one of the first ``number``."""

    def __init__(self, change, number=8):
        super().__init__()
        self.net, self.change, self.number = NET, change, number

    def forward(self, x):
        near = torch.cdist(x.flatten(1), X.flatten(1)).argmin(1) < self.number
        f = self.net(x)
        return torch.where(near[:, None], self.change(f), f)


class Coloured(nn.Module):
    """Logits of the deviation over channels without an epsilon: finite, with NaN gradients."""

    def __init__(self):
        super().__init__()
        self.net = NET

    def forward(self, x):
        return self.net(x) + 0 * x.var(1, correction=0).sqrt().flatten(1).sum(1, keepdim=True)


class Root(Coloured):
    """Logits with the root of each pixel: finite, with infinite gradients at black ones."""

    def forward(self, x):
        return self.net(x) + 1e-6 * x.sqrt().flatten(1).sum(1, keepdim=True)


def one(f, value):
    """The logit of the first image's class becomes ``value``."""
    return torch.where(torch.arange(10) == Y[0], value, f)


BAD_LOGITS = {
    "nan": Changed(lambda f: f * NAN),
    "inf": Changed(lambda f: f + INF),
    "-inf": Changed(lambda f: f - INF),
    "nan of one class": Changed(lambda f: one(f, NAN)),
    "inf of one class": Changed(lambda f: one(f, INF)),
    "nan for some images": Changed(lambda f: f * NAN, 1),
    "inf for some images": Changed(lambda f: f + INF, 1),
}
BAD_GRADIENTS = {"nan": Coloured(), "inf": Root()}
FOLLOW = {  # what follows gradients
    **{
        f"pgd {norm} {loss}{' from x' * (not start)}": partial(
            pgd,
            **how,
            loss=loss if loss != "own" else lambda f, y: -f[torch.arange(len(y)), y],
            random_start=start,
        )
        for norm, how in (("linf", BALL), ("l1", L1), ("l2", L2))
        for loss in ("ce", "energy", "own")
        for start in (True, False)
    },
    "pgd early exit": partial(pgd, **BALL, early_exit=True),
    "pgd grad_at clean": partial(pgd, **BALL, grad_at="clean"),
    "fgsm": partial(fgsm, eps=0.1),
    "fgsm_rs": partial(fgsm_rs, eps=0.1),
    "robust_accuracy": partial(metrics.robust_accuracy, eps=0.1),
    "robust_accuracy l2": partial(metrics.robust_accuracy, **L2),
    "robust_accuracy of restarts": partial(metrics.robust_accuracy, eps=0.1, restarts=2),
    "robustness_curve": partial(metrics.robustness_curve, radii=[0.05, 0.1]),
    "class_accuracy": partial(metrics.class_accuracy, eps=0.1),
    "targeted_success": partial(metrics.targeted_success, eps=0.1),
    "pgd targeted": lambda net, x, y: pgd(net, x, y, **BALL, target=(y + 1) % 10),
    "robust_accuracy bf16": partial(metrics.robust_accuracy, eps=0.1, precision="bf16"),
    "auto_attack": partial(metrics.auto_attack, attacks=["apgd-ce"]),
    "auto_attack l1": partial(metrics.auto_attack, attacks=["apgd-ce"], eps=4.0, norm="l1"),
    "auto_attack l2": partial(metrics.auto_attack, attacks=["apgd-ce"], eps=0.5, norm="l2"),
    "auto_attack fab": partial(metrics.auto_attack, attacks=["fab-t"]),
    "jfs": metrics.fisher_score,
    "mfs": lambda net, x, y: metrics.fisher_score(net, x),
    "jfs probes": partial(metrics.fisher_score, probes=2),
    "fisher_terms": metrics.fisher_terms,
    "out_of_distribution": lambda net, x, y: metrics.out_of_distribution(net, x, 1 - x),
    "inside_scores": lambda net, x, y: inside_scores(net, x),
    "langevin": lambda net, x, y: list(
        langevin(energy_of(net), x, steps=2, step_size=0.01, noise=0.0)
    ),
    "langevin in bounds": lambda net, x, y: list(
        langevin(energy_of(net, y), x, steps=2, step_size=0.01, noise=0.0, bounds=(0, 1))
    ),
    "sample": lambda net, x, y: jeat.sample(net, y, steps=2, step_size=0.01, start=lambda _: x),
}
LOOK = {  # what looks at logits
    "accuracy": metrics.accuracy,
    "class_accuracy, clean": metrics.class_accuracy,
    "aimed": lambda net, x, y: metrics.aimed(net, x, y, "least-likely"),
    "energies": metrics.energies,
    "calibration_error": metrics.calibration_error,
    "judge_accuracy": metrics.judge_accuracy,
    "zero_gradient": metrics.zero_gradient,
    "gradient_masking": partial(metrics.gradient_masking, eps=0.1, queries=3),
    "gradient_masking l1": partial(metrics.gradient_masking, eps=4.0, norm="l1", queries=3),
    "gradient_masking l2": partial(metrics.gradient_masking, eps=0.5, norm="l2", queries=3),
    "square": partial(metrics.auto_attack, attacks=["square"]),
    "energy_on_plane": lambda net, x, y: metrics.energy_on_plane(
        net, x, y, directions=metrics.plane(x, seed=0), **PLANE
    ),
    "energy_on_plane of E(x)": lambda net, x, y: metrics.energy_on_plane(
        net, x, directions=metrics.plane(x, seed=0), **PLANE
    ),
}
SLOW = ("square", "auto_attack l2", "auto_attack fab")  # where there is nothing to refuse


def dense(net):
    """The net, which says that its E(x) is -log p(x)."""
    net.normalised = True
    return net


MEASURED = {
    f"measure {name}": lambda net, x, y, name=name: metrics.find(name)(
        Subject(
            dense(net),
            x,
            y,
            samples=x,
            sample_labels=y,
            train=x,
            outside=1 - x,
            judge=net,
            train_labels=y,
        )
    )
    for name in metrics.names()
    if name not in ("nearest", "sample_quality", "image_statistics", "auto_attack")
}


def refused(call, said):
    """The call is refused in a line that says so."""
    with pytest.raises(ValueError, match=f"^[^\n]*{said}[^\n]*$") as error:
        call()
    return error


@pytest.mark.parametrize("net", BAD_LOGITS.values(), ids=BAD_LOGITS)
@pytest.mark.parametrize("call", (FOLLOW | LOOK | MEASURED).values(), ids=FOLLOW | LOOK | MEASURED)
def test_logits_that_are_not_finite_are_refused_by_name(call, net):
    error = refused(lambda: call(net.eval(), X, Y), "NaN or infinite")
    assert isinstance(error.value, NotFiniteError)


@pytest.mark.parametrize("net", BAD_GRADIENTS.values(), ids=BAD_GRADIENTS)
@pytest.mark.parametrize("call", FOLLOW.values(), ids=FOLLOW)
def test_gradients_that_are_not_finite_are_no_robustness_and_no_score(call, net):
    error = refused(lambda: call(net.eval(), X, Y), "NaN or infinite")
    assert isinstance(error.value, NotFiniteError)


@pytest.mark.parametrize("net", BAD_GRADIENTS.values(), ids=BAD_GRADIENTS)
@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_gradients_that_are_not_finite_are_a_sign_of_masking(net, norm):
    x = DIGITS.test.floats(12)[0]
    y = NET(x).argmax(1)
    zero = metrics.zero_gradient(net.eval(), x, y)
    assert zero["zero_gradient_share"] == zero["nan_gradient_share"] == 1
    assert zero["zero_gradient_share_energy"] == 1
    found = metrics.gradient_masking(net, x, y, eps=0.1, norm=norm, queries=3)
    assert found["masking_zero_gradient"] == found["masking_nan_gradient"] == 1
    if isinstance(net, Coloured) and not isinstance(net, Root):  # at all pixels: it stands still
        assert found["masking_pgd"] == found["masking_unbounded"] == metrics.accuracy(net, x, y)
    said = metrics.signs_of_masking(found)
    assert "gradients look masked: the gradient is NaN or infinite at 12 of 12 images" in said
    assert not any("exactly zero" in line for line in said)
    few = metrics.signs_of_masking(found | {"masking_images": 1.0, "masking_nan_gradient": 0.1})
    assert any("NaN or infinite" in line for line in few)


def test_the_direction_of_a_gradient_that_is_not_finite_is_nan():
    g = torch.randn(3, 1, 2, 2)
    g[1, 0, 0, 0], g[2, 0, 1, 1] = NAN, INF
    for norm in ("linf", "l1", "l2"):
        d = balls.steepest(g, norm)
        assert d[0].isfinite().all()
        assert d[1:].isnan().all()


def test_an_image_that_is_fooled_before_its_gradient_breaks_is_fooled():
    """It leaves the attack, and needs no further gradient."""
    wrong = (Y + 1) % 10
    assert metrics.robust_accuracy(Coloured().eval(), X, wrong, eps=0.1) == 0


def test_images_in_another_order_of_memory_and_none_are_as_good():
    x = torch.rand(4, 3, 8, 8).to(memory_format=torch.channels_last)
    net = build(Spec("convnet-4", 3, 8, DIGITS.classes)).eval()
    assert pgd(net, x, torch.arange(4), **BALL).isfinite().all()
    how = {"steps": 2, "step_size": 0.1, "noise": 0.0}
    assert last(langevin(energy_of(net), x, **how)).isfinite().all()
    assert last(langevin(lambda x: x.sum((1, 2, 3)), x[:0], **how)).shape == (0, 3, 8, 8)


def test_an_energy_that_is_not_finite_has_no_score():
    E = lambda x: torch.where(torch.arange(len(x)) == 1, INF, 0) + x.flatten(1).sum(1)  # noqa: E731
    assert (score(E, X)[[0, 2]] == -1).all()
    assert score(E, X)[1].isnan().all()


@pytest.mark.parametrize("f", [metrics.curvature, metrics.minimum])
@pytest.mark.parametrize("value", [NAN, INF])
def test_energies_on_a_plane_that_are_not_finite_have_no_figures(f, value):
    E = torch.zeros(2, 3, 3)
    E[1, 0, 0] = value
    refused(lambda: f(E, radius=1.0), "NaN or infinite around 1 of 2 images")


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_scores_that_are_not_finite_have_no_rank(value):
    refused(lambda: auroc(torch.tensor([1.0, value]), torch.zeros(3)), "at 1 of 5 images")


# In training


class Attacked(TwoParts):
    """Cross-entropy at x_adv, attacked in train mode, on purpose; beside it a chain."""

    def points(self, net, batch):
        x_adv = pgd(net, batch.x, batch.y, **BALL)
        x_neg = last(langevin(energy_of(net), batch.x, steps=2, step_size=0.01))

        def loss_of_points(net):
            loss = loss_of(net, batch.y)(x_adv).mean() + 0 * energy_of(net)(x_neg).mean()
            return loss, {"loss": loss.detach()}

        return loss_of_points


def test_a_training_step_picks_modes_itself_and_counts_nan_as_diverged(recwarn):
    """In all processes alike: an error of one would leave the others waiting."""
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes, norm="batch"))
    training = prepare(net, Attacked(), Optimisation(batch_size=8), images=8)
    training.state.train()
    iterate(training, Batch(X, Y))
    assert not [w for w in recwarn if w.category is DoubtWarning]
    with torch.no_grad():
        net[-1].weight.fill_(NAN)
    with pytest.raises(FloatingPointError, match="loss became nan at iteration 2"):
        iterate(training, Batch(X, Y))


# Images of another range

SETS = {
    "0..255": (255 * X, r"outside of \[0, 1\] by 254: divide uint8 pixels by 255"),
    "-1..1": (2 * X - 1, r"from -1 to 1, which .* by 1: \(x \+ 1\) / 2 takes"),
    "normalised": (
        4 * X - 2,
        r"from -2 to 2, which .* by 2: undo what normalised them",
    ),
    "off": (
        X + 0.001,
        r"to 1.001, which .* by 0.001: x.clamp\(0, 1\) takes them back",
    ),
    "nan": (X.clone().index_fill_(0, torch.tensor(1), NAN), "nan: some pixels are NaN"),
    "uint8": ((255 * X).byte(), "uint8 .*divide uint8 pixels by 255"),
    "long": ((255 * X).long(), "int64 .*divide uint8 pixels by 255"),
}
IMAGES = {k: partial(f, NET) for k, f in (FOLLOW | LOOK).items() if "langevin" not in k} | {
    "memorisation": lambda x, y: metrics.memorisation(x, X, X),
    "memorisation of the held-out": lambda x, y: metrics.memorisation(X, x, X),
    "memorisation of the training images": lambda x, y: metrics.memorisation(X, X, x),
    "nearest": lambda x, y: metrics.nearest(x, X, k=1),
    "nearest by ssim": lambda x, y: metrics.nearest(X, x, k=1, distance="ssim"),
    "sample_quality": lambda x, y: metrics.sample_quality(x, X, NET),
    "sample_quality of real images": lambda x, y: metrics.sample_quality(X, x, NET),
    "outside": lambda x, y: metrics.out_of_distribution(NET, X, x),
    "outside_of": lambda x, y: metrics.outside_of(x, y, kind="inverted"),
    "grid": lambda x, y: np.asarray(grid(x, columns=2)),
}
del IMAGES["sample"]  # whose start may be anywhere


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("x", "said"), SETS.values(), ids=SETS)
@pytest.mark.parametrize("call", IMAGES.values(), ids=IMAGES)
def test_images_of_another_range_are_refused_with_what_to_do(call, x, said):
    refused(lambda: call(x, Y), said)


OFF = (X + torch.where(X == 0, -9e-7, 0)).where(X < 1, 1 + 9e-7)


@pytest.mark.filterwarnings("ignore::jeat._support.checks.DoubtWarning")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(k, marks=[pytest.mark.slow] * (k == "auto_attack l1"))
        for k in IMAGES
        if k not in SLOW
    ],
)
def test_a_rounding_error_outside_of_the_range_is_clamped(name):
    assert OFF.min() < 0 < 1 < OFF.max()
    found = []
    for x in (X, OFF):
        torch.manual_seed(3)
        found.append(IMAGES[name](x, Y))
    assert same(*found)


def same(a, b):
    """Whether figures, images or tuples of them are equal to the bit."""
    if isinstance(a, torch.Tensor | np.ndarray):
        return bool((a == b).all())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, tuple):
        return all(map(same, a, b))
    return a == b


def test_arrays_take_the_same_tolerance():
    y = np.arange(8)
    assert torch.equal(from_arrays(OFF.numpy(), y).x, from_arrays(X.numpy(), y).x)
    for name in ("0..255", "-1..1", "off"):
        x, said = SETS[name]
        refused(lambda x=x: from_arrays(x.numpy(), y), said)


def test_chains_may_roam():
    assert last(langevin(energy_of(NET), 3 * X, steps=1, step_size=0.1)).max() > 1


# Nets in train mode


@pytest.fixture
def training_net():
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes, norm="batch"))
    net(X)
    return net


@pytest.mark.parametrize(
    "call",
    [
        partial(pgd, **BALL), partial(fgsm, eps=0.1), partial(fgsm_rs, eps=0.1),
        lambda net, x, y: energy_of(net, y)(x), lambda net, x, y: loss_of(net, y)(x),
        lambda net, x, y: last(langevin(energy_of(net), x, steps=5, step_size=0.01)),
    ],
    ids=["pgd", "fgsm", "fgsm_rs", "energy_of", "loss_of", "langevin"],
)  # fmt: skip
def test_a_net_in_train_mode_is_said_once_where_modes_are_not_switched(call, training_net):
    for layer in (None, training_net[2]):  # the whole net, and one layer of it
        if layer is not None:
            training_net.eval()
            assert isinstance(layer.train(), nn.BatchNorm2d)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            call(training_net, X, Y)
        assert [w.category for w in said] == [DoubtWarning]
        assert "in train mode" in str(said[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(training_net.eval(), X, Y)


ATTACKS = [k for k in FOLLOW if k.startswith(("pgd", "fgsm", "langevin"))]


@pytest.mark.parametrize("name", [k for k in FOLLOW | LOOK if k not in (*ATTACKS, *SLOW)])
def test_all_else_switches_modes_itself_and_says_nothing(name, training_net):
    before = [b.clone() for b in training_net.buffers()]
    with warnings.catch_warnings():
        warnings.simplefilter("error", DoubtWarning)
        (FOLLOW | LOOK)[name](training_net, X, Y)
    assert all(map(torch.equal, before, training_net.buffers()))
    assert training_net.training


# Pictures and files


def test_a_picture_of_nan_is_refused(tmp_path):
    x = X.clone()
    x[3, 0, 0, 0] = NAN
    refused(lambda: grid(x, columns=2), "some pixels are NaN")
    refused(lambda: grid(X + INF, columns=2), "some pixels are NaN or infinite")
    log = {"epoch": 1.0, "delta_x_E": NAN, "delta_x_E_std": 1.0, "delta_x_E_y": 0.0}
    log |= {"delta_x_E_y_std": 0.0} | {f"delta_theta_{k}": 0.0 for k in ("E", "E_y")}
    log |= {f"delta_theta_{k}_std": 0.0 for k in ("E", "E_y")}
    refused(lambda: energy_changes.draw({"at": [log]}), "delta_x_E is NaN or infinite")
    drawing = Drawing(str(saved("a", tmp_path)))
    for images in (x, 2 * X):
        refused(lambda i=images: save_images(tmp_path / "new.safetensors", i, Y, drawing), "finite")
    assert not (tmp_path / "new.safetensors").exists()


def saved(name, folder, **weights):
    """The file of a net on digits."""
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes))
    with torch.no_grad():
        for at, value in weights.items():
            getattr(net[-1], at).fill_(value)
    about = {"plan": {"data": "digits"}}
    save_net(net, None, folder / f"{name}.safetensors", about=about)
    return folder / f"{name}.safetensors"


def endless(subject, *, value: float = float("inf")):
    """A metric that is no number.

    Args:
        value: what it gives.
    """
    return {"endless": value}


def test_a_figure_that_is_not_finite_is_refused_and_no_file_written(tmp_path, capsys):
    net, out = str(saved("a", tmp_path)), tmp_path / "out.json"
    for value in ("inf", "nan"):
        own = Measurement(
            net,
            ("tests.test_values:endless",),
            {"tests.test_values:endless": {"value": float(value)}},
        )
        refused(lambda m=own: measure(m), f"tests.test_values:endless gives endless {value}")
        refused(lambda m=own: measure_to(out, m), f"gives endless {value}")
    words = ["measure", net, "--metrics", "tests.test_values:endless", "--out", str(out)]
    assert main(words) == 1
    assert "gives endless inf, which is no figure" in capsys.readouterr().err
    assert not out.exists()


def test_a_net_that_diverged_is_not_measured_or_drawn(tmp_path, capsys):
    net = str(saved("a", tmp_path, weight=3e38))
    for words in (
        ["measure", net, "-n", "4", "--out", str(tmp_path / "out.json")],
        ["measure", net, "-n", "4", "--metrics", "energies", "--out", str(tmp_path / "out.json")],
        ["attack", net, "-n", "4", "--norm", "l2", "--out", str(tmp_path / "out.npz")],
        ["sample", net, str(tmp_path / "out.png"), "-n", "1", "--steps", "2"],
        ["landscape", net, str(tmp_path / "out.png"), "--points", "3"],
    ):
        assert main(words) == 1
        said = capsys.readouterr().err
        assert "NaN or infinite" in said
        assert said.strip().count("\n") == 0
    assert {f.name for f in tmp_path.iterdir()} == {"a.safetensors"}


def test_what_an_earlier_version_wrote_with_nan_is_measured_anew(tmp_path):
    m, file = Measurement(str(saved("a", tmp_path)), ("accuracy",), number=4), tmp_path / "f.json"
    found = measure_to(file, m)
    file.write_text(json.dumps(found | {"figures": {"accuracy": NAN}}))
    assert measure_to(file, m)["figures"] == found["figures"]
    assert json.loads(file.read_text())["figures"] == found["figures"]


# Whose samples, and how many


@pytest.fixture
def drawn(tmp_path):
    """Two nets, and images that the second drew."""
    nets = [saved(name, tmp_path) for name in ("one", "other", "judge")]
    draw_to(tmp_path / "drawn.safetensors", Drawing(str(nets[1]), number=1, steps=2))
    return [*map(str, nets), str(tmp_path / "drawn.safetensors")]


def test_samples_of_another_net_are_said_to_be_of_it(drawn, capsys):
    one_net, other, judge, file = drawn
    metric = "judge_accuracy"
    for net, number in ((one_net, 1), (other, 0)):
        m = Measurement(net, (metric, "accuracy"), number=4, samples=file, judge=judge)
        found = measure(m)
        assert found["drawn_by"] == other
        assert found["counts"] == {metric: 10, "accuracy": 4}
        assert found["of_samples"] == [metric]
        assert len(found["warnings"]) == number
        words = ["--metrics", metric, "accuracy", "-n", "4", "--samples", file, "--judge", judge]
        assert main(["measure", net, *words]) == 0
        out, said = capsys.readouterr()
        rows = {line.split("|")[1].strip(): line for line in out.splitlines() if "|" in line}
        assert f"| 10 drawn by {other} " in rows[metric]
        assert "| 4 test " in rows["accuracy"]
        told = f"jeat: warning: the samples are of another net than {net}: {other} drew them"
        assert (told in said) == bool(number)


def test_few_samples_are_said_beside_the_figures(drawn):
    _, other, judge, file = drawn
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure(
            Measurement(other, ("sample_quality",), samples=file, judge=judge, number=4)
        )
    assert [
        f"10 samples and {len(DIGITS.train)} training images in 64 features" in w
        for w in found["warnings"]
    ] == [True]


def test_other_warnings_are_not_swallowed(recwarn):
    with doubts() as said:
        for text, kind in (
            ("doubt", DoubtWarning),
            ("doubt", DoubtWarning),
            ("other", UserWarning),
        ):
            warnings.warn(text, kind, stacklevel=1)
    assert said == ["doubt"]
    assert [(str(w.message), w.category) for w in recwarn] == [("other", UserWarning)]


def records(*cells):
    return [
        {"method": m, "seed": s, "column": "recall", "value": v, "images": n, "command": "c"}
        for m, s, v, n in cells
    ]


RECALL = Column("recall", "recall", "of real images", "higher", by_count=True)


def test_the_number_of_images_stands_in_the_heading_of_what_depends_on_it():
    found = summarise(records(("at", 0, 0.6, 100), ("at", 1, 0.8, 100), ("jem", 0, 0.5, 100)))
    text = markdown([Table("T", "", (RECALL,), ("at", "jem"))], found)
    assert "| recall, n = 100 " in text
    assert "recall, n = 100: of real images, higher is better." in text
    assert "(n =" not in text
    plain = Column("recall", "recall", "of real images", "higher")
    assert "n = " not in markdown([Table("T", "", (plain,), ("at", "jem"))], found)


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_record_that_is_not_finite_makes_no_mean(value):
    refused(lambda: summarise(records(("at", 3, value, 9))), "recall of at, seed 3, is (nan|inf)")


def test_figures_of_different_numbers_of_images_are_told_apart_and_not_compared(tmp_path):
    cells = [
        ("at", 0, 0.6, 100),
        ("at", 1, 0.8, 100),
        ("jem", 0, 0.5, 10_000),
        ("jem", 1, 0.1, 100),
    ]
    found, table = summarise(records(*cells)), Table("T", "", (RECALL,), ("at", "jem"))
    text = markdown([table], found)
    assert "| method | recall  " in text
    assert "| 0.700 ± 0.141 (n = 100) " in text
    assert "| 0.300 ± 0.283 (n = 100, 10000) |" in text
    assert ordering(found, "recall", "at > jem") == (1, 1)  # of seed 1 alone
    assert ordering(summarise(records(cells[0], cells[2])), "recall", "at > jem") is None
    write_csv(tmp_path / "t.csv", [table], found)
    assert "\nT,jem,recall,0.3" in (tmp_path / "t.csv").read_text()
    assert ",2,100 and 10000,," in (tmp_path / "t.csv").read_text()
