"""Weights files: what is written is read, and nothing else is taken for weights."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from pathopipe.errors import RefusalError
from pathopipe.models.weights import read_card, read_weights, save_weights
from tests.models.weights_files import SMALL, card, tensors, write


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(path, card(), tensors())
    weights = read_weights(path)
    assert weights.card == card() == read_card(path)
    assert weights.card.traits.radius > SMALL.radius
    assert all(np.array_equal(weights.tensors[name], tensor) for name, tensor in tensors().items())


def test_the_same_weights_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_weights(tmp_path / name, card(), dict(reversed(tensors().items())) if name == "b" else tensors())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


class _Spy:
    """Would leave a file behind if it were unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_a_pickle_is_refused_and_never_run(writer: str, tmp_path: Path) -> None:
    path, trace = tmp_path / "w.safetensors", tmp_path / "was-run"
    if writer == "pickle":
        path.write_bytes(pickle.dumps(_Spy(trace)))
    else:
        torch.save({"w": _Spy(trace)}, path)
    with pytest.raises(RefusalError, match=r"w\.safetensors: is a pickle, which could run code: give weights as saf"):
        read_weights(path)
    assert not trace.exists()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _foreign(path: Path) -> None:
    save_file({"w": np.zeros(3, np.float32)}, path)


def _spoil(path: Path) -> None:
    save_weights(path, card(), tensors() | {"head.bias": np.full(32, np.nan, np.float32)})


def _misfit(path: Path) -> None:
    save_weights(path, card(), tensors() | {"head.bias": np.zeros(7, np.float32)})


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_truncate, "is damaged"),
        (_foreign, "is not a weights file of pathopipe: give one that 'pathopipe train nuclei' wrote"),
        (_spoil, "holds weights that are not finite"),
        (_misfit, "holds weights that do not fit their card, the first that differs is 'head.bias'"),
        (lambda path: path.write_bytes(b""), "is not a weights file of pathopipe"),
        (lambda path: path.write_text("weights"), "is not a weights file of pathopipe"),
        (lambda path: path.unlink(), "cannot be read"),
    ],
)
def test_what_is_no_usable_weights_file_is_refused_in_words(damage: object, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write(path)
    damage(path)  # type: ignore[operator]
    with pytest.raises(RefusalError, match=sentence) as refusal:
        read_weights(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
