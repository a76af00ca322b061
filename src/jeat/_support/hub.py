"""Names of the Hugging Face hub: each with the commit that is meant, so that it never changes."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

__all__ = ["SHORT_NAMES", "HubData", "hub_data", "misnamed", "newest_commit", "pinned"]

# what the suites, the README and short names name without a commit
_KNOWN = {
    "uoft-cs/cifar10": "0b2714987fa478483af9968de7c934580d0bb9a2",
    "uoft-cs/cifar100": "aadb3af77e9048adbea6b47c21a81e47dd092ae5",
    "ylecun/mnist": "77f3279092a1c1579b2250db8eafed0ad422088c",
    "zalando-datasets/fashion_mnist": "531be5e2ccc9dba0c201ad3ae567a4f3d16ecdd2",
    "ufldl-stanford/svhn": "f9e1717d73324ebbc1ece84267ccd80d0aca0690",
}
_SHORT = {
    "mnist": "ylecun/mnist",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "svhn": "ufldl-stanford/svhn:cropped_digits",
}
SHORT_NAMES = (*_SHORT,)
_NAME = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@([0-9a-f]{40}))?")
_DATA = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?::(\w[\w.-]*))?(?:@([0-9a-f]{40}))?")


@dataclass(frozen=True)
class HubData:
    """A data set of the hub.

    Attributes:
        name: owner/name.
        config: one of its configurations; None is the one there is.
        commit: None where none is given and none is known.
        short: the name in place of owner/name and configuration, such as mnist, that was given.
    """

    name: str
    config: str | None = None
    commit: str | None = None
    short: str | None = None

    def __str__(self) -> str:
        config = f":{self.config}" if self.config else ""
        commit = f"@{self.commit}" if self.commit else ""
        return f"{self.name}{config}{commit}"


def hub_data(source: str) -> HubData | None:
    """What ``owner/name``, ``:CONFIG`` and ``@COMMIT`` beside it or not, or a short name means.

    None for what is no such name.
    """
    found = _DATA.fullmatch(_SHORT.get(source, source))
    if found is None:
        return None
    short = source if source in _SHORT else None
    return HubData(found[1], found[2], found[3] or _KNOWN.get(found[1]), short)


def misnamed(source: str) -> str | None:
    """What is wrong with a name that is a short one but for its case or what follows it."""
    word, mark, _ = (*re.split("([:@])", source, maxsplit=1), "", "")[:3]
    if source in _SHORT or word.lower() not in _SHORT:
        return None
    short = word.lower()
    if not mark:
        return f"no data at {source}: the short name is {short}"
    if mark == ":" and find_spec(word) is not None:
        return None  # a function of a module of that name
    return (
        f"nothing may follow the short name of {source}: give {short}, or its whole name "
        f"{_SHORT[short].partition(':')[0]} with :CONFIG, @COMMIT (40 digits), or both"
    )


def pinned(source: str) -> tuple[str, str | None] | None:
    """``owner/name`` and commit of ``owner/name@COMMIT``; None for what is no name of the hub.

    The commit is None where none is given.
    """
    found = _NAME.fullmatch(source)
    return (found[1], found[2]) if found else None


@cache
def newest_commit(name: str) -> str:
    """The newest commit of a data set of the hub, which is asked once.

    Raises:
        FileNotFoundError: there is none of that name, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        commit = HfApi().dataset_info(name, timeout=30).sha
    except RepositoryNotFoundError as error:
        raise FileNotFoundError(f"no folder and no hub data set is named {name!r}") from error
    except Exception as error:  # of the hub's client, of its HTTP library, of sockets
        raise FileNotFoundError(
            f"there is no folder {name!r}, and the hub cannot be reached to look for its newest "
            f"commit: name a commit that you have, as {name}@COMMIT"
        ) from error
    if not commit:
        raise FileNotFoundError(f"the hub names no commit of {name!r}: name one, as {name}@COMMIT")
    return commit
