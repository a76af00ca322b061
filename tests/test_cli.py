"""The command line parses, calls and prints: what it says is what the library says."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import EvalResult, ModelCardData
from PIL import Image
from safetensors.torch import save_file

import jeat
from jeat.cli import main
from jeat.jobs.image_files import load_images
from jeat.jobs.pictures import named_grid
from jeat.metrics import (
    accuracy,
    judge_accuracy,
    memorisation,
    robust_accuracy,
    sample_quality,
)
from jeat.nets.places import newest
from jeat.runs.buffer import load_buffer
from jeat.samplers import Uniform

from .conftest import DIGITS

COMMANDS = [
    "app",
    "attack",
    "cite",
    "compare",
    "completion",
    "curve",
    "landscape",
    "list",
    "measure",
    "plot",
    "reproduce",
    "sample",
    "sweep",
    "train",
]
SUITES = ["digits", "cifar10", "cifar10-cpu", "cifar100", "cifar100-cpu"]
METHODS = ["at", "jeat", "jem", "noise", "normal", "prejeat"]
TINY = ["--net", "convnet-4", "--epochs", "0.3", "--evaluate_images", "20"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory of JEAT, made through the command line."""
    out = tmp_path_factory.mktemp("cli") / "run"
    chains = ["--objective.steps", "2", "--objective.buffer_size", "300"]
    assert main(["train", "jeat", "--out", str(out), *TINY, *chains, "--start", "gaussian"]) == 0
    return str(out)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"], ["--version"], ["list"], *([c, "--help"] for c in COMMANDS),
        *(["train", m, "--help"] for m in METHODS),
        *(["reproduce", s, "--help"] for s in SUITES),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_needs_no_torch_imports_none(words):
    code = (
        "import sys\nfrom jeat.cli import main\n"
        f"try: code = main({words})\n"
        "except SystemExit as leave: code = leave.code\n"
        "sys.exit(code or 3 * ('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_help_names_every_command_and_every_method(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {command} " in shown for command in COMMANDS)
    assert main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {method} " in shown for method in METHODS)


def test_list_shows_the_shipped_nets_with_their_figures_data_and_licence(
    tmp_path, monkeypatch, capsys
):
    """As the cards beside the weights say; a net without a figure has an empty cell."""
    results = [EvalResult("image-classification", "toys", "toys", "accuracy", 0.625)]
    data = ModelCardData(
        model_name="toy-at", license="mit", datasets=["someone/toys"], eval_results=results
    )
    (tmp_path / "toy-at.md").write_text(f"---\n{data.to_yaml()}\n---\n# toy-at\n")
    shipped = {"toy-at": tmp_path / "toy-at.safetensors"}
    monkeypatch.setattr("jeat.shipped", lambda: shipped)
    assert main(["list"]) == 0
    row = capsys.readouterr().out.splitlines()[2]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["toy-at", "0.625", "", "", "someone/toys", "mit"]
    shipped.clear()
    assert main(["list"]) == 0
    assert capsys.readouterr().out == "no net comes with this installation\n"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_and_logs_its_parts(method, tmp_path):
    chains = ["--objective.steps", "2", "--objective.buffer_size", "300"]
    flags = chains if method in ("jem", "jeat") else []
    assert main(["train", method, "--out", str(tmp_path / "run"), *TINY, *flags]) == 0
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    parts = {"loss", "accuracy_clean", "E_clean", "E_y_clean", "test_accuracy"}
    parts |= {"accuracy_adv", "E_adv"} if method in ("at", "prejeat", "jeat") else set()
    parts |= {"E_neg", "E_neg-E_clean"} if method in ("jem", "jeat") else set()
    assert parts <= last.keys()
    assert all(np.isfinite(v) for v in last.values())


def test_a_yaml_file_holds_every_flag_and_gives_the_same_run(tmp_path, capsys):
    flags = [*TINY, "--lr", "2e-3", "--objective.eps", "4/255", "--objective.ratio", "1.0"]
    assert main(["train", "at", "--out", str(tmp_path / "a"), *flags]) == 0
    capsys.readouterr()
    with pytest.raises(SystemExit) as leave:
        main(["train", "at", "--out", str(tmp_path / "b"), *flags, "--print_config"])
    assert leave.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    printed["objective"]["eps"] = "4/255"
    (tmp_path / "flags.yaml").write_text(yaml.safe_dump(printed))
    assert main(["train", "at", "--config", str(tmp_path / "flags.yaml")]) == 0
    a, b = (json.loads((tmp_path / k / "run.json").read_text())["plan"] for k in "ab")
    assert a == b
    assert a["objective"] == {"eps": 4 / 255, "norm": "linf", "steps": 1, "ratio": 1.0}
    torch.testing.assert_close(
        jeat.load(tmp_path / "a").state_dict(), jeat.load(tmp_path / "b").state_dict()
    )


def test_a_fraction_is_a_number_but_not_in_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["train", "at", "--out", "1/2", *TINY, "--eps", "4/255", "--objective.eps=6/255"]
    assert main(words) == 0
    plan = json.loads((tmp_path / "1" / "2" / "run.json").read_text())["plan"]
    assert (plan["eps"], plan["objective"]["eps"]) == (4 / 255, 6 / 255)


def test_a_reader_that_leaves_is_no_error():
    code = "import sys; from jeat.cli import main; sys.exit(main(['train', 'jeat', '--help']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait()


def test_a_checkpoint_folder_is_a_net(run):
    (folder,) = (jeat.checkpoint.newest(Path(run)),)
    torch.testing.assert_close(jeat.load(folder).state_dict(), jeat.load(run).state_dict())


def test_sample_writes_a_row_a_class_of_the_library_s_images(run, tmp_path, capsys):
    out = tmp_path / "new folder" / "grid.png"
    words = [run, str(out), "--class", "7", "2", "-n", "3", "--steps", "4", "--seed", "5"]
    assert main(["sample", *words]) == 0
    assert "6 images, 3 of each class" in capsys.readouterr().out
    net = jeat.load(run)
    torch.manual_seed(5)
    images = jeat.sample(net, torch.tensor([7, 7, 7, 2, 2, 2]), steps=4)
    known = named_grid(images, torch.tensor([7, 7, 7, 2, 2, 2]), DIGITS.classes)
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(known))


def test_sample_can_start_from_noise_or_from_the_replay_buffer(run, tmp_path):
    still = ["--steps", "1", "--step_size", "1e-9", "--noise", "0", "-n", "1", "--class", "3"]
    pictures = {}
    for start in ("own", "uniform", "buffer"):
        assert main(["sample", run, str(tmp_path / "x.npz"), *still, "--start", start]) == 0
        pictures[start] = torch.from_numpy(np.load(tmp_path / "x.npz")["images"][0])
    torch.manual_seed(0)
    assert torch.equal(pictures["uniform"], (torch.rand(8, 8) * 255).round().byte())
    stored = (load_buffer(run).states[:, 0].clamp(0, 1) * 255).round().byte()
    assert (stored == pictures["buffer"]).flatten(1).all(1).any()
    assert not torch.equal(pictures["own"], pictures["buffer"])


def test_measure_writes_what_the_library_measures_and_how(run, tmp_path):
    out = tmp_path / "figures.json"
    words = ["-n", "50", "--metrics", "accuracy", "robust_accuracy", "--seed", "3"]
    how = ["--robust_accuracy.eps", "0.1", "--robust_accuracy.steps", "3"]
    assert main(["measure", run, *words, *how, "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    net, (x, y) = jeat.load(run), DIGITS.test.floats(50)
    torch.manual_seed(3)
    robust = robust_accuracy(net, x, y, eps=0.1, steps=3)
    assert found["figures"] == {"accuracy": accuracy(net, x, y), "robust_accuracy": robust}
    assert (found["images"], found["seed"], found["data"]) == (50, 3, "digits")
    assert found["settings"]["robust_accuracy"]["eps"] == 0.1


def test_measure_knows_every_metric_and_runs_the_costly_ones_by_name(run, capsys):
    assert main(["measure", run, "-n", "20", "--fisher_score.probes", "2"]) == 0
    shown = capsys.readouterr().out
    for name in ("accuracy", "robust_accuracy", "jfs", "mfs", "E_y", "ece", "zero_gradient_share"):
        assert f"| {name} " in shown
    for name in ("auto_attack", "ood_auroc_energy"):
        assert name not in shown
    words = ["--metrics", "auto_attack", "--auto_attack.attacks", "apgd-ce"]
    assert main(["measure", run, "-n", "4", *words, "--auto_attack.eps", "25/255"]) == 0
    assert "| apgd-ce " in capsys.readouterr().out
    assert main(["measure", run, "-n", "4", "--metrics", "out_of_distribution"]) == 2
    assert "out_of_distribution needs --outside" in capsys.readouterr().err
    words = ["--metrics", "out_of_distribution", "--outside", "inverted"]
    assert main(["measure", run, "-n", "4", *words]) == 0
    assert "| ood_auroc_energy " in capsys.readouterr().out


def test_samples_are_measured_by_a_judge(run, tmp_path, capsys):
    file, out = str(tmp_path / "x.safetensors"), str(tmp_path / "found.json")
    judge = str(tmp_path / "judge")
    assert main(["train", "normal", "--out", judge, *TINY]) == 0
    assert main(["sample", run, file, "-n", "2", "--steps", "2", "--seed", "5"]) == 0
    words = ["--metrics", "judge_accuracy", "sample_quality", "nearest", "--samples", file]
    assert main(["measure", run, "-n", "9", *words, "--judge", judge, "--out", out]) == 0
    found = json.loads(Path(out).read_text())
    assert found["samples"] == 20
    assert found["drawing"] == f"jeat sample {run} {file} --number 2 --steps 2 --seed 5"
    images, labels, _ = load_images(Path(file))
    net, (x, _) = jeat.load(judge), DIGITS.test.floats(9)
    assert found["figures"]["judge_accuracy"] == judge_accuracy(net, images, labels)
    train = DIGITS.train.floats()[0]
    assert found["figures"]["nearest_l2"] == memorisation(images, x, train)["l2"]
    quality = sample_quality(images, train, net)
    assert found["figures"]["judge_kid"] == pytest.approx(quality["kid"])
    fewer = ["--metrics", "nearest", "--samples", file, "--compared", "50", "--out", out]
    assert main(["measure", run, "-n", "9", *fewer]) == 0
    near = json.loads(Path(out).read_text())["figures"]["nearest_l2"]
    assert near == memorisation(images, x, DIGITS.train.floats(50)[0])["l2"]
    capsys.readouterr()
    assert main(["measure", run, *fewer[:-3], "0"]) == 2
    assert "--compared must be at least 1" in capsys.readouterr().err
    assert main(["measure", run, *words[:3], *words[-2:]]) == 2
    assert "needs --judge" in capsys.readouterr().err
    assert main(["measure", run, *words, "--judge", run]) == 1
    assert "no judge of its own samples" in capsys.readouterr().err
    assert main(["measure", judge, *words, "--judge", run]) == 1
    assert "no judge of its own samples" in capsys.readouterr().err
    assert main(["measure", judge, *words, "--judge", judge]) == 0
    capsys.readouterr()
    assert main(["measure", run, *words[:-1], run, "--judge", judge]) == 1
    assert "holds no image files" in capsys.readouterr().err
    other = str(tmp_path / "other.safetensors")
    save_file({"x": torch.zeros(1)}, other)
    assert main(["measure", run, *words[:-1], other, "--judge", judge]) == 1
    assert "it was not saved by jeat" in capsys.readouterr().err
    shutil.copy(newest(Path(run)) / "net.safetensors", other)
    assert main(["measure", run, *words[:-1], other, "--judge", judge]) == 1
    assert "was not made by jeat sample" in capsys.readouterr().err
    data = bytearray(Path(file).read_bytes())
    data[-1] ^= 1
    Path(file).write_bytes(data)
    assert main(["measure", run, *words, "--judge", judge]) == 1
    assert f"{file} holds no images of jeat sample: what it holds is" in capsys.readouterr().err


def test_attack_saves_images_inside_the_ball(run, tmp_path, capsys):
    out = tmp_path / "adv.npz"
    words = ["-n", "40", "--eps", "8/255", "--step-size", "2/255", "--steps", "3"]
    assert main(["attack", run, *words, "--loss", "energy", "--out", str(out)]) == 0
    x, y = DIGITS.test.floats(40)
    with np.load(out) as saved:
        delta = np.abs(saved["images"] - x.numpy())
        assert saved["labels"].tolist() == y.tolist()
    assert 0.5 * 8 / 255 < delta.max() <= 8 / 255 + 1e-6
    assert "attacked" in capsys.readouterr().out


def test_restarts_attack_only_what_is_left(run, tmp_path):
    """Images that the first start fools stay as they are; further starts fool no fewer."""
    net, fooled = jeat.load(run), []
    for starts in ("1", "4"):
        out = tmp_path / f"{starts}.npz"
        words = ["-n", "80", "--eps", "0.05", "--step_size", "0.02", "--steps", "2"]
        assert main(["attack", run, *words, "--restarts", starts, "--out", str(out)]) == 0
        with np.load(out) as saved:
            x, y = torch.from_numpy(saved["images"]), torch.from_numpy(saved["labels"])
        fooled.append((x, net(x).argmax(1) != y))
    (x, first), (again, more) = fooled
    assert 0 < int(first.sum()) <= int(more.sum())
    assert torch.equal(x[first], again[first])
    assert not torch.equal(x[~first], again[~first])


def test_ctrl_c_while_a_library_is_loaded_is_one_line(tmp_path):
    """Libraries catch what interrupts them, and are broken from then on."""
    (tmp_path / "library.py").write_text(
        "import os, time\nos.kill(os.getpid(), 2)\ntime.sleep(0.1)\nopen('loaded', 'x')"
    )
    script = """if True:
        import signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where make runs behind
        import jeat.cli
        from jeat.__main__ import main
        def load():
            try:
                import library
            except BaseException:
                raise RuntimeError("it is half loaded")
            while True:
                pass
        jeat.cli.main = load
        sys.exit(main())
    """
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (130, "jeat: stopped\n")
    assert (tmp_path / "loaded").exists()


@pytest.mark.parametrize(
    ("own", "spins"),
    [({}, "0"), ({"OMP_WAIT_POLICY": "active"}, "30000000000"), ({"GOMP_SPINCOUNT": "5"}, "5")],
    ids=["ours", "the user's policy", "the user's count"],
)
def test_waiting_threads_sleep_unless_the_user_says(own, spins):
    """As torch's OpenMP says when it is loaded, here by a plug-in."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    env = kept | own | {"OMP_DISPLAY_ENV": "verbose", "JEAT_PLUGINS": "torch"}
    done = subprocess.run(
        [sys.executable, "-m", "jeat", "list"], env=env, capture_output=True, text=True, check=True
    )
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("this torch has another OpenMP")
    assert f"GOMP_SPINCOUNT = '{spins}'" in done.stderr


def test_tests_and_make_have_waiting_threads_sleep():
    assert os.environ["OMP_WAIT_POLICY"]
    made = subprocess.run(
        ["make", "-pn", "demo"], cwd=Path(__file__).parents[1], capture_output=True, text=True,
        env={k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}, check=False,
    )  # fmt: skip
    assert "\nOMP_WAIT_POLICY = passive\n" in made.stdout


def test_test_images_and_starts_of_chains_are_the_ruler_of_samples(run, tmp_path, capsys):
    out, judge = str(tmp_path / "found.json"), str(tmp_path / "judge")
    assert main(["train", "normal", "--out", judge, *TINY]) == 0
    net, (x, y) = jeat.load(judge), DIGITS.test.floats(70)
    train, trained = DIGITS.train.floats()[0], jeat.load(run)
    torch.manual_seed(3)
    start = (getattr(trained, "start", None) or Uniform((1, 8, 8)))(y)
    for kind, samples, said in (
        ("test", x, "test images"),
        ("start", start.clamp(0, 1), "starts of its chains"),
    ):
        words = ["--metrics", "judge_accuracy", "sample_quality", "--samples", kind, "--seed", "3"]
        capsys.readouterr()
        assert main(["measure", run, "-n", "70", *words, "--judge", judge, "--out", out]) == 0
        assert f" 70 {said} |" in capsys.readouterr().out
        found = json.loads(Path(out).read_text())
        assert (found["samples"], found["drawn_by"], found["drawing"]) == (70, said, None)
        assert f"--samples {kind}" in found["command"]
        assert found["figures"]["judge_accuracy"] == judge_accuracy(net, samples, y)
        quality = sample_quality(samples, train, net)
        assert found["figures"]["judge_kid"] == pytest.approx(quality["kid"])
