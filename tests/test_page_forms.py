"""The forms of a page: what is shown is of the choice beside it, and commands do the same."""

import re
import shlex

import numpy as np
import pytest
import torch
from jsonargparse import Namespace
from PIL import Image

import jeat
from jeat._support.checks import SettingError
from jeat.cli import attack as attack_command
from jeat.cli import export as export_command
from jeat.cli import sample as sample_command
from jeat.exports import export
from jeat.nets import Spec, build
from jeat.samplers import Chain

from .test_page import CHROMIUM, browser_and_runtime

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

CLASSES = ("<b>cat</b>", "it's a dog", *(f"class {k}" for k in range(2, 12)))
LONG = "20000"  # steps of work that is ended long before


def of_page(net, **given):
    """What jeat export has a page hold."""
    args = {"net": "mine", "runtime": None, "number": 4, "data": None, "arch": Namespace()}
    return export_command._of_page(net, Namespace(**args | given))


@pytest.fixture
def digits_net(monkeypatch):
    monkeypatch.setattr("jeat.exports.page.runtime", lambda _: {})
    net = build(Spec("convnet-2", 1, 8, tuple(map(str, range(10)))))
    net.about = {"plan": {"data": "digits"}}
    return net


def test_images_of_a_page_are_test_images_by_their_numbers(digits_net, capsys):
    data = jeat.load_data("digits")
    for given, named in ((None, ""), ("digits", "digits")):
        held = of_page(digits_net, data=given)
        assert held["data"] == named
        assert torch.equal(data.test.x[held["numbers"]].float() / 255, held["images"])
        assert torch.equal(data.test.y[held["numbers"]], held["labels"])
    arch = Namespace(name="FILE.py:made", images=None)
    assert of_page(digits_net, arch=arch)["name"] == "mine?arch=FILE.py:made"
    assert not capsys.readouterr().err


def test_what_a_page_lacks_is_one_short_line(digits_net, capsys):
    digits_net.chain = Chain(sampler="mine:own")
    digits_net.about = {"plan": {"data": "owner/" + "nowhere" * 3}}
    assert "images" not in of_page(digits_net)
    digits_net.about = {}
    of_page(digits_net)
    said = capsys.readouterr().err.splitlines()
    assert "sampler mine:own: it draws by jeat's usual chain" in said[0]
    assert "no test images, as owner/nowherenowherenowhere cannot be read" in said[1]
    assert "no test images, as the net does not say what it was trained on" in said[3]
    assert len(said) == 4
    assert max(map(len, said)) < 120


def test_numbers_of_a_page_are_as_many_as_its_images(tmp_path, digits_net):
    given = {"images": torch.rand(2, 1, 8, 8), "labels": [0, 1], "numbers": [3]}
    with pytest.raises(SettingError, match="2 images have as many numbers, got 1"):
        export(digits_net, tmp_path / "page.html", found={}, **given)


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    """A page of twelve classes, of a net that was trained in l2 and has a sampler of its own."""
    api, found = browser_and_runtime()
    torch.manual_seed(0)
    net = build(Spec("convnet-8", 3, 16, CLASSES))
    net.about = {"plan": {"objective": {"eps": 1.5, "norm": "l2"}}}
    net.chain = Chain(sampler="mine:own", step_size=30.0)
    x = torch.rand(3, 3, 16, 16)
    file = tmp_path_factory.mktemp("forms") / "page.html"
    export(
        net, file, found=found, images=x, labels=[0, 1, 2], name="runs/my net", data="my images",
        numbers=[5, 17, 40],
    )  # fmt: skip
    with api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        made = browser.new_context(offline=True).new_page()
        made.set_default_timeout(60_000)
        made.on("pageerror", lambda e: pytest.fail(str(e)))
        made.goto(file.as_uri())
        yield made
        browser.close()


@pytest.fixture
def fresh(tab):
    """The page as it opens."""
    tab.reload()
    tab.wait_for_selector("#draw .main:enabled")
    return tab


def parsed(page, name):
    """The command that is shown, as its parser reads it."""
    command = {"draw": sample_command, "attack": attack_command}[name]
    words = shlex.split(page.text_content(f"#{name}-command"))
    assert words[:2] == ["jeat", {"draw": "sample"}.get(name, name)]
    return command._parser(words[2:]).parse(words[2:])


def nothing_shown(page, name):
    """Whether a form shows the image that it begins with alone, and nothing of a walk."""
    page.wait_for_selector(f"#{name} .main:enabled")
    figures = page.locator({"draw": "#drawn", "attack": "#attacked"}[name] + " figcaption")
    left = "#draw-plot *" if name == "draw" else "#attack-table *"
    return (
        figures.all_inner_texts() == ([""] if name == "draw" else ["clean"])
        and page.text_content(f"#{name}-said") == ""
        and page.locator(left).count() == 0
        and (name == "attack" or page.is_hidden("#take"))
    )


def is_shown_clean(page, index):
    """Whether the image beside the attack is that which is chosen."""
    urls = """i => [document.querySelector('#attacked canvas'),
      document.querySelectorAll('#choices canvas')[i]].map(c => c.toDataURL())"""
    shown, chosen = page.evaluate(urls, index)
    return shown == chosen


@pytest.mark.slow
def test_a_net_is_attacked_in_its_own_norm_in_the_units_of_that(fresh):
    assert fresh.input_value("#attack [name=norm]") == "l2"
    assert fresh.input_value("[name=eps]") == "1.5"
    assert fresh.locator(".unit").all_inner_texts() == ["in l2, pixels in [0, 1]"] * 2
    args = parsed(fresh, "attack")
    assert (args.norm, args.eps, args.step_size) == ("l2", 1.5, 0.375)
    fresh.select_option("#attack [name=norm]", "linf")
    assert fresh.input_value("[name=eps]") == "8"
    assert fresh.locator(".unit").all_inner_texts() == ["in 255ths"] * 2
    args = parsed(fresh, "attack")
    assert (args.norm, args.eps, args.step_size) == ("linf", 8 / 255, 2 / 255)
    for norm, told in (("linf", r"at most ([\d.]+) of 255"), ("l2", r"l2 length ([\d.]+)")):
        fresh.select_option("#attack [name=norm]", norm)
        fresh.click("#attack .main")
        fresh.wait_for_selector("#attack-table table")
        far = re.search(told, fresh.locator("#attacked figcaption").nth(2).inner_text())
        assert 0.5 < float(far[1]) / float(fresh.input_value("[name=eps]")) < 1.01


CHOSEN = """i => [...document.querySelectorAll('#choices input')].findIndex(e => e.checked) === i"""


@pytest.mark.slow
@pytest.mark.parametrize("ended", [False, True])
def test_a_choice_ends_an_attack_and_nothing_of_that_is_shown_after(ended, fresh, tmp_path):
    file = tmp_path / "red.png"
    Image.new("RGB", (20, 20), (200, 30, 60)).save(file)
    fresh.fill("#draw [name=steps]", "2")
    fresh.click("#draw .main")
    fresh.wait_for_selector("#take:visible")
    for choose, index in (
        (lambda: fresh.check("#choices input >> nth=2", force=True), 2),
        (lambda: fresh.select_option("#attack [name=label]", "7"), 2),
        (lambda: fresh.set_input_files("#attack [name=file]", file), 3),
        (lambda: fresh.click("#take"), 4),
        (lambda: fresh.select_option("#attack [name=norm]", "linf"), 4),
        (lambda: fresh.check("#choices input >> nth=0", force=True), 0),
    ):
        fresh.fill("#attack [name=steps]", "3" if ended else LONG)
        fresh.click("#attack .main")
        fresh.wait_for_selector(
            "#attack-table table" if ended else '#attack-said:text-matches("Step [1-9]")'
        )
        choose()
        fresh.wait_for_function(CHOSEN, arg=index)
        assert nothing_shown(fresh, "attack")
        assert is_shown_clean(fresh, index)


@pytest.mark.slow
def test_a_choice_made_meanwhile_ends_chains_and_nothing_of_them_is_shown(fresh):
    for field, value in (("label", "3"), ("seed", "8"), ("label", "each"), ("label", "2")):
        fresh.fill("#draw [name=steps]", LONG)
        fresh.click("#draw .main")
        fresh.wait_for_selector('#draw-said:text-matches("Step [1-9]")')
        name = f"#draw [name={field}]"
        fresh.select_option(name, value) if field == "label" else fresh.fill(name, value)
        assert nothing_shown(fresh, "draw")
    fresh.click("#draw .main")
    fresh.wait_for_selector('#draw-said:text-matches("Step [1-9]")')
    fresh.click("#draw [name=stop]")
    fresh.wait_for_selector('#draw-said:text-matches("Stopped after [1-9]")')
    assert fresh.locator("#drawn b").all_inner_texts() == [CLASSES[2]]
    assert fresh.is_visible("#take")


@pytest.mark.slow
def test_shown_commands_draw_what_the_page_draws(fresh):
    args = parsed(fresh, "draw")
    assert (args.net, args["class"], args.number) == ("runs/my net", [CLASSES[0]], 1)
    assert (args.sampler.name, args.step_size, args.start) == ("langevin", 0.25, "uniform")
    assert "<b>mine:own</b>" in fresh.inner_html("#draw-title + p + p")
    fresh.select_option("#draw [name=label]", "1")
    fresh.fill("#draw [name=number]", "3")
    args = parsed(fresh, "draw")
    assert (args["class"], args.number) == ([CLASSES[1]], 3)
    fresh.select_option("#draw [name=label]", "each")
    args = parsed(fresh, "draw")
    assert (args["class"], args.number) == ([*CLASSES[:10]], 1)


@pytest.mark.slow
def test_the_shown_attack_is_of_the_image_that_is_chosen(fresh, tmp_path):
    args = parsed(fresh, "attack")
    assert (args["from"], args["class"], args.data) == ("test:5", None, "my images")
    fresh.check("#choices input >> nth=1", force=True)
    assert parsed(fresh, "attack")["from"] == "test:17"
    fresh.select_option("#attack [name=label]", "4")
    assert parsed(fresh, "attack")["class"] == CLASSES[4]
    file = tmp_path / "-it's red.png"
    Image.new("RGB", (16, 16), (200, 30, 60)).save(file)
    fresh.set_input_files("#attack [name=file]", file)
    fresh.wait_for_function("() => jeat.choices.length === 4")
    args = parsed(fresh, "attack")
    assert (args["from"], args.data) == (f"./{file.name}", None)
    assert args["class"] == CLASSES[int(fresh.input_value("#attack [name=label]"))]
    fresh.fill("#draw [name=steps]", "2")
    fresh.click("#draw .main")
    fresh.click("#take")
    args = parsed(fresh, "attack")
    assert (args["from"], args["class"]) == ("drawn-1.png", CLASSES[0])
    fresh.locator("details:has(#attack-file)").evaluate("d => d.open = true")
    with fresh.expect_download() as saved:
        fresh.click("#attack-file a")
    assert saved.value.suggested_filename == "drawn-1.png"
    saved.value.save_as(tmp_path / "drawn.png")
    held = torch.tensor(fresh.evaluate("() => [...jeat.choices.at(-1).x]")).view(3, 16, 16)
    kept = torch.tensor(np.asarray(Image.open(tmp_path / "drawn.png").convert("RGB")))
    assert torch.allclose(held.movedim(0, -1) * 255, kept.float(), atol=1e-3)


@pytest.mark.slow
def test_where_a_field_lacks_something_the_command_is_a_comment_that_says_so(fresh):
    for form, field, value, said in (
        ("draw", "noise", "", "# Noise: give a number from 0 to 1000."),
        ("draw", "steps", "0", "# Steps: give a whole number from 1 to 100000."),
        ("draw", "number", "2.5", "# Images: give a whole number from 1 to 10."),
        ("attack", "steps", "", "# Steps: give a whole number from 1 to 100000."),
        ("attack", "eps", "-1", "# ε in l2, pixels in [0, 1]: give a number from 0 to 1000000."),
        ("attack", "stepSize", "", "# Step size in l2, pixels in [0, 1]: give a number from 0 to"),
    ):
        name = f"#{form} [name={field}]"
        before = fresh.input_value(name)
        fresh.fill(name, value)
        assert fresh.text_content(f"#{form}-command").startswith(said)
        fresh.fill(name, before)
        parsed(fresh, form)
