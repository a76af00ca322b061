"""Films of chains and changed images show what the net does: states, energies, what was kept."""

import contextlib
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import jeat
from jeat.attacks import fgsm
from jeat.cli import main
from jeat.cli.attack import _write
from jeat.energy import energy_of
from jeat.figures import Cell, captioned
from jeat.jobs.drawing import Drawing, draw, draw_states
from jeat.jobs.film import EXTRA, check_films, pictures_of, write_film
from jeat.jobs.known import known_of
from jeat.jobs.one_image import image_of
from jeat.jobs.strips import counterfactuals_of
from jeat.metrics import Subject
from jeat.nets import Spec, build, save_net

BACK = 255  # white


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    out = str(tmp_path_factory.mktemp("net") / "run")
    o = jeat.Optimisation(epochs=2, evaluate_images=20)
    for _ in jeat.fit(jeat.Plan("normal", net="convnet-4", optimisation=o), out):
        pass
    return out


@pytest.fixture(scope="module")
def net(file):
    return jeat.load(file)


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """Colour, of another size and shape than the net's images."""
    x = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    out = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(x).save(out)
    return str(out)


def shown(picture, x, least):
    """Where (top, left) an image stands in a picture, enlarged; None where it does not."""
    pixels = np.asarray(picture.convert("RGB"))
    zoom = -(-least // min(x.shape[1:]))
    wanted = (x * 255).round().byte().repeat_interleave(zoom, 1).repeat_interleave(zoom, 2)
    wanted = wanted.expand(3, -1, -1).movedim(0, -1).numpy()
    high, wide = wanted.shape[:2]
    down, right = pixels.shape[0] - high + 1, pixels.shape[1] - wide + 1
    at = np.ones((down, right), dtype=bool)
    for i, j in [(0, 0), *zip(range(3, high, 11), range(7, wide, 11), strict=False)]:
        at &= (pixels[i : i + down, j : j + right] == wanted[i, j]).all(2)
    found = (p for p in zip(*np.nonzero(at), strict=True)
             if np.array_equal(pixels[p[0] : p[0] + high, p[1] : p[1] + wide], wanted))  # fmt: skip
    return next(found, None)


def test_each_image_stands_under_its_column_beside_its_name_above_its_text():
    x = torch.rand(3, 3, 4, 5)
    rows = [("cat", [Cell(x[0], "a"), Cell(x[1], "a\nb")]), ("", [Cell(x[2])])]
    picture = captioned(rows, heads=("before", "after"), title="all", least=40)
    tops = [shown(picture, image, 40) for image in x]
    assert None not in tops
    (top, left), (same, right), (below, first) = tops
    assert top == same < below
    assert left == first < right
    pixels = np.asarray(picture.convert("L"))
    under = pixels[top + 40 : below]
    assert (under[:18, left : left + 40] < 128).any()
    assert (under[18:, right : right + 40] < 128).any()
    assert (under[18:, left : left + 40] == BACK).all()  # of one line there is no second
    assert (pixels[top : top + 40, :left] < 128).any()  # the row's name
    assert (pixels[below : below + 40, :first] == BACK).all()


@pytest.mark.parametrize("frames", [1, 3, 60])
def test_the_last_frame_is_what_is_drawn_and_frames_are_spread_evenly(file, frames):
    d = Drawing(file, ("7", "2"), number=2, steps=10, seed=3)
    images, labels = draw(d)
    states, same, steps = draw_states(d, frames)
    assert torch.equal(states[-1], images)
    assert torch.equal(same, labels)
    assert steps == {1: [], 3: [0, 5, 10], 60: [*range(11)]}[frames]
    assert len(states) == max(1, len(steps))
    if frames == 3:
        assert torch.equal(states[1], draw_states(d, 60)[0][5])


def test_pictures_of_a_film_are_of_one_size_and_show_every_chain_and_its_energy(net, monkeypatch):
    states, y = torch.rand(3, 4, 1, 8, 8), torch.tensor([5, 5, 1, 1])
    states[0] *= 0.2  # whose energies have other widths
    texts = []
    monkeypatch.setattr("jeat.jobs.film.Cell", lambda x, text: texts.append(text) or Cell(x, text))
    pictures = list(pictures_of(states, y, [0, 4, 9], net))
    assert len({p.size for p in pictures}) == 1
    for picture, x in zip(pictures, states, strict=True):
        places = [shown(picture, image, 160) for image in x]
        assert None not in places
        assert places[0][0] == places[1][0] < places[2][0] == places[3][0]
    with torch.no_grad():
        E = [energy_of(net, y)(x) for x in states]
    assert torch.allclose(torch.tensor([*map(float, texts)]), torch.cat(E), atol=0.00501)


def test_a_gif_has_each_picture_and_holds_the_last(file, tmp_path):
    out = tmp_path / "x.gif"
    assert main(["sample", file, str(out), "--class", "3", "-n", "2", "--steps", "5"]) == 0
    gif = Image.open(out)
    assert gif.n_frames == 6
    times = []
    for i in range(gif.n_frames):
        gif.seek(i)
        times.append(gif.info["duration"])
    assert times == [80] * 5 + [2000]
    assert gif.info["loop"] == 0  # again and again


def test_an_mp4_has_each_picture_and_holds_the_last(tmp_path):
    av = pytest.importorskip("av", reason="jeat[video]")
    pictures = [Image.new("RGB", (31, 20), colour) for colour in ("red", "blue", "black")]
    write_film(tmp_path / "x.mp4", pictures)
    with av.open(str(tmp_path / "x.mp4")) as video:
        frames = [f.to_ndarray(format="rgb24") for f in video.decode(video=0)]
    assert len(frames) == 3 + 25
    assert {f.shape for f in frames} == {(20, 32, 3)}
    for frame, colour in zip(frames, ([255, 0, 0], [0, 0, 255], [0, 0, 0]), strict=False):
        assert np.abs(frame[5, 5].astype(int) - colour).max() < 8
    assert frames[-1].max() < 8 or frames[-1][5, 5].max() < 8


def test_without_the_library_an_mp4_is_refused_in_a_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(ValueError, match=re.escape("pip install 'jeat[video]'")):
        check_films(".mp4")
    check_films(".gif")
    assert "\n" not in EXTRA


def test_an_image_file_is_brought_to_the_net_as_data_are(net, photo):
    """Scaled until it covers 8 x 8, cut at the centre, grey as the net is."""
    x, label = image_of(photo, net)
    wanted = Image.open(photo).resize((13, 8), Image.Resampling.BILINEAR).crop((2, 0, 10, 8))
    assert label is None
    assert np.array_equal((x[0] * 255).numpy().round(), np.asarray(wanted.convert("L")))
    colour = build(Spec("convnet-4", 3, 8, ("a", "b")))
    assert image_of(photo, colour)[0].shape == (3, 8, 8)
    data = jeat.load_data("digits")
    y, label = image_of("test:17", net)
    assert torch.equal(y, data.test.x[17] / 255)
    assert label == int(data.test.y[17])


@pytest.mark.parametrize("how", [("2", "1", "6", "5"), ("mask.png",)])
def test_what_is_filled_in_is_the_rectangle_or_the_white_of_the_mask(
    how, net, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((8, 8), dtype=np.uint8)
    mask[1:5, 2:6] = 255
    Image.fromarray(mask).save("mask.png")
    known = known_of("test:3", net, inpaint=how)
    assert torch.equal(known.kept.known, torch.from_numpy(mask == 0))
    assert (known.shown[:, mask == 255] == 0.5).all()


def test_known_pixels_are_those_of_the_image_and_the_others_are_drawn(file, tmp_path, net):
    out = tmp_path / "x.npz"
    line = ["--from", "test:3", "--inpaint", "2", "1", "6", "5", "--class", "8", "1", "-n", "2"]
    assert main(["sample", file, str(out), *line, "--start", "uniform"]) == 0
    kept, image = np.load(out), (image_of("test:3", net)[0][0] * 255).round().byte().numpy()
    assert kept["labels"].tolist() == [8, 8, 1, 1]
    hole = np.zeros((8, 8), dtype=bool)
    hole[1:5, 2:6] = True
    assert (kept["images"][:, ~hole] == image[~hole]).all()
    assert (kept["images"][:, hole] != image[hole]).any(1).all()
    assert len(np.unique(kept["images"], axis=0)) == 4
    assert "--from test:3 --inpaint 2 1 6 5" in str(kept["command"])


@pytest.mark.parametrize("image", ["test:3", "photo"])
def test_an_enlarged_image_has_the_means_of_the_small_one(image, file, net, photo):
    image = photo if image == "photo" else image
    d = Drawing(file, number=1, image=image, enlarge=2, energy="cross-entropy")
    (x,), (label,) = draw(d)
    if image == photo:
        low, wanted = image_of(photo, net, (4, 4))[0], None
    else:
        whole, wanted = image_of(image, net)
        low = F.avg_pool2d(whole, 2)
    assert (F.avg_pool2d(x.double(), 2) - low).abs().max() <= 1e-6
    assert wanted in (None, int(label))  # the image's own class, where none is named
    assert 0 <= float(x.min()) <= float(x.max()) <= 1
    assert (x - low.repeat_interleave(2, 1).repeat_interleave(2, 2)).abs().max() > 1e-3


def test_a_strip_shows_what_is_known_what_is_drawn_and_the_whole(file, net, tmp_path):
    out, words = tmp_path / "x.png", ["--from", "test:3", "--inpaint", "2", "1", "6", "5"]
    assert main(["sample", file, str(out), *words, "--class", "8", "1"]) == 0
    d = Drawing(file, ("8", "1"), 1, image="test:3", inpaint=("2", "1", "6", "5"))
    known, (drawn, _) = known_of("test:3", net, inpaint=d.inpaint), draw(d)
    images = [known.shown, drawn[0], known.whole, drawn[1]]
    first, eight, whole, one = (shown(Image.open(out), x, 160) for x in images)
    assert first[0] == eight[0] == whole[0] < one[0]
    assert first[1] < eight[1] == one[1] < whole[1]


def test_chains_from_an_image_take_an_eighth_of_the_steps(file):
    told = []
    d = Drawing(file, number=1, image="test:3", enlarge=2)
    draw(d, show=lambda *said: told.append(said))
    assert len(told) == 19  # of JEM's 150


def test_a_drawing_from_an_image_knows_its_command(file):
    d = Drawing(file, ("3",), image="a b.png", enlarge=2)
    assert d.command("x.png").endswith("--class 3 --from 'a b.png' --super 2")


def test_a_counterfactual_strip_shows_it_and_says_how_far_it_is(file, net, tmp_path, capsys):
    x, _ = image_of("test:3", net)
    own, name = map(str, net(x[None])[0].argsort(descending=True)[:2].tolist())
    out = tmp_path / "x.png"
    assert main(["sample", file, str(out), "--from", "test:3", "--steps", "5",
                 "--class", name]) == 0  # fmt: skip
    said = capsys.readouterr().out.splitlines()
    assert [re.sub(r"(?<!l)\d[\d.e+-]*", "0", s.partition(": ")[2]) for s in said] == [
        "0 at an l2 distance of 0, not yet at 0"
    ]
    assert shown(Image.open(out), x, 160) is not None
    with pytest.raises(SystemExit):
        main(["sample", file, str(out), "--from", "test:3", "--class", "3", "--seed", "1"])
    capsys.readouterr()
    assert main(["sample", file, str(out), "--from", "test:3", "--class", own]) == 1
    assert f"the net says {own} of test:3 already" in capsys.readouterr().err


def test_a_class_that_no_walk_reaches_is_named(photo):
    net = build(Spec("convnet-4", 1, 8, ("cat", "dog"))).eval()
    with torch.no_grad():
        net.linear.weight.mul_(1e-3)
        net.linear.bias.copy_(torch.tensor([90.0, 0.0]))
    file = photo.replace("photo.png", "grey.png")
    Image.new("L", (8, 8)).save(file)
    with pytest.raises(ValueError, match=r"the net gives dog: name another class$"):
        counterfactuals_of(net, file, ("dog",), confidence=0.0, steps=2)


def test_a_picture_of_an_attack_shows_images_before_and_after(tmp_path, net):
    x, y = jeat.load_data("digits").test.floats(12)
    x_adv = fgsm(net, x, y, eps=0.1)
    classes = tuple(f"digit {k}" for k in range(10))
    _write(str(tmp_path / "x.png"), Subject(net, x, y, classes=classes), x_adv, "linf")
    picture = Image.open(tmp_path / "x.png")
    for i in (0, 4, 11):  # of six of the twelve, evenly
        (top, left), (below, same) = (shown(picture, images[i], 128) for images in (x, x_adv))
        assert top < below
        assert left == same
        grey = (0.5 + 10 * (x_adv[i] - x[i])).clamp(0, 1)
        assert shown(picture, grey, 128)[1] == left


def attacked_alone(file, *words):
    """The two rows of jeat attack --from, by column."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["attack", file, *words, "--eps", "0.1", "--steps", "5"]) == 0
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in out.getvalue().splitlines()]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


@pytest.mark.parametrize("seed", [0, 1])
def test_one_image_is_attacked_as_in_python(seed, file, net, tmp_path):
    x, y = (both[17:18] for both in jeat.load_data("digits").test.floats())
    torch.manual_seed(seed)
    wanted = jeat.attacks.pgd(net, x, y, eps=0.1, steps=5, step_size=2 / 255)
    out = str(tmp_path / "x.npz")
    clean, after = attacked_alone(file, "--from", "test:17", "--seed", str(seed), "--out", out)
    assert torch.equal(torch.from_numpy(np.load(out)["images"]), wanted)
    assert np.load(out)["labels"].tolist() == y.tolist()
    for row, images in ((clean, x), (after, wanted)):
        p = net(images).detach().softmax(1)[0]
        assert (row["class"], row["the net says"]) == (str(int(y)), str(int(p.argmax())))
        assert float(row["probability"]) == pytest.approx(float(p.max()), abs=6e-4)
        E = -net(images)[0, int(y)].item()
        assert float(row["E_y"]) == pytest.approx(E, abs=6e-4)


def test_the_class_of_an_image_is_named_or_else_its_label_or_else_what_the_net_says(
    file, net, photo
):
    x, _ = image_of(photo, net)
    said = str(int(net(x[None]).argmax()))
    assert attacked_alone(file, "--from", photo)[0]["class"] == said
    other = str((int(said) + 1) % 10)
    assert attacked_alone(file, "--from", photo, "--class", other)[0]["class"] == other
    assert attacked_alone(file, "--from", "test:17", "--class", "0")[0]["class"] == "0"
    towards = attacked_alone(file, "--from", photo, "--class", other, "--target", said)
    p = net(x[None]).detach().softmax(1)[0, int(said)]
    assert float(towards[0][f"probability of {said}"]) == pytest.approx(float(p), abs=6e-4)


def test_an_image_is_of_the_data_that_are_named(file, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (40, 8, 8), dtype=np.uint8), np.arange(40) % 10
    np.savez(tmp_path / "own.npz", images=x, labels=y, test_images=x[::-1], test_labels=y[::-1])
    out = str(tmp_path / "x.npz")
    words = ["--from", "test:2", "--data", str(tmp_path / "own.npz"), "--out", out]
    assert attacked_alone(file, *words)[0]["class"] == str(y[::-1][2])
    assert abs(np.load(out)["images"][0, 0] * 255 - x[::-1][2]).max() <= 0.1 * 255 + 1e-3


def test_a_net_whose_logits_overflow_draws_no_picture(tmp_path, capsys):
    net = build(Spec("convnet-4", 1, 8, tuple("0123456789")))
    with torch.no_grad():
        for weights in net.parameters():
            weights.fill_(1e20)
    save_net(net, None, tmp_path / "inf.safetensors", about={"plan": {"data": "digits"}})
    for words in (["--class", "3"], ["--inpaint", "1", "1", "4", "4"], ["--super", "2"]):
        line = ["sample", str(tmp_path / "inf.safetensors"), str(tmp_path / "x.png")]
        assert main([*line, "--from", "test:0", *words]) == 1
        assert "NaN or infinite" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()
