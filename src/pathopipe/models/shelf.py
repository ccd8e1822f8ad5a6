"""Where the weights of one kind of models lie: in this package, in a results folder, or where a path says.

Light: what reads weights is imported when they are read.
"""

import contextlib
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pathopipe.errors import RefusalError
from pathopipe.files import whole
from pathopipe.models.base import NAME
from pathopipe.provenance import sha256

if TYPE_CHECKING:
    from pathopipe.models.weights import AnyCard, Loaded

CardT = TypeVar("CardT", bound="AnyCard")
SUFFIX: Final = ".safetensors"

_FOLDER: Final = Path(__file__).with_name("shipped")
_ADOPTED: Final = re.compile(rf"{NAME}@([0-9a-f]{{16}})")


@dataclass(frozen=True)
class Shelf(Generic[CardT]):
    """Finds weights by name, or by the path of their file.

    Attributes
    ----------
    setting
        The setting that names a model, for messages.
    called
        What such a model is called in a sentence.
    plain
        Names of models that need no file.
    shipped
        Names of weights in this package, and the SHA-256 of their files.
    kind
        Returns the class of their cards.
    """

    setting: str
    called: str
    plain: tuple[str, ...]
    shipped: Mapping[str, str]
    kind: Callable[[], type[CardT]]

    def is_name(self, model: str) -> bool:
        """Whether a model is given by a name that says which it is, and not by the path of its weights."""
        return model in self.plain or model in self.shipped or _ADOPTED.fullmatch(model) is not None

    def card(self, model: str, folder: Path | None = None) -> CardT:
        """Read the card of weights; ``folder`` holds adopted ones.

        Raises
        ------
        RefusalError
            If there is no such model, or its weights can't be used.
        """
        from pathopipe.models.weights import read_card_of

        return read_card_of(self._file(model, folder), self.kind())

    def weights(self, model: str, folder: Path | None = None) -> "Loaded[CardT]":
        """Read weights; raises as `card` does, and where they are others than those that were adopted."""
        from pathopipe.models.weights import read_weights_of

        path = self._file(model, folder)
        weights = read_weights_of(path, self.kind())
        if not weights.sha256.startswith(self._digest(model)):
            remedy = "install pathopipe again" if model in self.shipped else "give the path of their file again"
            raise RefusalError(
                f"holds weights other than those of '{model}': {remedy}", path=path, called="the weights' file"
            )
        return weights

    def adopt(self, model: str, folder: Path, root: Path | None = None) -> str:
        """Copy weights that are given by their path into a folder; returns the name that finds them there.

        The name holds the digest of the file, so that other weights are another model, wherever the file lies. Names of
        models that need no file stay as they are. Below the ``root``, by default that folder, no symbolic link is
        followed.

        Raises
        ------
        RefusalError
            If there is no such model, or its weights can't be used.
        """
        if self.is_name(model):
            return model
        weights = self.weights(model)
        digest = weights.sha256[:16]
        target = folder / f"{digest}{SUFFIX}"
        if not (target.exists() and sha256(target).startswith(digest)):
            with self._file(model, None).open("rb") as source, whole(target, root) as copy:
                shutil.copyfileobj(source, copy)
        return f"{weights.card.name}@{digest}"

    def _file(self, model: str, folder: Path | None) -> Path:
        if model in self.shipped:
            return _FOLDER / f"{model}{SUFFIX}"
        if (match := _ADOPTED.fullmatch(model)) and folder is not None:
            if (kept := folder / f"{match[1]}{SUFFIX}").exists():
                return kept
            raise RefusalError(
                f"{self.setting}: the weights '{model}' are not in the results folder: give the path of their file"
            )
        with contextlib.suppress(OSError):  # a name longer than the file system allows cannot be a file's
            if model.endswith(SUFFIX) or "/" in model or Path(model).is_file():
                return Path(model)
        names = ", ".join((*self.plain, *self.shipped))
        raise RefusalError(
            f"{self.setting}: there is no {self.called} '{model}': choose one of {names}, or give the path of a "
            "weights file"
        )

    def _digest(self, model: str) -> str:
        match = _ADOPTED.fullmatch(model)
        return match[1] if match else self.shipped.get(model, "")
