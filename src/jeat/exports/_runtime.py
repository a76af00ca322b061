"""onnxruntime-web, which runs nets in browsers: a package of npm that is kept once it was fetched.

Its two files have 14 MB. They are known by their SHA-256 sums, wherever they come from.
"""

import hashlib
import shutil
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from jeat._support.checks import SettingError, plain, quoted
from jeat._support.files import cache_folder, expanded, whole_file

__all__ = ["CODE", "NAME", "WASM", "runtime"]

NAME = "onnxruntime-web@1.30.0"
CODE, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
_SUMS = {
    CODE: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_INSIDE = (".", "dist", "package/dist", "node_modules/onnxruntime-web/dist")
_MOST_SECONDS = 600


def runtime(place: str | Path | None = None) -> dict[str, bytes]:
    """The two files of onnxruntime-web, by name.

    Args:
        place: what ``npm pack`` wrote, or a folder that the package lies in; None is the cache,
            ``$JEAT_CACHE`` or ``~/.cache/jeat``, which npm fills where they are not there yet.

    Raises:
        SettingError: they are not there, or are others.
    """
    if place is not None:
        return _checked(_read(expanded(place)), str(place))
    kept = cache_folder() / NAME
    if all((kept / name).is_file() for name in _SUMS):
        return _checked(_read(kept), str(kept))
    found = _checked(_fetched(), "what npm fetched")
    with suppress(OSError):  # else it is fetched anew each time
        for name, held in found.items():
            with whole_file(kept / name) as part:
                part.write_bytes(held)
    return found


def _read(place: Path) -> dict[str, bytes]:
    """The files in a folder or an archive, those that are there."""
    if place.is_dir():
        beside = [place / inside / name for inside in _INSIDE for name in _SUMS]
        return {file.name: file.read_bytes() for file in beside if file.is_file()}
    try:
        with tarfile.open(place) as archive:
            members = {n: archive.getmember(f"package/dist/{n}") for n in _SUMS}
            opened = {n: archive.extractfile(member) for n, member in members.items()}
            return {n: file.read() for n, file in opened.items() if file is not None}
    except (OSError, EOFError, KeyError, tarfile.TarError):
        return {}


def _checked(found: dict[str, bytes], place: str) -> dict[str, bytes]:
    """The files, which are those that are meant.

    Raises:
        SettingError: they are not.
    """
    for name, meant in _SUMS.items():
        if name not in found:
            raise SettingError(f"{quoted(place)} does not hold {name} of {NAME}: {_remedy()}")
        if hashlib.sha256(found[name]).hexdigest() != meant:
            raise SettingError(f"{name} in {quoted(place)} is not that of {NAME}: {_remedy()}")
    return found


def _fetched() -> dict[str, bytes]:
    """What npm fetches, by the user's own settings of it.

    Raises:
        SettingError: it is not there, or cannot.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise SettingError(
            f"a page needs {NAME} once, and npm is not there to fetch it: {_remedy()}"
        )
    with TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [npm, "pack", NAME, "--pack-destination", folder, "--silent"],
                capture_output=True, text=True, timeout=_MOST_SECONDS, check=False,
            )  # fmt: skip
            said = done.stderr
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
        archives = [*Path(folder).glob("*.tgz")]
        if not archives:
            why = plain(" ".join(said.split()))[:200] or "no answer"
            raise SettingError(f"npm could not fetch {NAME} ({why}): {_remedy()}")
        return _read(archives[0])


def _remedy() -> str:
    return f"run 'npm pack {NAME}' where there is a network, and give the file as --runtime FILE"
