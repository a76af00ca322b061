"""The energy on a plane is the energy of its points, and its figures those of known surfaces."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import jeat
from jeat.cli import main
from jeat.energy import energy_of
from jeat.figures.landscape import draw
from jeat.metrics import Subject, axis, curvature, find, minimum, plane
from jeat.metrics import energy_on_plane as grid
from jeat.nets import Spec, build, save_net
from jeat.samplers import Uniform

from .conftest import DIGITS

SHAPE, D = (1, 4, 4), 16


class Bowls(nn.Module):
    """E(x, k) = (x - c_k)^T diag(h_k) (x - c_k) / 2 for each class k."""

    def __init__(self, centres, h):
        super().__init__()
        self.centres, self.h = nn.Parameter(centres), nn.Parameter(h)

    def forward(self, x):
        return -(self.h * (x[:, None] - self.centres).square() / 2).flatten(2).sum(2)


class Valley(nn.Module):
    """E(x, 0) = |<w, x>|: linear on both sides of a kink, without a Hessian anywhere else."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x):
        return -(x * self.w).flatten(1).sum(1, keepdim=True).abs()


def bowl(centre, h=1.0):
    return Bowls(centre[None], torch.as_tensor(h).expand(1, *SHAPE).clone())


def inner(a, b):
    return (a * b).flatten(1).sum(1)


# The plane


def test_directions_are_orthonormal_for_each_image():
    u, v = plane(torch.rand(50, *SHAPE), seed=0)
    for a, b, known in ((u, u, 1.0), (v, v, 1.0), (u, v, 0.0)):
        torch.testing.assert_close(inner(a, b), torch.full((50,), known), atol=1e-6, rtol=0)
    assert inner(u[1:], u[:-1]).abs().max() < 0.999


def test_a_seed_is_a_plane_whatever_the_global_generator():
    x = torch.rand(3, *SHAPE)
    state = torch.get_rng_state()
    first = plane(x, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(9)
    assert all(map(torch.equal, plane(torch.rand(3, *SHAPE), seed=5), first))
    assert not any(map(torch.equal, plane(x, seed=6), first))


def test_directions_favour_no_pixel():
    """Each pixel of a uniform unit vector has mean 0, variance 1/D, fourth moment 3/(D (D + 2))."""
    n = 20_000
    spread = 3 / (D * (D + 2)) - 1 / D**2
    for d in plane(torch.zeros(n, *SHAPE), seed=0):
        assert d.mean(0).abs().max() < 4.5 * (1 / D / n) ** 0.5
        assert (d.square().mean(0) - 1 / D).abs().max() < 4.5 * (spread / n) ** 0.5


# The grid


@pytest.mark.parametrize("joint", [True, False], ids=["joint", "marginal"])
def test_a_grid_holds_the_energy_of_each_point_rows_along_v_columns_along_u(joint):
    net = Bowls(torch.rand(2, *SHAPE), torch.rand(2, *SHAPE) + 0.5)
    x, y = torch.rand(3, *SHAPE), torch.tensor([0, 1, 0])
    u, v = plane(x, seed=1)
    E = grid(net, x, y if joint else None, directions=(u, v), radius=1.5, points=5)
    t = [-1.5, -0.75, 0.0, 0.75, 1.5]
    for row, b in enumerate(t):
        for column, a in enumerate(t):
            apart = (x + a * u + b * v)[:, None] - net.centres
            each = (net.h * apart.square() / 2).flatten(2).sum(2)
            known = each.gather(1, y[:, None])[:, 0] if joint else -(-each).logsumexp(1)
            torch.testing.assert_close(E[:, row, column], known)


def test_the_middle_is_the_image_to_the_last_bit(net, digits):
    x, y = digits
    E = grid(net, x, y, directions=plane(x, seed=0), radius=0.7, points=7)
    torch.testing.assert_close(E[:, 3, 3], energy_of(net.eval(), y)(x), rtol=1e-5, atol=1e-5)
    for radius, points in ((0.1, 3), (0.7, 41), (3.3, 99)):
        t = axis(radius, points)
        assert t[points // 2] == 0
        assert torch.equal(t, -t.flip(0))
        assert t[-1] == pytest.approx(radius, rel=1e-6)


def test_a_grid_leaves_the_net_as_it_was_and_no_gradient(digits):
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes, norm="batch"))
    net[2].eval()
    modes, state = [m.training for m in net.modules()], net.state_dict()
    before = {k: v.clone() for k, v in state.items()}
    seen = []
    net.register_forward_pre_hook(lambda m, x: seen.append((m.training, len(x[0]))))
    x, y = digits
    directions = plane(x, seed=0)
    E = grid(net, x, y, directions=directions, radius=1.0, points=21)
    assert not E.requires_grad
    assert E.dtype == torch.float32
    assert not any(training for training, _ in seen)
    assert max(size for _, size in seen) <= 500
    assert sum(size for _, size in seen) == 16 * 21**2
    assert [m.training for m in net.modules()] == modes
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    torch.testing.assert_close(dict(state), before, rtol=0, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(grid(net, x, y, directions=directions, radius=1.0, points=21), E)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"radius": 0.0}, "radius of a plane must be positive"),
        ({"radius": -1.0}, "radius of a plane must be positive"),
        ({"radius": float("nan")}, "radius of a plane must be positive"),
        ({"radius": float("inf")}, "radius of a plane must be positive"),
        ({"points": 1}, "points must be odd, 3 or more"),
        ({"points": 10}, "points must be odd, 3 or more"),
        ({"directions": plane(torch.rand(2, *SHAPE), seed=0)}, "two directions of the shape"),
        ({"y": torch.zeros(2, dtype=torch.int64)}, "a label each"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_a_grid_that_cannot_be_had_is_refused(settings, said):
    x = torch.rand(3, *SHAPE)
    how = {"directions": plane(x, seed=0), "radius": 1.0, "points": 5} | settings
    with pytest.raises(ValueError, match=said):
        grid(bowl(x[0]), x, **how)


# Curvature and minimum


def test_the_curvature_of_a_quadratic_is_its_hessian_along_each_direction_at_any_radius():
    x, h = torch.rand(6, *SHAPE), torch.randn(*SHAPE)
    net, directions = bowl(torch.rand(*SHAPE), h), plane(x, seed=2)
    y = torch.zeros(6, dtype=torch.int64)
    for radius, points in ((0.5, 3), (2.0, 9)):
        E = grid(net, x, y, directions=directions, radius=radius, points=points)
        known = torch.stack([inner(h * d, d) for d in directions], 1)
        torch.testing.assert_close(curvature(E, radius=radius), known, rtol=1e-3, atol=1e-4)


def test_the_mean_curvature_of_a_quadratic_is_its_trace_over_d_within_4_standard_errors():
    """Var d^T H d = 2 (D tr H^2 - tr^2 H) / (D^2 (D + 2)) for a uniform unit vector d."""
    n, h = 4_000, torch.linspace(-1, 3, D).view(SHAPE)
    net, x = bowl(torch.full(SHAPE, 0.5), h), torch.full((n, *SHAPE), 0.4)
    E = grid(net, x, directions=plane(x, seed=3), radius=1.0, points=3)
    variance = 2 * (D * h.square().sum() - h.sum() ** 2) / (D**2 * (D + 2))
    found = curvature(E, radius=1.0)
    assert (found.mean(0) - h.sum() / D).abs().max() < 4 * (variance / n) ** 0.5


def test_the_curvature_sees_kinks_which_a_hessian_does_not():
    w, x = torch.randn(1, *SHAPE), torch.zeros(5, *SHAPE)
    directions = plane(x, seed=4)
    E = grid(Valley(w), x, directions=directions, radius=0.8, points=5)
    known = torch.stack([2 * inner(w, d).abs() / 0.8 for d in directions], 1)
    torch.testing.assert_close(curvature(E, radius=0.8), known)


@pytest.mark.parametrize(
    ("a", "b", "found"),
    [
        (0.0, 0.0, (0.0, 0.0)),
        (0.6, -0.2, (0.6, -0.2)),  # points of the grid
        (-1.0, 0.8, (-1.0, 0.8)),
        (0.27, 0.55, (0.2, 0.6)),  # the nearest point
        (5.0, 0.4, (1.0, 0.4)),  # the nearest on the square
        (-3.0, 2.0, (-1.0, 1.0)),
    ],
)
def test_the_minimum_of_a_round_bowl_is_its_centre_projected_onto_the_grid(a, b, found):
    x, h = torch.rand(1, *SHAPE), 3.0
    u, v = plane(x, seed=5)
    off = torch.randn(1, *SHAPE)
    off -= inner(off, u) * u + inner(off, v) * v  # out of the plane: it lifts E, and no more
    net = bowl((x + a * u + b * v + off)[0], h)
    E = grid(net, x, directions=(u, v), radius=1.0, points=11)
    distance, drop = minimum(E, radius=1.0)
    assert float(distance) == pytest.approx(np.hypot(*found), abs=1e-6)
    less = a**2 + b**2 - (a - found[0]) ** 2 - (b - found[1]) ** 2
    assert float(drop) == pytest.approx(h / 2 * less, rel=1e-4, abs=1e-5)


def test_a_constant_energy_has_its_minimum_at_the_image():
    distance, drop = minimum(torch.full((2, 5, 5), -3.0), radius=1.0)
    assert (distance == 0).all()
    assert (drop == 0).all()


def test_measured_figures_are_means_over_images_spread_evenly_each_on_its_own_plane():
    net = Bowls(torch.rand(2, *SHAPE), torch.randn(2, *SHAPE))
    x, y = torch.rand(30, *SHAPE), torch.arange(30) % 2
    torch.manual_seed(8)
    found = find("curvature")(Subject(net, x, y), radius=0.5, points=7, images=10)
    torch.manual_seed(8)
    directions = plane(x[::3], seed=int(torch.randint(2**31, ())))
    E = grid(net, x[::3], y[::3], directions=directions, radius=0.5, points=7)
    distance, drop = minimum(E, radius=0.5)
    assert found == {
        "curvature": pytest.approx(float(curvature(E, radius=0.5).mean())),
        "curvature_absolute": pytest.approx(float(curvature(E, radius=0.5).abs().mean())),
        "curvature_minimum_distance": pytest.approx(float(distance.mean())),
        "curvature_drop": pytest.approx(float(drop.mean())),
        "curvature_images": 10.0,
    }
    assert abs(found["curvature"]) < 0.9 * found["curvature_absolute"]
    assert find("curvature")(Subject(net, x, y))["curvature_images"] == 30
    with pytest.raises(ValueError, match="at least 1 image"):
        find("curvature")(Subject(net, x, y), images=0)


# The picture


def surfaces():
    t = torch.linspace(-1, 1, 9)
    hill = t[:, None].square() + t
    return {"steep": 5 * hill - 20, "flat": 0.2 * hill + 3, "upside": -hill}


def contours(figure):
    return [ax.collections[0] for ax in figure.axes if ax.get_title(loc="left")]


def test_all_panels_share_levels_and_colours_that_hold_every_energy():
    figure = draw(surfaces(), radius=2.0, title="a title")
    steep, *others = contours(figure)
    assert len(others) == 2
    for panel in others:
        assert np.array_equal(panel.levels, steep.levels)
        assert panel.get_clim() == steep.get_clim()
        assert np.array_equal(panel.get_facecolor(), steep.get_facecolor())
    heights = torch.stack([E - E[4, 4] for E in surfaces().values()])
    assert steep.levels[0] <= heights.min()
    assert steep.levels[-1] >= heights.max()
    assert figure.get_suptitle() == "a title"
    dark, bright = (steep.get_facecolor()[i][:3].sum() for i in (0, -1))
    assert dark < bright  # darker is lower, as in Fig. 2


def test_star_and_cross_stand_at_the_image_and_at_the_lowest_point():
    figure = draw(surfaces(), radius=2.0)
    found = [
        {line.get_marker(): line.get_xydata()[0].tolist() for line in ax.lines}
        for ax in figure.axes
        if ax.get_title(loc="left")
    ]
    for marks, E in zip(found, surfaces().values(), strict=True):
        row, column = divmod(int(E.argmin()), 9)
        assert marks["*"] == [0, 0]
        assert marks["X"] == pytest.approx([column / 2 - 2, row / 2 - 2])


def test_a_constant_on_all_logits_changes_no_contour_and_only_the_printed_energy():
    first, moved = (
        draw({k: E + c for k, E in surfaces().items()}, radius=2.0) for c in (0.0, 16.0)
    )
    for a, b in zip(contours(first), contours(moved), strict=True):
        assert np.array_equal(a.levels, b.levels)
        for p, q in zip(a.get_paths(), b.get_paths(), strict=True):
            np.testing.assert_allclose(p.vertices, q.vertices, atol=1e-4)
    said = [[ax.get_title(loc="right") for ax in f.axes[:2]] for f in (first, moved)]
    assert said == [["E = -20.00", "E = 3.00"], ["E = -4.00", "E = 19.00"]]


def test_a_picture_is_drawn_without_pyplot_for_any_number_of_panels(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # an import of it would fail
    (steep, *_) = surfaces().values()
    for n in (1, 2, 4, 5, 7):
        figure = draw({f"net {i}": steep for i in range(n)}, radius=1.0)
        assert len(contours(figure)) == n
        assert len(figure.axes) == n + 1
    figure.savefig(tmp_path / "x.png")
    draw({"constant": torch.zeros(5, 5)}, radius=1.0).savefig(tmp_path / "x.png")


@pytest.mark.parametrize(
    "energies", [{}, {"a": torch.zeros(3, 3), "b": torch.full((3, 3), np.nan)}]
)
def test_no_energies_or_infinite_ones_are_refused(energies):
    with pytest.raises(ValueError, match="all finite"):
        draw(energies, radius=1.0)


# The command


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """Files of two nets on digits, a namesake of one, and a net of other images."""
    folder, files = tmp_path_factory.mktemp("nets"), {}
    for i, (name, size) in enumerate([("one", 8), ("two", 8), ("more/one", 8), ("large", 16)]):
        torch.manual_seed(i)
        files[name] = folder / name
        files[name].parent.mkdir(exist_ok=True)
        net = build(Spec("convnet-4", 1, size, DIGITS.classes, activation="silu"))
        about = {"plan": {"data": "digits"}}
        save_net(net, Uniform((1, size, size)), files[name], about=about)
    return {name: str(path) for name, path in files.items()}


def drawn(nets, tmp_path, *words):
    out = tmp_path / "folder" / "plane.png"
    assert main(["landscape", nets["one"], nets["two"], str(out), *words]) == 0
    return np.asarray(Image.open(out))


def known(nets, tmp_path, at, *, seed=0, radius=2.0, points=41, symbol="E(x, y)", own=False):
    """The same picture by the library, and the energies in it."""
    x, y = DIGITS.test.floats()
    x, y = x[[at]], y[[at]]
    labels, how = y if symbol == "E(x, y)" else None, {"radius": radius, "points": points}
    energies = {
        k: grid(jeat.load(nets[k]), x, labels, directions=plane(x, seed=seed), **how)
        for k in ("one", "two")
    }
    title = f"{symbol} around test image {at} of digits, class {int(y)}; directions of seed {seed}"
    heights = {k: E[0] for k, E in energies.items()}
    picture = draw(heights, radius=radius, title=title, own_levels=own)
    picture.savefig(tmp_path / "known.png")
    return np.asarray(Image.open(tmp_path / "known.png")), energies


@pytest.mark.parametrize(
    ("words", "at", "settings"),
    [
        ([], 0, {}),
        (["--index", "5", "--seed", "3"], 5, {"seed": 3}),
        (["--class", "3", "--index", "1"], None, {}),
        (["--radius", "0.5", "--points", "9", "--energy", "marginal"], 0,
         {"radius": 0.5, "points": 9, "symbol": "E(x)"}),
        (["--levels", "own", "--points", "9"], 0, {"own": True, "points": 9}),
    ],
    ids=["none", "index", "class", "all", "levels"],
)  # fmt: skip
def test_the_command_draws_what_the_library_draws(words, at, settings, nets, tmp_path):
    at = int((DIGITS.test.y == 3).nonzero()[1]) if at is None else at
    picture, _ = known(nets, tmp_path, at, **settings)
    assert np.array_equal(drawn(nets, tmp_path, *words), picture)


@pytest.mark.parametrize(("kind", "begins"), [("svg", b"<?xml"), ("pdf", b"%PDF-")])
def test_a_picture_is_of_the_kind_that_its_name_says(kind, begins, nets, tmp_path):
    out = tmp_path / f"x.{kind}"
    assert main(["landscape", nets["one"], str(out), "--points", "3"]) == 0
    assert out.read_bytes().startswith(begins)
    assert main(["curve", nets["one"], str(out), "--eps", "0", "-n", "5"]) == 0
    assert out.read_bytes().startswith(begins)


def test_the_command_prints_the_figures_of_each_net_and_the_seed(nets, tmp_path, capsys):
    drawn(nets, tmp_path, "--seed", "4", "--points", "11")
    shown = capsys.readouterr().out
    assert "seed 4" in shown
    _, energies = known(nets, tmp_path, 0, seed=4, points=11)
    for name, E in energies.items():
        (line,) = [row for row in shown.splitlines() if row.startswith(f"| {name} ")]
        (distance, drop), bend = minimum(E, radius=2.0), curvature(E, radius=2.0).mean()
        figures = [f"{float(n):.3f}" for n in (E[0, 5, 5], bend, distance, drop)]
        assert [cell.strip() for cell in line.split("|")[2:-1]] == figures


def test_nets_of_one_name_are_told_apart_by_their_paths(nets, tmp_path, capsys):
    words = [nets["one"], nets["more/one"], str(tmp_path / "x.png"), "--points", "3"]
    assert main(["landscape", *words]) == 0
    shown = capsys.readouterr().out
    assert all(f"| {nets[name]} " in shown for name in ("one", "more/one"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["one", "OUT", "--radius", "0"], 2, "radius of a plane must be positive"),
        (["one", "OUT", "--points", "1"], 2, "points must be odd"),
        (["one", "OUT", "--index", "100000"], 1, "--index must lie in 0.."),
        (["one", "OUT", "--index", "-1"], 1, "--index must lie in 0.."),
        (["one", "OUT", "--class", "cat"], 1, "no class 'cat'"),
        (["one", "OUT", "--seed", "-1"], 2, "--seed must lie in"),
        (["one", "large", "OUT"], 1, "large takes images of (1, 16, 16)"),
        (["one", "one", "OUT"], 2, "named twice"),
        (["one", "two"], 2, "OUT must be a .png, .svg or .pdf file"),
        (["OUT"], 2, "see jeat landscape --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_landscape_that_cannot_be_drawn_is_refused_in_one_line(
    words, code, said, nets, tmp_path, capsys
):
    places = nets | {"OUT": str(tmp_path / "out.png")}
    try:
        found = main(["landscape", *(places.get(word, word) for word in words)])
    except SystemExit as leave:
        found = leave.code
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error
    assert found == code
    assert not list(tmp_path.iterdir())
