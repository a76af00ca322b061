"""What the app shows is what the command beside it makes; nonsense is refused in one line."""

import base64
import io
import re
import shlex
import socket
import struct
import zlib
from html import unescape

import numpy as np
import pytest
import torch
from PIL import Image

from jeat._support.checks import SettingError
from jeat.app import attack, compare, generate, landscape, why
from jeat.app.balls import BALLS, first_ball
from jeat.app.chosen import TRANSPARENT, Upload, fitted, preview
from jeat.app.given import Given
from jeat.app.pieces import picture, refusal
from jeat.app.turns import in_turns, lately
from jeat.cli import main
from jeat.cli._parser import Parser
from jeat.figures import energy_along
from jeat.jobs.chains import states
from jeat.jobs.drawing import Drawing, draw
from jeat.metrics import energy_on_plane, plane
from jeat.nets import Spec, build, load, save_net
from jeat.samplers import ClassGaussian

from .conftest import DIGITS

SETTINGS = ("3", 2, 4, 0.1, 0.05, "own", 7)  # of Generate, after the net
PLANE = (5, 1.5, 5, "marginal", 2)  # of Landscape, after the nets
NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Two nets of digits, the second of which draws from a Gaussian a class."""
    place, names = tmp_path_factory.mktemp("app"), {}
    for seed, (name, start) in enumerate({"one": None, "two": ClassGaussian.of(DIGITS)}.items()):
        torch.manual_seed(seed)
        names[name] = str(place / f"{name}.safetensors")
        net = build(Spec("convnet-4", 1, 8, DIGITS.classes))
        save_net(net, start, names[name], about={"plan": {"data": "digits"}})
    return Given(names)


def images(html):
    """The pixels of the images of a piece of HTML, and the words beside them."""
    found = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]*)"', html)
    return {unescape(name): pixels(data) for data, name in found}


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def end(shown):
    """The last of what a view shows."""
    return [*shown][-1]


def understood(line, monkeypatch):
    """What the real parser of a command makes of its line."""
    parsed, parse = [], Parser.parse

    def parse_only(self, words):
        parsed.append(parse(self, words))
        raise KeyboardInterrupt

    monkeypatch.setattr(Parser, "parse", parse_only)
    jeat, *words = shlex.split(line)
    assert (jeat, main(words)) == ("jeat", 130)
    return parsed[0]


# What is shown is what the command makes


@pytest.mark.parametrize(("net", "start"), [("one", "own"), ("two", "own"), ("two", "uniform")])
def test_the_grid_to_save_is_the_file_of_the_command(given, net, start, tmp_path, monkeypatch):
    settings = (net, *SETTINGS[:-2], start, 7)
    shown = end(generate.show(given, *settings))
    saved = pixels(re.search(r'download="[^"]+" href="data:image/png;base64,([^"]+)"', shown)[1])
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(generate.command(given, *settings))[1:]) == 0
    assert np.array_equal(saved, np.asarray(Image.open(generate.OUT)))


def test_chains_are_shown_from_their_first_state_to_that_of_jeat_sample(given):
    d = Drawing(given.nets["two"], classes=("3", "5"), number=2, steps=4, seed=3)
    found = [*in_turns(d.seed, states(d, given.net("two")))]
    assert [s.step for s in found] == [0, 1, 2, 3, 4]
    torch.manual_seed(3)
    labels = torch.tensor([3, 3, 5, 5])
    assert torch.equal(found[0].images, given.net("two").start(labels).clamp(0, 1))
    assert torch.equal(found[-1].images, draw(d)[0])
    with torch.no_grad():
        logits = given.net("two")(found[-1].images)
    assert torch.equal(found[-1].energies, -logits[range(4), labels])


def test_every_image_has_its_class_and_energy(given):
    settings = ("one", generate.EVERY, 1, *SETTINGS[2:])
    shown = end(generate.show(given, *settings))
    assert re.findall(r"<figcaption>(\w+)<", shown) == list(DIGITS.classes)
    x, labels = draw(generate.asked(given, *settings))
    with torch.no_grad():
        E = -given.net("one")(x)[range(10), labels]
    said = [
        float(v.replace("\N{MINUS SIGN}", "-")) for v in re.findall(r"E\(x, y\) = (.+?)<", shown)
    ]
    assert said == pytest.approx(E.tolist(), abs=0.006)


def test_nets_that_are_compared_draw_what_each_draws_alone(given):
    settings = (["two", "one"], "4", 2, 3, 5)
    found = [*compare.together(given, compare.asked(given, *settings))][-1]
    assert list(found) == ["two", "one"]
    for net, line in zip(found, compare.command(given, *settings).splitlines(), strict=True):
        assert shlex.split(line)[:3] == ["jeat", "sample", given.nets[net]]
        d = Drawing(given.nets[net], classes=("4",), number=2, steps=3, seed=5)
        assert torch.equal(found[net].images, draw(d)[0])


def test_the_energies_of_the_lesson_are_those_along_the_chains(given, monkeypatch):
    drawn, d = [], Drawing(given.nets["one"], classes=("3",), number=4, steps=6, seed=1)
    monkeypatch.setattr(why, "draw", lambda energies, steps: drawn.append(dict(energies)))
    monkeypatch.setattr(why, "drawn", lambda *_, name: name)
    shown = [*why.shown(given, {"one": d}, {"one": "what is seen"})]
    assert "what is seen" in shown[-1]
    E = [float(s.energies.mean()) for s in in_turns(1, states(d, given.net("one")))]
    assert drawn[-1] == {"one": E}


def test_the_picture_of_energies_has_a_line_a_net():
    energies = {"one": [1.0, -2.0, -3.0], "two": [0.5]}
    (axes,) = energy_along.draw(energies, steps=9).axes
    lines = {line.get_label(): (*line.get_xdata(), *line.get_ydata()) for line in axes.lines}
    assert lines == {"one": (0, 1, 2, 1.0, -2.0, -3.0), "two": (0, 0.5)}
    assert axes.get_xlim() == (0, 9)
    for nothing in ({}, {"one": []}):
        with pytest.raises(ValueError, match="one chain or more"):
            energy_along.draw(nothing, steps=9)


def attacked(given, eps, steps=5, loss="ce", net="one", index=3):
    return end(attack.show(given, net, None, index, "linf", eps, steps, loss))


@pytest.mark.parametrize("loss", ["ce", "energy"])
def test_an_attack_stays_in_its_ball_and_shows_ten_times_the_difference(given, loss):
    found = images(attacked(given, 20, loss=loss))
    clean, after, difference = (found[k].astype(int) for k in found)
    assert list(found) == ["clean", "attacked", "difference x 10"]
    assert np.array_equal(clean[..., 0], DIGITS.test.x[3, 0].numpy())
    assert 15 < np.abs(after - clean).max() <= 20
    assert np.abs(difference - (127.5 + 10 * (after - clean)).clip(0, 255)).max() <= 6


def test_an_attack_of_radius_0_changes_nothing(given):
    found = images(attacked(given, 0))
    assert np.array_equal(found["clean"], found["attacked"])
    assert np.unique(found["difference x 10"]).tolist() == [128]


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 20])
def test_an_attack_can_reach_the_whole_ball_in_steps_of_a_quarter(steps):
    found = attack.settings("linf", 8, steps, "ce")
    assert found["eps"] == 8 / 255
    assert 0 <= 255 * found["step_size"] - max(8 / 4, 8 / steps) < 0.001


def test_probabilities_and_energies_are_those_of_both_images(given):
    shown = attacked(given, 0)
    x, y = DIGITS.test.x[[3]].float() / 255, int(DIGITS.test.y[3])
    with torch.no_grad():
        logits = given.net("one")(x)[0]
    rows = dict(re.findall(r"<tr><th>(.+?)</th>(.+?)</tr>", shown.partition("<tbody>")[2]))
    numbers = {
        k: [
            float(v.replace("\N{MINUS SIGN}", "-"))
            for v in re.findall("([\N{MINUS SIGN}\\d.]+)%?</td>", row)
        ]
        for k, row in rows.items()
        if k[0] != "<"
    }
    top = logits.softmax(0).topk(5)
    for k, p in zip(top.indices.tolist(), top.values.tolist(), strict=True):
        assert numbers[DIGITS.classes[k]] == pytest.approx([100 * p] * 2, abs=0.06)
    assert numbers[f"E(x, {DIGITS.classes[y]})"] == pytest.approx(
        [-float(logits[y])] * 2, abs=0.006
    )
    assert numbers["E(x)"] == pytest.approx([-float(logits.logsumexp(0))] * 2, abs=0.006)


def test_a_plane_is_the_same_for_all_nets(given):
    wanted = landscape.asked(["one", "two"], *PLANE)
    x = DIGITS.test.x[[5]].float() / 255
    for net, E in landscape.energies(given, **wanted):
        directions = plane(x, seed=2)
        same = energy_on_plane(given.net(net), x, directions=directions, radius=1.5, points=5)
        assert torch.equal(E, same[0])


@pytest.mark.slow
def test_panels_are_one_below_the_other_on_a_phone(given):
    wide, narrow = re.findall(
        'base64,([^"]+)',
        end(landscape.show(given, ["one", "two"], *PLANE)),
    )[::-1]
    assert pixels(wide).shape[1] > 1.5 * pixels(narrow).shape[1]
    assert pixels(narrow).shape[0] > 1.5 * pixels(wide).shape[0]


# Commands are those of the real parsers, and say the settings


def test_the_command_of_an_attack_says_its_settings(given, monkeypatch):
    for norm, eps, steps in (("linf", 2.5, 3), ("linf", 7.905, 7), ("l2", 0.35, 3), ("l1", 12, 1)):
        line = attack.command(
            Given(given.nets, "digits"), "two", None, 3, norm, eps, steps, "energy"
        )
        args = understood(line, monkeypatch)
        monkeypatch.undo()
        wanted = attack.settings(norm, eps, steps, "energy")
        assert {k: args[k] for k in wanted} == wanted
        assert (args.net, args["from"], args.data) == (given.nets["two"], "test:3", "digits")
        assert args["class"] is None


@pytest.mark.parametrize("norm", BALLS)
@pytest.mark.parametrize("uploaded", [False, True], ids=["of the data", "uploaded"])
def test_the_command_of_an_attack_makes_it(given, norm, uploaded, tmp_path, monkeypatch, capsys):
    (tmp_path / "-my image (1).png").write_bytes(png(600, 540, mode="RGBA"))
    held = Upload.of(str(tmp_path / "-my image (1).png")) if uploaded else None
    settings = ("two", held, 3, norm, 2, 3, "ce")
    shown = end(attack.show(given, *settings))
    monkeypatch.chdir(tmp_path)
    words = shlex.split(attack.command(given, *settings))[1:]
    assert main([*words, "--out", "x.npz"]) == 0
    x = np.load("x.npz")["images"][0, 0]
    assert np.array_equal(images(shown)["attacked"][..., 0], np.round(255 * x))
    assert not np.array_equal(images(shown)["clean"], images(shown)["attacked"])
    table = [row.strip("| ").split("|") for row in capsys.readouterr().out.splitlines()[:4]]
    E = [float(row[i]) for i in (4, 5) for row in table[2:]]
    said = re.findall("E\\(.+?</th><td>(.+?)</td><td>(.+?)</td>", shown)
    found = [float(v.replace("\N{MINUS SIGN}", "-")) for row in said for v in row]
    assert found == pytest.approx(E, abs=0.006)


def test_the_command_of_a_plane_says_its_settings(given, monkeypatch):
    line = landscape.command(given, ["one", "two"], *PLANE)
    args = understood(line, monkeypatch)
    assert args.nets == list(given.nets.values())
    names = ("index", "radius", "points", "energy", "seed")
    assert [args[k] for k in names] == [5, 1.5, 5, "marginal", 2]


def test_the_commands_of_the_lesson_are_understood(monkeypatch):
    lines = why.command("horse", 4).splitlines()
    assert len(lines) == len(why.TAUGHT)
    for line, net in zip(lines, why.TAUGHT, strict=True):
        args = understood(line, monkeypatch)
        assert (args.net, args["class"], args.seed) == (net, ["horse"], 4)
        monkeypatch.undo()


# Several people


def test_chains_that_go_on_together_are_those_that_go_on_alone():
    def draws():
        return (torch.randn(3) for _ in range(4))

    before = torch.get_rng_state()
    alone = [torch.stack([*in_turns(seed, draws())]) for seed in (1, 2)]
    one, two = in_turns(1, draws()), in_turns(2, draws())
    order = [one, two, two, one, two, one, one, two]
    mixed = [next(chain) for chain in order]
    assert torch.equal(
        torch.stack([x for c, x in zip(order, mixed, strict=True) if c is one]), alone[0]
    )
    assert torch.equal(
        torch.stack([x for c, x in zip(order, mixed, strict=True) if c is two]), alone[1]
    )
    torch.manual_seed(1)
    assert torch.equal(alone[0][0], torch.randn(3))
    torch.set_rng_state(before)
    assert torch.equal(torch.get_rng_state(), before)


def test_others_draw_the_random_numbers_that_they_would_have_drawn():
    before = torch.get_rng_state()
    next(in_turns(1, (torch.randn(3) for _ in range(2))))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_page_that_cannot_keep_up_is_shown_the_first_and_the_last():
    assert [*lately(range(1000))][:: len([*lately(range(1000))]) - 1][:1] == [0]
    shown = [*lately(range(1000))]
    assert (shown[0], shown[-1]) == (0, 999)
    assert len(shown) < 1000
    assert [*lately([])] == []


# Nonsense


LINF = ("linf", 8)
NO_NUMBERS = (NAN, INF, -1, None, "3", [3], 10**400)
BAD = [
    *((generate, (net, *SETTINGS), "choose a net") for net in ("no", "/etc", "a.py:b", None)),
    *((generate, ("one", k, *SETTINGS[1:]), "no class") for k in ("cat", None)),
    (generate, ("one", generate.EVERY, 5, *SETTINGS[2:]), "at most 40"),
    *((generate, ("one", "3", n, *SETTINGS[2:]), "the number of images") for n in (*NO_NUMBERS, 0)),
    *((generate, ("one", "3", 2, n, *SETTINGS[3:]), "number of steps") for n in (*NO_NUMBERS, 2.5)),
    *((generate, ("one", "3", 2, 4, s, *SETTINGS[4:]), "the step size") for s in (*NO_NUMBERS, 0)),
    *((generate, ("one", *SETTINGS[:4], s, "own", 7), "the noise") for s in NO_NUMBERS),
    (generate, ("one", *SETTINGS[:5], "nowhere", 7), "start"),
    *((generate, ("one", *SETTINGS[:5], "own", s), "the seed") for s in NO_NUMBERS),
    *((attack, ("one", None, 3, "l2", eps, 5, "ce"), "eps") for eps in (*NO_NUMBERS, 65)),
    *((attack, ("one", None, 3, *LINF, n, "ce"), "the number of steps") for n in (*NO_NUMBERS, 0)),
    (attack, ("one", None, 3, *LINF, 5, "rm -rf"), "choose a loss"),
    *((attack, ("one", None, 3, n, 8, 5, "ce"), "choose a norm") for n in ("l3", None, ["l2"])),
    *((attack, ("one", None, i, *LINF, 5, "ce"), "of the test image") for i in (*NO_NUMBERS, 360)),
    (attack, ("one", Upload("x.png", b""), 3, *LINF, 5, "ce"), "this file is empty"),
    *((landscape, (n, *PLANE), "choose 1 to 4") for n in ([], None, "one", ["one"] * 5)),
    (landscape, (["one", "one"], *PLANE), "chosen twice"),
    (landscape, (["one", "nowhere"], *PLANE), "choose a net"),
    (landscape, (["one"], 999, *PLANE[1:]), "of the test image"),
    *((landscape, (["one"], 5, r, *PLANE[2:]), "the radius") for r in (*NO_NUMBERS, 0)),
    *((landscape, (["one"], 5, 1.5, n, *PLANE[3:]), "of points") for n in (*NO_NUMBERS, 4, 99)),
    (landscape, (["one"], 5, 1.5, 5, "both", 2), "choose an energy"),
    *((compare, (nets, "4", 2, 3, 5), "choose 1 to 4") for nets in ([], "one", ["one"] * 5)),
    (compare, (["one"], "cat", 2, 3, 5), "no class 'cat'"),
    *((compare, (["one"], "4", 2, 3, s), "the seed") for s in NO_NUMBERS),
]  # fmt: skip


@pytest.mark.parametrize(("view", "settings", "named"), BAD, ids=range(len(BAD)))
def test_settings_that_mean_nothing_are_refused_in_one_line(given, view, settings, named):
    for shown in (lambda: end(view.show(given, *settings)), lambda: view.command(given, *settings)):
        with pytest.raises(ValueError, match=named) as refused:
            shown()
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("settings", [(None, 0), ("horse", NAN)])
def test_a_lesson_of_nothing_is_refused(settings):
    with pytest.raises(ValueError, match=r"no class|the seed"):
        end(why.show(*settings))


def test_a_net_that_gives_nan_draws_nothing(given):
    net = load(given.nets["one"])
    with torch.no_grad():
        [*net.parameters()][-1].fill_(torch.inf)
    with pytest.raises(ValueError, match="NaN or infinite"):
        next(states(generate.asked(given, "one", *SETTINGS), net))


def test_what_others_wrote_is_text_and_no_markup():
    shown = picture(torch.zeros(1, 2, 2), '<script>"a"</script>', "<b>") + refusal(
        SettingError("<img src=x onerror=alert(1)>\nsecond line")
    )
    assert not re.search("<(script|b|img src=x)", shown)
    assert "&lt;script&gt;" in shown
    assert "\n" not in shown


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("boom"), "RuntimeError: boom"),
        (MemoryError(), "more memory"),
        (RuntimeError("[enforce fail] can't allocate memory: 9 bytes"), "more memory"),
        (ValueError(""), "ValueError"),
        (FileNotFoundError(2, "No such file", "x"), "No such file"),
    ],
)
def test_any_error_is_one_line(error, said):
    shown = refusal(error)
    assert said in shown
    assert shown.count("<p") == 1


# Pictures that are uploaded


def png(*size, mode="RGB", kind="PNG", **options):
    held = io.BytesIO()
    x = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), np.uint8)
    Image.fromarray(x).convert(mode).save(held, kind, **options)
    return held.getvalue()


def opaque(width, height):
    """A picture with an alpha that lets nothing through."""
    held = io.BytesIO()
    Image.new("RGBA", (width, height), (9, 9, 9, 255)).save(held, "PNG")
    return held.getvalue()


def bomb(width, height):
    """A PNG of some bytes that says it has so many pixels."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"no picture, whatever its name", "no picture that can be read"),
        (b"", "this file is empty"),
        (b"\x89PNG" + bytes(10_000_000), "at most 10 MB"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n%%EOF\n", "no picture"),
        (png(40, 40)[:400], "cannot be decoded"),
        (bomb(9000, 9000), "40 million pixels"),
        (bomb(10000, 10000), "40 million pixels"),
        (bomb(40000, 40000), "40 million pixels"),
        (bomb(0, 5), "no picture|cannot be decoded"),
        (png(400, 1), "cut the picture first"),
    ],
    ids=range(11),
)
def test_an_upload_that_is_no_good_picture_is_refused(data, said):
    with pytest.raises(ValueError, match=said) as refused:
        fitted(data, (3, 32, 32))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [
        png(1, 1), png(1000, 600), png(7, 9, mode="L"), png(7, 9, mode="1"), png(9, 9, mode="RGBA"),
        png(9, 9, mode="P"), png(9, 9, mode="I;16"), png(30, 30, kind="JPEG", mode="CMYK"),
        png(30, 30, kind="GIF", mode="P"), png(30, 30, kind="WEBP"), png(30, 20, kind="TIFF"),
    ],
    ids=range(11),
)  # fmt: skip
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 32)])
def test_any_picture_fits_any_net(data, shape):
    x, _ = fitted(data, shape)
    assert x.shape == (1, *shape)
    assert 0 <= x.min() <= x.max() <= 1


def test_a_picture_of_the_size_of_the_net_is_taken_as_it_is():
    data = png(32, 20)
    x, said = fitted(data, (3, 20, 32))
    assert said == ()
    same = np.asarray(Image.open(io.BytesIO(data)))
    assert np.array_equal((255 * x[0]).round().byte().movedim(0, 2).numpy(), same)


def test_an_uploaded_picture_is_attacked_away_from_what_the_net_says(given):
    shown = end(attack.show(given, "one", Upload("x.png", png(9, 9)), 0, *LINF, 5, "ce"))
    said = re.search(r"the net says (\w+)", shown)[1]
    assert f"<h3>{said}:" in shown
    assert f"E(x, {said})" in shown


def test_a_preview_says_why_there_is_no_image(given):
    assert [*images(preview(given, "one", None, 3))] == [DIGITS.classes[int(DIGITS.test.y[3])]]
    held = Upload("x.png", png(9, 9))
    assert [*images(preview(given, "one", held, None))] == ["your picture"]
    assert "x.png: this file is empty" in preview(given, "one", Upload("x.png", b""), None)
    elsewhere = Given(given.nets, "/nowhere/at/all")
    for shown in (preview(given, "one", None, NAN), preview(elsewhere, "one", None, 0)):
        assert 'role="alert"' in shown


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(9, 9, mode="RGBA"), [TRANSPARENT]),
        (png(9, 9, mode="I;16"), ["pixels of 16 bits are scaled"]),
        (png(9, 9, mode="P", kind="GIF", save_all=True, append_images=[Image.new("P", (9, 9))]),
         ["the first is taken"]),
        (opaque(9, 9), []),
        (png(9, 9), []),
    ],
    ids=["alpha", "16 bits", "frames", "opaque", "plain"],
)  # fmt: skip
def test_what_was_done_to_a_picture_is_said_beside_it_and_nowhere_else(given, data, said, recwarn):
    shown = preview(given, "one", Upload("x.png", data), None)
    notes = re.findall(r'<p class="jeat-note">(.+?)</p>', shown)
    assert len(notes) == len(said)
    assert all(part in note for part, note in zip(said, notes, strict=True))
    assert not recwarn.list


# Nets of several kinds, and a net's own ball


@pytest.fixture(scope="module")
def mixed(given, tmp_path_factory):
    """Nets of digits, and between them one of colour images and one of other classes."""
    place, names = tmp_path_factory.mktemp("mixed"), {"one": given.nets["one"]}
    kinds = {
        "colour": (Spec("convnet-4", 3, 8, DIGITS.classes), {"eps": 0.1, "eps_norm": "l2"}),
        "letters": (
            Spec("convnet-4", 1, 8, ("a", "b", "3")),
            {"objective": {"eps": 0.5, "norm": "l2"}},
        ),
        "large": (Spec("convnet-4", 1, 16, DIGITS.classes), {}),
    }
    for name, (spec, plan) in kinds.items():
        names[name] = str(place / f"{name}.safetensors")
        save_net(build(spec), None, names[name], about={"plan": {"data": "digits"} | plan})
    return Given({**names, "two": given.nets["two"]})


def test_the_nets_that_are_chosen_at_first_fit_each_other(mixed):
    assert mixed.like_the_first(2) == ["one", "two"]
    assert Given({k: mixed.nets[k] for k in ("letters", "one", "two")}).like_the_first(3) == [
        "letters"
    ]


def test_a_plane_of_nets_of_several_kinds_is_that_of_those_that_fit(mixed, monkeypatch):
    nets = ["one", "colour", "letters", "two"]
    monkeypatch.setattr(landscape, "drawn", lambda *_, name: name)
    monkeypatch.setattr(landscape, "draw", lambda energies, **_: drawn.append([*energies]))
    drawn = []
    shown = end(landscape.show(mixed, nets, *PLANE))
    assert drawn == [["one", "two"]] * 2
    said = re.findall(r'role="alert">(\w+) takes images of', shown)
    assert said == ["colour", "letters"]
    line, *out = landscape.command(mixed, nets, *PLANE).splitlines()
    assert shlex.split(line)[2:4] == [mixed.nets["one"], mixed.nets["two"]]
    assert [words.split()[1] for words in out] == said
    assert "--" not in shown + "".join(out)
    with pytest.raises(ValueError, match=r"^colour takes images .*: choose another net$"):
        end(landscape.show(mixed, ["colour"], *PLANE))


def test_those_nets_draw_a_class_that_know_it(mixed):
    nets = ["two", "letters", "colour"]
    shown = end(compare.show(mixed, nets, "4", 1, 2, 5))
    assert re.findall(r"<h3>(\w+)(?:, step 2)?</h3>", shown) == nets
    assert shown.count("<figure>") == 2
    assert re.findall(r'role="alert">(.+?):', shown) == ["no class &#x27;4&#x27;"]
    *lines, out = compare.command(mixed, nets, "4", 1, 2, 5).splitlines()
    assert [shlex.split(line)[2] for line in lines] == [mixed.nets["two"], mixed.nets["colour"]]
    assert out == "# letters: no class '4': classes are a, b, 3"
    with pytest.raises(ValueError, match=r"^letters: no class '4'"):
        end(compare.show(mixed, ["letters"], "4", 1, 2, 5))


def test_a_net_that_fails_leaves_the_others_their_pictures(given, monkeypatch):
    def failing(d, net):
        if d.net == given.nets["one"]:
            raise RuntimeError("boom")
        yield from states(d, net)

    monkeypatch.setattr(compare, "states", failing)
    shown = end(compare.show(given, ["one", "two"], "4", 1, 2, 5))
    assert ("boom" in shown, "two, step 2" in shown) == (True, True)
    assert [*compare.show(given, ["one"], "4", 1, 2, 5)][1:] == []


def test_a_page_names_no_flag_that_it_has_not(mixed):
    for view, settings in (
        (landscape, (["large"], *PLANE)),
        (attack, ("large", None, 3, *LINF, 5, "ce")),
    ):
        with pytest.raises(ValueError, match="choose another net") as refused:
            end(view.show(mixed, *settings))
        assert "--" not in str(refused.value)


def test_an_attack_begins_in_the_ball_of_the_net(mixed):
    assert first_ball(mixed, "one") == ("linf", 8)
    assert first_ball(mixed, "colour") == ("l2", 0.1)
    assert first_ball(mixed, "letters") == ("l2", 0.5)
    assert first_ball(mixed, "letters", "linf") == ("linf", 8)
    assert first_ball(mixed, "colour", "l2") == ("l2", 0.1)


def test_a_port_that_is_taken_is_named(given, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["app", given.nets["one"], "--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"jeat: nothing can be served at 127.0.0.1:{port} (")
    assert said.count("\n") == 1


@pytest.mark.parametrize("net", ["one", "nowhere"])
def test_without_gradio_it_is_said_first_what_to_install(given, net, monkeypatch, capsys):
    monkeypatch.setattr("jeat.cli.app.find_spec", lambda name: None)
    monkeypatch.setattr(Given, "net", None)
    assert main(["app", given.nets.get(net, net), "--port", "7871"]) == 2
    assert capsys.readouterr().err == "jeat: jeat app needs gradio: pip install 'jeat[app]'\n"
