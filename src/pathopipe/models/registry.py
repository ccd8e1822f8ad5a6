"""The nucleus models by name. Light: what runs a model is imported when it is made."""

import contextlib
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pathopipe.errors import RefusalError
from pathopipe.files import whole
from pathopipe.models.base import NAME, NucleusModel, Traits
from pathopipe.models.engine import Precision
from pathopipe.models.engines import Device
from pathopipe.ops.stain import Stains
from pathopipe.provenance import sha256

if TYPE_CHECKING:
    from pathopipe.models.weights import Weights

CLASSICAL: Final = Traits(mpp=0.5, radius=88)
SHIPPED: Final = {
    "open": "51baa1d64847e73c5e485e0be60a66d1305946c940be2c45cd127c71e8abbf35",
    "research": "de8cda2f8c4bcc00382f8f1c878fbc9c1d197a8de3ceb6641d3b87c627c68335",
}
"""Weights in this package, and the SHA-256 of their files."""
SUFFIX: Final = ".safetensors"

_FOLDER: Final = Path(__file__).with_name("shipped")
_ADOPTED: Final = re.compile(rf"{NAME}@([0-9a-f]{{16}})")


def find(model: str, folder: Path | None = None) -> Traits:
    """Look up a model by name, or by the path of its weights; ``folder`` holds adopted weights.

    Raises
    ------
    RefusalError
        If there is no such model, or its weights can't be used.
    """
    if model == "classical":
        return CLASSICAL
    from pathopipe.models.weights import read_card

    return read_card(_file(model, folder)).traits


def is_name(model: str) -> bool:
    """Whether a model is given by a name that says which it is, and not by the path of its weights."""
    return model == "classical" or model in SHIPPED or _ADOPTED.fullmatch(model) is not None


def adopt(model: str, folder: Path, root: Path | None = None) -> str:
    """Copy weights that are given by their path into a folder; returns the name that finds them there.

    The name holds the digest of the file, so that other weights are another model, wherever the file lies. Names of
    models that need no file stay as they are. Below the ``root``, by default that folder, no symbolic link is followed.

    Raises
    ------
    RefusalError
        If there is no such model, or its weights can't be used.
    """
    if is_name(model):
        return model
    from pathopipe.models.weights import read_weights

    path = _file(model, None)
    weights = read_weights(path)
    digest = weights.sha256[:16]
    target = folder / f"{digest}{SUFFIX}"
    if not (target.exists() and sha256(target).startswith(digest)):
        with path.open("rb") as source, whole(target, root) as copy:
            shutil.copyfileobj(source, copy)
    return f"{weights.card.name}@{digest}"


def create(
    model: str,
    stains: Stains,
    folder: Path | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    workers: int = 1,
) -> NucleusModel:
    """Make a model for a slide of these stains, to be called by up to ``workers`` threads.

    Raises
    ------
    RefusalError
        If there is no such model, or its weights can't be used.
    """
    if model == "classical":
        from pathopipe.models.classical import ClassicalModel

        return ClassicalModel(stains)
    from pathopipe.models.engines import make_engine
    from pathopipe.models.network_model import NetworkModel

    weights = weights_of(model, folder)
    return NetworkModel(weights.card, weights.sha256, make_engine(weights, device, precision, workers))


def weights_of(model: str, folder: Path | None = None) -> "Weights":
    """Read the weights of a model.

    Raises
    ------
    RefusalError
        If there is no such model, or its weights can't be used.
    """
    from pathopipe.models.weights import read_weights

    path = _file(model, folder)
    weights = read_weights(path)
    if not weights.sha256.startswith(_digest(model)):
        remedy = "install pathopipe again" if model in SHIPPED else "give the path of their file again"
        raise RefusalError(
            f"holds weights other than those of '{model}': {remedy}", path=path, called="the weights' file"
        )
    return weights


def _file(model: str, folder: Path | None) -> Path:
    if model in SHIPPED:
        return _FOLDER / f"{model}{SUFFIX}"
    if (match := _ADOPTED.fullmatch(model)) and folder is not None:
        if (kept := folder / f"{match[1]}{SUFFIX}").exists():
            return kept
        raise RefusalError(
            f"detect.model: the weights '{model}' are not in the results folder: give the path of their file"
        )
    with contextlib.suppress(OSError):  # a name longer than the file system allows cannot be a file's
        if model.endswith(SUFFIX) or "/" in model or Path(model).is_file():
            return Path(model)
    names = ", ".join(("classical", *SHIPPED))
    raise RefusalError(
        f"detect.model: there is no nucleus model '{model}': choose one of {names}, or give the path of a weights file"
    )


def _digest(model: str) -> str:
    match = _ADOPTED.fullmatch(model)
    return match[1] if match else SHIPPED.get(model, "")
