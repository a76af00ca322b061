"""Where nets lie: in a run's checkpoints, in a file, in this package, on the hub."""

from pathlib import Path

from jeat._support.checks import quoted
from jeat._support.files import check_not_home, expanded
from jeat._support.hub import pinned
from jeat._support.shipped import shipped

__all__ = ["checkpoint_of", "checkpoints", "file_of", "newest", "shipped"]


def file_of(name_or_path: str | Path) -> Path:
    """The file that :func:`load` reads.

    Raises:
        FileNotFoundError: nothing of that name.
        SettingError: the home folder, or one that holds it.
    """
    if not isinstance(name_or_path, str | Path) or not str(name_or_path):
        raise FileNotFoundError(
            f"{quoted(name_or_path)} names no net; shipped nets: {', '.join(shipped()) or 'none'}"
        )
    check_not_home("a net", name_or_path)
    path = expanded(name_or_path)
    if (path / "net.safetensors").is_file():
        return path / "net.safetensors"
    if (path / "config.json").is_file() and (path / "model.safetensors").is_file():
        return path / "model.safetensors"
    if path.is_dir():
        return checkpoint_of(path) / "net.safetensors"
    if path.is_file():
        return path
    if str(name_or_path) in shipped():
        return shipped()[str(name_or_path)]
    hub = pinned(str(name_or_path))
    if hub and not path.parent.exists():  # else a misspelt path
        name, commit = hub
        if commit is None:
            raise FileNotFoundError(
                f"there is no {name} here; a net of the hub is named with its commit, as "
                f"{name}@COMMIT (40 digits, from huggingface.co/{name}/commits/main)"
            )
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

        try:
            try:
                return Path(hf_hub_download(name, "net.safetensors", revision=commit))
            except EntryNotFoundError:  # as jeat export lays a folder out for the hub
                return Path(hf_hub_download(name, "model.safetensors", revision=commit))
        except (OSError, HfHubHTTPError) as error:
            raise FileNotFoundError(
                f"there is no {name_or_path} here, and the hub gives no such net"
            ) from error
    names = ", ".join(shipped()) or "none"
    raise FileNotFoundError(f"no net at {name_or_path}; shipped nets: {names}")


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run directory, in order."""
    return sorted(
        p for p in (run / "checkpoints").glob("*") if p.name.isascii() and p.name.isdecimal()
    )


def newest(run: Path) -> Path | None:
    """The last checkpoint of a run directory; None where there is none yet."""
    return next(reversed(checkpoints(run)), None)


def checkpoint_of(run: Path) -> Path:
    """The last checkpoint of a run directory.

    Raises:
        FileNotFoundError: there is none.
    """
    if (found := newest(run)) is None:
        raise FileNotFoundError(f"{run} is no run directory: it holds no checkpoint")
    return found
