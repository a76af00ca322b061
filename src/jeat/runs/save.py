"""A checkpoint of a run: written aside, renamed into place."""

import shutil
from dataclasses import asdict
from pathlib import Path

from jeat._support import processes
from jeat._support.files import flushed, removed
from jeat._support.sealed import load_sealed
from jeat.nets import save_net
from jeat.nets.places import checkpoints
from jeat.runs.checkpoints import save_state, write_manifest
from jeat.samplers import Start
from jeat.training.health import DivergenceError
from jeat.training.iteration import Training, mean_over_processes
from jeat.training.plan import Plan

__all__ = ["any_process", "holds_net", "save"]


def save(out: Path, training: Training, start: Start, plan: Plan, *, rollbacks: int) -> None:
    """Write a checkpoint aside, rename it into place, then drop all but it and the one before.

    Raises:
        DivergenceError: the weights are not finite; nothing is written.
    """
    nets = (training.state.net, training.net)  # the latter may be an average
    finite = all(bool(t.isfinite().all()) for net in nets for t in net.state_dict().values())
    if any_process(training, not finite):
        raise DivergenceError(f"the weights are not finite at iteration {training.iteration}")
    final, wait = out / f"checkpoints/{training.iteration:08d}", training.accelerator
    part, first = final.with_suffix(".part"), processes.rank() == 0
    try:
        if first:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
        wait.wait_for_everyone()
        save_state(training, part)
        wait.wait_for_everyone()
        if first:
            about = {"plan": asdict(plan), "iteration": training.iteration, "rollbacks": rollbacks}
            kept = plan.optimisation.kept
            save_net(training.net, start, part / "net.safetensors", about=about, precision=kept)
            write_manifest(part, (out / "log.jsonl").read_bytes(), rollbacks=rollbacks)
            for file in (out / "log.jsonl", *part.iterdir(), part):
                flushed(file)
            part.rename(final)
            flushed(final.parent)
            for old in checkpoints(out)[:-2]:
                removed(old)
        wait.wait_for_everyone()
    except BaseException:
        if processes.world() == 1:  # else others may write there yet; it is swept on resuming
            shutil.rmtree(part, ignore_errors=True)
        raise


def holds_net(checkpoint: Path) -> bool:
    """Whether the net of a checkpoint is there and whole."""
    try:
        header, _ = load_sealed(checkpoint / "net.safetensors")
    except ValueError:
        return False
    return "spec" in header


def any_process(training: Training, here: bool) -> bool:
    """Whether it is so in any of the processes."""
    return mean_over_processes(training, {"any": float(here)})["any"] > 0
