"""Every public function takes every kind of net and tensor alike, or says in a line what to do."""

import copy
import inspect
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint

import jeat
from jeat import attacks, energy, metrics
from jeat.data import Batch
from jeat.nets import Spec, build, evaluating, load_net, save_net
from jeat.objectives import make
from jeat.samplers import Stored, langevin, last
from jeat.training.plan import Optimisation, Plan

from .conftest import DIGITS

pytestmark = [
    pytest.mark.usefixtures("unchecked"),  # what a user meets
    pytest.mark.filterwarnings("ignore:.*(torch.jit|No CUDA runtime|use_reentrant|deprecated)"),
]
X, Y = DIGITS.test.floats(4)


def start(y):
    return torch.full((len(y), 1, 8, 8), 0.5)


def final(net, x, y):
    return last(langevin(energy.energy_of(net, y), x, steps=2, step_size=0.1, noise=0.0))


def on_plane(net, x, y):
    directions = metrics.plane(x, seed=0)
    return metrics.energy_on_plane(net, x, y, directions=directions, radius=1.0, points=3)


def bits(net, x):
    """Of a net that says it knows its density."""
    inner = net.module if hasattr(net, "module") else net
    inner = getattr(inner, "_orig_mod", inner)
    inner.normalised = True
    torch.manual_seed(0)
    return metrics.bits_per_dimension(net, x)


def nearest_other(net, x, y):
    """Of the first image, which the net soon takes for something else."""
    x, y = (t if t is None else t[:1] for t in (x, y))
    y = y if y is None else (y + 1) % 10
    return attacks.counterfactual(net, x, y, steps=3, tolerance=0.3).x


BALL = {"eps": 0.05, "random_start": False}
FUNCTIONS = {
    "accuracy": metrics.accuracy,
    "counterfactual": nearest_other,
    "aimed": lambda net, x, y: torch.stack(metrics.aimed(net, x, y, "next")),
    "auto_attack": lambda net, x, y: metrics.auto_attack(
        net, x, y, eps=0.5, norm="l2", attacks=["apgd-ce", "fab-t"], seed=0
    ),
    "bits_per_dimension": lambda net, x, y: bits(net, x),
    "calibration_error": metrics.calibration_error,
    "class_accuracy": metrics.class_accuracy,
    "corruption_accuracy": lambda net, x, y: metrics.corruption_accuracy(
        net, x, y, kinds=["contrast", "pixelate"], severities=[3]
    ),
    "energies": metrics.energies,
    "energy_of": lambda net, x, y: energy.score(energy.energy_of(net), x),
    "energy_on_plane": on_plane,
    "fgsm": lambda net, x, y: attacks.fgsm(net, x, y, eps=0.05),
    "fgsm_rs": lambda net, x, y: attacks.fgsm_rs(net, x, y, eps=0.0),
    "fisher_score": lambda net, x, y: metrics.fisher_score(net, x, y),
    "fisher_terms": lambda net, x, y: torch.stack(metrics.fisher_terms(net, x, probes=3)),
    "gradient_masking": lambda net, x, y: metrics.gradient_masking(net, x, y, eps=0.05, queries=3),
    # labels alone: logits rounded otherwise may send its search another way
    "hop_skip_jump": lambda net, x, y: metrics.hop_skip_jump(net, x, y, steps=1)[0] > 0,
    "judge_accuracy": metrics.judge_accuracy,
    "langevin": final,
    "loss_of": lambda net, x, y: energy.score(energy.loss_of(net, y), x),
    "out_of_distribution": lambda net, x, y: metrics.out_of_distribution(net, x, 1 - x),
    "pgd": lambda net, x, y: attacks.pgd(net, x, y, steps=2, step_size=0.02, **BALL),
    "robust_accuracy": lambda net, x, y: metrics.robust_accuracy(
        net, x, y, steps=2, step_size=0.02, **BALL
    ),
    "robustness_curve": lambda net, x, y: metrics.robustness_curve(net, x, y, radii=[0, 0.05]),
    "sample": lambda net, x, y: jeat.sample(net, y, steps=2, step_size=0.1, noise=0.0, start=start),
    "targeted_success": lambda net, x, y: metrics.targeted_success(
        net, x, y, target="next", steps=2, step_size=0.02, eps=0.05
    ),
    "zero_gradient": metrics.zero_gradient,
}
NO_GRADIENT = {
    "bits_per_dimension",
    "accuracy", "aimed", "calibration_error", "class_accuracy", "corruption_accuracy", "energies",
    "energy_on_plane", "hop_skip_jump", "judge_accuracy",
}  # fmt: skip
every_function = pytest.mark.parametrize("name", FUNCTIONS)
with_gradients = pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - NO_GRADIENT))


def run(name, net, x=X, y=Y):
    torch.manual_seed(0)
    found = FUNCTIONS[name](net, x, y)
    values = found.values() if isinstance(found, dict) else [found]
    return torch.cat([torch.as_tensor(v, dtype=torch.float64).flatten() for v in values])


def smooth():
    """A small net that curves."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.SiLU(), nn.Linear(16, 10)).eval()


def sign_of(module):
    return {
        name
        for name in module.__all__
        if inspect.isfunction(f := getattr(module, name))
        if {"net", "judge"} & inspect.signature(f).parameters.keys()
    }


def test_the_table_has_every_public_function_of_a_net():
    found = set().union(*map(sign_of, (attacks, energy, metrics, jeat)))
    assert found - {"export", "fit", "load", "wrap"} | {"langevin"} == FUNCTIONS.keys()


@pytest.fixture(scope="module")
def known():
    return {name: run(name, smooth()) for name in FUNCTIONS}


class Around(nn.Module):
    """A net, with what is done to images before and to logits after."""

    def __init__(self, net, before=lambda x: x, after=lambda z: z):
        super().__init__()
        self.net, self.before, self.after = net, before, after

    def forward(self, x):
        return self.after(self.net(self.before(x)))


class Checkpointed(nn.Module):
    def __init__(self, *, use_reentrant):
        super().__init__()
        self.net, self.use_reentrant = smooth(), use_reentrant

    def forward(self, x):
        return checkpoint(self.net, x, use_reentrant=self.use_reentrant)


def exported(net, *, any_batch=True):
    dims = ({0: torch.export.Dim("b", min=1, max=4096)},) if any_batch else None
    return torch.export.export(net, (X,), dynamic_shapes=dims).module()


def compiled_in_place():
    net = smooth()
    net.compile(backend="aot_eager", dynamic=True)
    return net


def compiled_inside():
    net = smooth()
    net[1] = torch.compile(net[1], backend="aot_eager", dynamic=True)
    return net


def made_in_inference_mode():
    with torch.inference_mode():
        return smooth()


KINDS = {
    "first layer in place": lambda: Around(smooth(), before=lambda x: x.mul_(0.5).add_(x)),
    "checkpointed": lambda: Checkpointed(use_reentrant=False),
    "float16 logits": lambda: Around(smooth(), after=lambda z: z.half()),
    "float64 logits": lambda: Around(smooth(), after=lambda z: z.double()),
    "scripted": lambda: torch.jit.script(smooth()),
    "frozen script": lambda: torch.jit.freeze(torch.jit.script(smooth())),
    "traced": lambda: torch.jit.trace(smooth(), X),
    "exported": lambda: exported(smooth()),
    "DataParallel": lambda: nn.DataParallel(smooth()),
    "an average": lambda: AveragedModel(smooth()).eval(),
    "compiled": lambda: torch.compile(smooth(), backend="aot_eager", dynamic=True),
}


@every_function
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_net_gives_what_the_plain_net_gives(name, kind, known):
    torch._dynamo.reset()
    x = X.clone()
    loose = "float16" in kind
    found = run(name, KINDS[kind](), x)
    torch.testing.assert_close(found, known[name], rtol=2e-2 if loose else 1e-4, atol=2e-3)
    assert torch.equal(x, X)


@pytest.mark.parametrize("name", ["fisher_score", "fisher_terms", "zero_gradient", "auto_attack"])
@pytest.mark.parametrize("make", [compiled_in_place, compiled_inside])
def test_graphs_of_compiled_code_are_walked_twice_wherever_it_is(name, make, known):
    torch._dynamo.reset()
    torch.testing.assert_close(run(name, make()), known[name])


@every_function
def test_a_net_of_ddp_gives_what_it_gives_and_asks_no_other_process(name, known, tmp_path):
    store = f"file://{tmp_path / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    try:
        net = DistributedDataParallel(smooth())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DistributedDataParallel, "forward", None)
            torch.testing.assert_close(run(name, net), known[name])
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize(
    "wrap",
    [nn.DataParallel, lambda net: torch.compile(net, backend="aot_eager"), AveragedModel],
    ids=["DataParallel", "compiled", "average"],
)
def test_a_wrapped_net_of_ours_draws_is_saved_and_judges_as_itself(net, wrap, tmp_path, digits):
    net.start = lambda y: torch.full((len(y), 1, 8, 8), 0.25)
    wrapped, y = wrap(net), torch.arange(3)
    drawn = []
    for n in (net, wrapped):
        torch.manual_seed(3)
        drawn.append(jeat.sample(n, y, steps=2))
    assert torch.equal(*drawn)
    save_net(wrapped, None, tmp_path / "net.safetensors", about={})
    loaded = load_net(tmp_path / "net.safetensors").state_dict()
    assert all(torch.equal(v, loaded[k]) for k, v in net.state_dict().items())
    x, _ = digits
    judged = [metrics.sample_quality(x[:8], x[8:], n) for n in (net, wrapped)]
    assert judged[0] == judged[1]


OUTPUTS = {
    "tuple": (lambda z: (z, z), "got a tuple: put the net in a module that returns"),
    "dict": (lambda z: {"logits": z}, "got a dict: put the net in a module that returns"),
    "object": (lambda z: SimpleNamespace(logits=z), "got a SimpleNamespace: put the net in"),
    "(B, 1, 10)": (lambda z: z[:, None], r"floats \(B, classes\), got torch.float32 \(\d+, 1, 10"),
    "(B,)": (lambda z: z[:, 0], r"floats \(B, classes\), got torch.float32 \(\d+,\)"),
    "other rows": (lambda z: z.repeat(2, 1), "logits must have a row an image"),
}


@every_function
@pytest.mark.parametrize("kind", OUTPUTS)
def test_what_is_no_logits_is_refused_alike(name, kind):
    after, said = OUTPUTS[kind]
    with pytest.raises(ValueError, match=said):
        run(name, Around(smooth(), after=after))


@with_gradients
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Checkpointed(use_reentrant=True), "use_reentrant=False"),
        (lambda: exported(smooth(), any_batch=False), "export it with dynamic_shapes"),
    ],
    ids=["reentrant checkpoints", "exported for one batch size"],
)
def test_a_net_without_such_gradients_is_refused_with_what_to_do(name, make, said):
    x, y = (X, Y) if "Checkpointed" in type(net := make()).__name__ else (X[:3], Y[:3])
    with pytest.raises(ValueError, match=said) as error:
        run(name, net, x, y)
    assert "\n" not in str(error.value)


def test_a_net_that_was_exported_in_train_mode_is_refused():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(64, 10))
    with pytest.raises(ValueError, match=r"exported in train mode: export net.eval\(\)"):
        metrics.accuracy(exported(net.train()), X, Y)
    assert metrics.accuracy(exported(net.eval()), X, Y) == metrics.accuracy(net, X, Y)


# Tensors and modes


def inference():
    with torch.inference_mode():
        return X.clone(), Y.clone()


@every_function
@pytest.mark.parametrize(
    ("around", "tensors"),
    [
        (torch.inference_mode, lambda: (X, Y)),
        (torch.inference_mode, inference),
        (nullcontext, inference),
        (torch.no_grad, lambda: (X, Y)),
        (nullcontext, lambda: (X.mT.contiguous().mT, Y)),
        (nullcontext, lambda: (X.contiguous(memory_format=torch.channels_last), Y)),
    ],
    ids=["inference mode", "all in it", "tensors of it", "no_grad", "strided", "channels_last"],
)
def test_modes_and_memory_change_nothing(name, around, tensors, known):
    x, y = tensors()
    with around():
        found = run(name, smooth() if around is not torch.inference_mode else OUTSIDE, x, y)
    torch.testing.assert_close(found, known[name], rtol=1e-4, atol=1e-6)


OUTSIDE = smooth()


@every_function
def test_a_net_that_was_made_in_inference_mode_works_or_is_copied(name, known):
    net = made_in_inference_mode()
    bare = {
        "counterfactual",
        "pgd",
        "fgsm",
        "fgsm_rs",
        "langevin",
        "energy_of",
        "loss_of",
    }  # run no mode of theirs
    if name in bare:
        with pytest.raises(ValueError, match=r"copy.deepcopy\(net\)"):
            run(name, net)
        net = copy.deepcopy(net)
    weights = [*net.parameters()]
    torch.testing.assert_close(run(name, net), known[name])
    assert all(a is b for a, b in zip(net.parameters(), weights, strict=True))


def test_nets_of_ours_are_made_for_gradients_also_in_inference_mode(tmp_path):
    with torch.inference_mode():
        net = build(Spec("convnet-4", 1, 8, DIGITS.classes, norm="batch"))
        save_net(net, None, tmp_path / "net.safetensors", about={})
        loaded = load_net(tmp_path / "net.safetensors")
    for n in (net, loaded):
        assert not any(t.is_inference() for t in n.state_dict().values())
        assert n(X).sum().requires_grad


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
def test_nothing_is_trained_without_gradients(around, tmp_path):
    plan = Plan("normal", net="convnet-4", optimisation=Optimisation(epochs=0.01))
    with around(), pytest.raises(ValueError, match="train outside"):
        next(jeat.fit(plan, tmp_path / "run"))


@every_function
def test_an_empty_batch_is_refused_or_gives_an_empty_one(name):
    if name in ("langevin", "energy_of", "loss_of"):
        assert len(run(name, smooth(), X[:0], Y[:0])) == 0
        return
    with pytest.raises(ValueError, match="image"):
        run(name, smooth(), X[:0], Y[:0])


@every_function
@pytest.mark.parametrize("x", [X.numpy(), X.tolist(), None], ids=["array", "list", "none"])
def test_images_that_are_no_tensor_are_refused(name, x):
    if name in ("out_of_distribution", "sample"):  # the table makes images of them, or takes none
        return
    with pytest.raises(ValueError, match=r"(images must be|starts from) a tensor"):
        run(name, smooth(), x, Y)


def test_images_that_are_no_tensor_are_refused_by_what_takes_other_images():
    for x, outside in ((X.numpy(), X), (X, X.numpy())):
        with pytest.raises(ValueError, match="images must be a tensor"):
            metrics.out_of_distribution(smooth(), x, outside)
    with pytest.raises(ValueError, match="a chain starts from a tensor"):
        jeat.sample(smooth(), Y, steps=1, start=lambda y: start(y).numpy())


@pytest.mark.parametrize(
    "call",
    [
        lambda x, y: metrics.plane(x, seed=0),
        lambda x, y: metrics.nearest(x, X, k=1),
        lambda x, y: metrics.nearest(X, x, k=1),
        lambda x, y: metrics.memorisation(x, X, X),
        lambda x, y: metrics.memorisation(X, x, X),
        lambda x, y: metrics.outside_of(x, y, kind="uniform"),
        lambda x, y: metrics.outside_of(x, y, kind="interpolated"),
        lambda x, y: metrics.sample_quality(x, X, smooth()),
        lambda x, y: Stored(x),
    ],
)
def test_an_empty_batch_is_refused_where_there_is_no_net(call):
    with pytest.raises(ValueError, match=r"no image|there are none"):
        call(X[:0], Y[:0])


# Training


class InPlace(nn.Module):
    """An architecture that works in place in its first layer, or not."""

    def __init__(self, *, channels, size, classes, in_place: bool = True):
        super().__init__()
        self.in_place, self.head = in_place, nn.Linear(channels * size**2, classes)

    def forward(self, x):
        x = x.mul_(0.5).sub_(0.25) if self.in_place else x * 0.5 - 0.25
        return self.head(x.flatten(1))


@pytest.mark.parametrize("method", ["normal", "at", "jem", "jeat"])
def test_training_an_architecture_that_works_in_place_is_training_it(method):
    losses, x = [], X.clone()
    for in_place in (True, False):
        torch.manual_seed(0)
        net = build(Spec(f"{__name__}:InPlace", 1, 8, DIGITS.classes, in_place=in_place))
        given = {"steps": 2, "buffer_size": 8} if method in ("jem", "jeat") else {}
        objective = make(method, lambda n: torch.rand(n, 1, 8, 8), given)
        loss, _ = objective(net, Batch(x, Y))
        loss.backward()
        losses.append((loss.detach(), net.head.weight.grad))
        assert torch.equal(x, X)
    torch.testing.assert_close(losses[0], losses[1])


def test_evaluating_leaves_weights_and_buffers_as_they_were():
    with torch.inference_mode():
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    before = [*net.parameters(), *net.buffers()]
    with evaluating(net):
        assert not any(t.is_inference() for t in (*net.parameters(), *net.buffers()))
    assert all(a is b for a, b in zip((*net.parameters(), *net.buffers()), before, strict=True))
