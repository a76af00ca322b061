"""The app in a browser: every view used on a wide page and on a phone, nonsense, several people."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from docs.screenshots import ENDS, VIEWS, WIDTHS, browser, choose, opened, pressed
from PIL import Image

from jeat.nets import Spec, build, save_net
from jeat.samplers import Chain, ClassGaussian

from .conftest import DIGITS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/usr/bin/chromium").exists(), reason="there is no Chromium"),
    pytest.mark.filterwarnings("ignore"),
]
pytest.importorskip("playwright", reason="there is no playwright")
pytest.importorskip("gradio", reason="there is no gradio: pip install 'jeat[app]'")
PORT, PATIENCE = 7864, 60_000
HOME = ("127.0.0.1", None)  # and data: and blob: in the page


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """``jeat app`` of nets of digits and one of colour: its process, and a file of what it says."""
    place, names = tmp_path_factory.mktemp("browser"), []
    own = {"objective": {"eps": 0.5, "norm": "l2"}}
    digits = ClassGaussian.of(DIGITS)
    kinds = {"one": (1, None, {}), "colour": (3, None, {}), "two": (1, digits, own)}
    for seed, (name, (channels, start, plan)) in enumerate(kinds.items()):
        torch.manual_seed(seed)
        names.append(str(place / f"{name}.safetensors"))
        net = build(Spec("convnet-4", channels, 8, DIGITS.classes))
        about = {"plan": {"data": "digits"} | plan}
        save_net(net, start, names[-1], about=about, chain=Chain(40, 0.1, 0.01))
    log = place / "log"
    with log.open("w") as out:
        words = [sys.executable, "-m", "jeat", "app", *names, "--port", str(PORT)]
        process = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT)
    until = time.monotonic() + 300
    while "Ctrl-C" not in log.read_text() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.5)
    yield process, log
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert log.read_text() == f"http://127.0.0.1:{PORT}/ (Ctrl-C stops it)\n"


@pytest.fixture
def address(app):
    """Where it is; nothing is said in its terminal while it is used."""
    _, log = app
    before = log.read_text()
    yield f"http://127.0.0.1:{PORT}/"
    assert log.read_text() == before


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


@contextmanager
def visited(chromium, address, width=1280):
    """The page, and what went wrong in it or was asked of other machines."""
    page, odd = chromium.new_page(viewport={"width": width, "height": 800}), []
    page.on("request", lambda r: odd.append(r.url) if urlsplit(r.url).hostname not in HOME else 0)
    page.on("requestfailed", lambda r: odd.remove(r.url) if r.failure == "csp" else 0)
    page.on("pageerror", lambda e: odd.append(str(e)))
    page.on("response", lambda r: odd.append(f"{r.status} {r.url}") if r.status >= 500 else 0)
    page.goto(address)
    yield page, odd
    page.close()


def done(panel, view):
    panel.locator(ENDS[view]).first.wait_for(timeout=PATIENCE)


def told(panel):
    """The one thing that the page says is wrong."""
    alert = panel.get_by_role("alert")
    alert.first.wait_for(timeout=PATIENCE)
    assert alert.count() == 1
    return alert.inner_text()


def says(panel, pattern):
    """Wait until the command says so."""
    panel.page.wait_for_function(
        "([e, pattern]) => new RegExp(pattern, 's').test(e.innerText)", timeout=PATIENCE,
        arg=[panel.locator(".jeat-command .cm-content").element_handle(), pattern],
    )  # fmt: skip


def uploaded(panel, name, data):
    """Choose a file, as a click on the button has it."""
    with panel.page.expect_file_chooser() as waiting:
        panel.get_by_role("button", name="Upload").click()
    waiting.value.set_files({"name": name, "mimeType": "image/png", "buffer": data})


def pictures(panel):
    return panel.locator(".block.jeat-shown img").evaluate_all("all => all.map(i => i.src)")


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_every_view_works_asks_no_other_machine_and_fits_the_screen(
    chromium, address, width, capfd
):
    with visited(chromium, address, width) as (page, odd):
        for view in VIEWS:
            panel = opened(page, view)
            says(panel, "^jeat ")
            pressed(panel, view)
            done(panel, view)
            seen = "() => [document.documentElement.scrollWidth, window.innerWidth]"
            assert page.evaluate(seen) == [width, width], view
            for image in panel.locator(".jeat-pictures img").all():
                assert image.evaluate("i => getComputedStyle(i).imageRendering") == "pixelated"
                assert image.evaluate("i => i.naturalWidth > 0 && i.clientWidth >= 50")
                assert image.get_attribute("alt")
            assert panel.get_by_role("alert").count() == 0, view
        assert odd == []


def test_pictures_come_while_the_chain_goes_on(chromium, address):
    with visited(chromium, address) as (page, _):
        panel = opened(page, "Generate")
        panel.get_by_label("number input for Steps").fill("300")
        pressed(panel, "Generate")
        steps = set()
        until = time.monotonic() + 60
        while time.monotonic() < until and panel.locator(".jeat-download").count() == 0:
            steps |= {*re.findall(r"Step (\d+) of 300", panel.inner_text())}
        assert len(steps) > 3
        assert panel.locator(".jeat-download").count() == 1


def test_the_grid_is_saved_as_a_png(chromium, address, tmp_path):
    with visited(chromium, address) as (page, _):
        panel = opened(page, "Generate")
        pressed(panel, "Generate")
        done(panel, "Generate")
        with page.expect_download() as waiting:
            panel.locator(".jeat-download").click()
        waiting.value.save_as(tmp_path / "x.png")
    assert Image.open(tmp_path / "x.png").size[1] > 10 * 64


def test_the_command_follows_the_settings(chromium, address):
    with visited(chromium, address) as (page, _):
        panel = opened(page, "Generate")
        choose(panel, "Net", "two")
        choose(panel, "Class", "7")
        panel.get_by_label("Seed").fill("12")
        says(panel, "two.safetensors.*--class 7 .*--seed 12")


@pytest.mark.parametrize("view", ["Generate", "Attack", "Landscape", "Compare"])
def test_a_number_outside_of_a_slider_is_refused_in_one_line(chromium, address, view):
    with visited(chromium, address) as (page, odd):
        panel = opened(page, view)
        boxes = panel.get_by_label(re.compile("^number input for")).all()
        assert boxes
        for box in boxes:
            for value in ("100000", "-1", ""):
                says(panel, "^jeat ")
                box.fill(value)
                says(panel, "^# .* must be .*, got ")
                box.fill("3")
        assert odd == []


def test_an_attack_begins_in_the_ball_of_the_net(chromium, address):
    with visited(chromium, address) as (page, odd):
        panel = opened(page, "Attack")
        says(panel, "one.safetensors --from test:0 --eps 8/255 --norm linf")
        choose(panel, "Net", "two")
        says(panel, "two.safetensors --from test:0 --eps 0.5 --norm l2")
        panel.get_by_label("number input for eps, pixel L2").fill("15.5")
        says(panel, "--eps 15.5 --norm l2")
        pressed(panel, "Attack")
        done(panel, "Attack")
        panel.get_by_label("linf", exact=True).click()
        says(panel, "two.safetensors --from test:0 --eps 8/255 --norm linf")
        assert odd == []


def test_nets_that_do_not_fit_are_named_and_the_others_are_drawn(chromium, address):
    with visited(chromium, address) as (page, odd):
        panel = opened(page, "Landscape")
        says(panel, "^jeat landscape [^ ]*one.safetensors [^ ]*two.safetensors plane.png")
        panel.get_by_label("Nets").click()
        page.get_by_role("option", name="colour", exact=True).click()
        pressed(panel, "Landscape")
        done(panel, "Landscape")
        assert "colour takes images of (3, 8, 8)" in told(panel.locator(".block.jeat-shown"))
        says(panel, "two.safetensors plane.png.*\n# colour takes images of")
        assert odd == []


def png(*size):
    held = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8)).save(held, "PNG")
    return held.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"this is no picture", "no picture that can be read"),
        (png(9000, 5000), "40 million pixels"),
        (png(300, 300)[:200], "cannot be decoded"),
        (png(1, 1), None),
        (png(300, 200), None),
    ],
    ids=["text", "huge", "cut", "1x1", "good"],
)
def test_what_is_uploaded_is_taken_or_refused_in_one_line(chromium, address, data, said):
    with visited(chromium, address) as (page, odd):
        panel = opened(page, "Attack")
        panel.locator(".jeat-preview img").wait_for(timeout=PATIENCE)
        file = {"name": "x.png", "mimeType": "image/png", "buffer": data}
        panel.locator("input[type=file]").set_input_files(file)
        if said is not None:
            assert said in told(panel)
        else:
            panel.get_by_text("your picture").wait_for(timeout=PATIENCE)
            pressed(panel, "Attack")
            done(panel, "Attack")
            assert panel.get_by_role("alert").count() == 0
        assert odd == []


def test_a_file_of_too_many_bytes_is_refused_and_leaves_no_message_of_another(chromium, address):
    with visited(chromium, address) as (page, _):
        panel = opened(page, "Attack")
        preview = panel.locator(".block.jeat-preview")
        uploaded(panel, "x.txt", b"this is no picture")
        preview.get_by_text("x.txt: this file is no picture").wait_for(timeout=PATIENCE)
        uploaded(panel, "x.png", b"\x89PNG" + bytes(11_000_000))
        page.get_by_text(re.compile("maximum allowed size")).last.wait_for(timeout=PATIENCE)
        preview.locator("img").wait_for(timeout=PATIENCE)
        assert preview.get_by_role("alert").count() == 0
        says(panel, "--from test:0")


def test_what_is_shown_is_what_is_attacked_and_an_upload_can_be_undone(chromium, address):
    with visited(chromium, address) as (page, odd):
        panel = opened(page, "Attack")
        preview, back = panel.locator(".block.jeat-preview"), "Back to the test image"
        says(panel, "--from test:0")
        assert panel.get_by_role("button", name=back).count() == 0
        for name, data, said in (
            ("my (1).png", png(300, 200), "--from 'my \\(1\\).png' --class \\d"),
            ("text.png", b"this is no picture", "^# this file is no picture"),
            ("empty.png", b"", "^# this file is empty"),
        ):
            uploaded(panel, name, data)
            says(panel, said)
            preview.get_by_text(name).wait_for(timeout=PATIENCE)
            shown = preview.locator("img").evaluate_all("all => all.map(i => i.src)")
            pressed(panel, "Attack")
            if shown:
                done(panel, "Attack")
                assert pictures(panel)[:1] == shown
            else:
                shown_here = panel.locator(".block.jeat-shown")
                shown_here.get_by_text(said[3:]).wait_for(timeout=PATIENCE)
            panel.get_by_role("button", name=back).click()
            says(panel, "--from test:0")
            preview.get_by_text(name).wait_for(state="detached", timeout=PATIENCE)
            assert panel.get_by_role("button", name=back).count() == 0
        assert odd == []


@pytest.mark.parametrize(
    ("view", "label", "value", "said"),
    [
        ("Generate", "Step size", "", "the step size must be"),
        ("Generate", "Noise", "-1", "the noise must be"),
        ("Generate", "Seed", "", "the seed must be"),
        ("Generate", "Step size", "1e300", "the step size must be"),
        ("Landscape", "Test image", "99999", "the number of the test image must be"),
        ("Landscape", "Radius, pixel L2", "0", "the radius must be"),
        ("Compare", "Seed", "-5", "the seed must be"),
    ],
)
def test_settings_that_mean_nothing_are_one_line_on_the_page(
    chromium, address, view, label, value, said
):
    with visited(chromium, address) as (page, _):
        panel = opened(page, view)
        panel.get_by_label(label, exact=True).fill(value)
        pressed(panel, view)
        panel.locator(".block.jeat-shown").get_by_role("alert").wait_for(timeout=PATIENCE)
        assert said in panel.locator(".block.jeat-shown").inner_text()
        assert panel.locator(".block.jeat-shown img").count() == 0


def test_an_attack_of_radius_0_is_shown(chromium, address):
    with visited(chromium, address) as (page, _):
        panel = opened(page, "Attack")
        panel.get_by_label(re.compile("number input for eps")).fill("0")
        pressed(panel, "Attack")
        done(panel, "Attack")
        clean, attacked, _ = pictures(panel)
        assert clean == attacked


def test_two_people_at_once_get_what_each_gets_alone(chromium, address):
    def ask(page, seed):
        panel = opened(page, "Generate")
        panel.get_by_label("Seed").fill(str(seed))
        pressed(panel, "Generate")
        return panel

    alone = []
    for seed in (1, 2):
        with visited(chromium, address) as (page, _):
            panel = ask(page, seed)
            done(panel, "Generate")
            alone.append(pictures(panel))
    with visited(chromium, address) as (one, _), visited(chromium, address) as (two, _):
        panels = [ask(one, 1), ask(two, 2)]
        for panel in panels:
            done(panel, "Generate")
        assert [pictures(panel) for panel in panels] == alone
    assert alone[0] != alone[1]


def worked(process):
    """Seconds that a process has worked."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("how", ["leave", "stop"])
def test_a_long_picture_ends_when_its_viewer_leaves_or_stops_it(chromium, app, address, how):
    def load():
        before = worked(app[0])
        time.sleep(4)
        return worked(app[0]) - before

    idle = load()
    with visited(chromium, address) as (page, _):
        panel = opened(page, "Compare")
        for label, value in (("Images of each net", 8), ("Steps", 500)):
            panel.get_by_label(f"number input for {label}").fill(str(value))
        pressed(panel, "Compare")
        page.wait_for_function("() => /step [1-9]/.test(document.body.innerText)", timeout=PATIENCE)
        assert load() > idle + 0.5
        if how == "stop":
            panel.get_by_role("button", name="Stop").click()
            page.wait_for_timeout(1000)
            assert load() < idle + 0.5
    time.sleep(3)
    assert load() < idle + 0.5


def test_no_endpoint_is_offered_to_programs_and_no_file_of_this_machine(chromium, address):
    with visited(chromium, address) as (page, _):
        info = page.request.get(f"{address}gradio_api/info").json()
        assert info["named_endpoints"] == {}
        for name in ("/etc/passwd", str(Path(__file__))):
            assert page.request.get(f"{address}gradio_api/file={name}").status in (403, 404)


def test_what_the_page_would_load_from_elsewhere_is_blocked(chromium, address):
    with visited(chromium, address) as (page, odd):
        blocked = page.evaluate(
            """() => new Promise(tell => {
                document.addEventListener("securitypolicyviolation", e => tell(e.blockedURI));
                document.body.append(Object.assign(new Image(), {src: "http://192.0.2.1/x.png"}));
            })"""
        )
        page.wait_for_timeout(500)
        assert blocked == "http://192.0.2.1/x.png"
        assert odd == []
