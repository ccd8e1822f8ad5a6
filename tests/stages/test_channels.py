"""Maps have names: a model may put out others beside those that nuclei are outlined on, in any order."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pathopipe.errors import FaultError
from pathopipe.jobs.execution import execute
from pathopipe.models.architecture import Architecture
from pathopipe.models.base import Part, Prediction, Traits
from pathopipe.models.classical import TRAITS, ClassicalModel
from pathopipe.models.registry import weights_of
from pathopipe.models.weights import save_weights
from pathopipe.pipeline import Config
from pathopipe.results.maps import open_maps
from pathopipe.samples import Sample
from pathopipe.stages import detect

STAGES = ("tissue", "quality", "tiles", "detect", "segment")
NUCLEI = ("detect/detections.parquet", "segment/nuclei.parquet")
TYPE = "type_epithelial"


def run(slide: Path, results: Path, **settings: str) -> Path:
    config = Config.model_validate({"tiles": {"size": 512}, "detect": {"precision": "float32"} | settings})
    for stage in STAGES:
        manifest = execute(stage, "s", results, getattr(config, stage), Sample("s", slide, mpp=(0.5, 0.5)), 2)
        assert manifest["state"] == "done", manifest["reason"]
    return results / "s"


def images(folder: Path, *names: str) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    with open_maps(folder / "detect" / "maps.zarr.zip") as maps:
        return maps.channels, dict(maps.read(names, 0, 0, maps.height, maps.width))


def widened(path: Path) -> Path:
    """The weights of `open` with one more channel, before the others, of another function of the same features."""
    weights = weights_of("open")
    architecture = replace(weights.card.architecture, channels=(TYPE, "distance", "foreground"))
    outputs = len(weights.tensors["head.bias"]) // 2
    tensors = dict(weights.tensors)
    for name in ("head.weight", "head.bias"):
        foreground, distance = tensors[name][:outputs], tensors[name][outputs:]
        tensors[name] = np.concatenate([0.5 * distance - foreground, distance, foreground])
    save_weights(path, replace(weights.card, name="widened", architecture=architecture), tensors)
    return path


def test_a_network_with_a_third_channel_finds_the_same_nuclei(small_slide: Path, tmp_path: Path) -> None:
    plain = run(small_slide, tmp_path / "plain", model="open")
    wide = run(small_slide, tmp_path / "wide", model=str(widened(tmp_path / "wide.safetensors")))
    for name in NUCLEI:
        assert (wide / name).read_bytes() == (plain / name).read_bytes(), name
    channels, before = images(plain, "foreground", "barrier")
    assert channels == ("foreground", "barrier")
    channels, after = images(wide, "foreground", "barrier", TYPE)
    assert channels == (TYPE, "barrier", "foreground")
    assert all(np.array_equal(after[name], before[name]) for name in before)
    assert np.unique(after[TYPE]).size > 100


def test_a_model_that_puts_out_other_channels_is_stored_as_it_declares(
    small_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run(small_slide, tmp_path / "plain", model="classical")
    found = put(Typed(), small_slide, tmp_path / "typed", monkeypatch)
    for name in NUCLEI:
        assert (found / name).read_bytes() == (plain / name).read_bytes(), name
    channels, planes = images(found, *Typed.traits.channels)
    assert channels == Typed.traits.channels
    assert np.array_equal(planes[TYPE], planes["foreground"] // 2)


def test_segment_says_which_channel_a_model_lacks(
    small_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = (
        "the model 'typed' has no channel 'barrier', which outlining needs, only foreground, "
        f"{TYPE}: set detect.model to another one"
    )
    with pytest.raises(FaultError, match=f"^{sentence}$"):
        put(Typed(("foreground", TYPE)), small_slide, tmp_path / "typed", monkeypatch)
    assert json.loads((tmp_path / "typed" / "s" / "detect" / "manifest.json").read_text())["state"] == "done"
    assert not (tmp_path / "typed" / "s" / "segment").exists()


class Typed:
    """The classical model with a channel more."""

    name, sha256 = "typed", None
    traits = replace(TRAITS, channels=(TYPE, "foreground", "barrier"))

    def __init__(self, channels: tuple[str, ...] = traits.channels) -> None:
        self.traits: Traits = replace(TRAITS, channels=channels)
        self.inner: ClassicalModel | None = None

    def predict(self, rgb: np.ndarray, part: Part | None = None) -> Prediction:
        assert self.inner
        found = self.inner.predict(rgb, part)
        maps = {**found.maps, TYPE: found.maps["foreground"] // 2}
        return replace(found, maps={name: maps[name] for name in self.traits.channels})


def put(model: Typed, slide: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run with this model in the place of the classical one."""

    def create(name: str, stains: object, *_: object) -> Typed:
        model.inner = ClassicalModel(stains)  # type: ignore[arg-type]
        return model

    monkeypatch.setattr(detect, "create", create)
    return run(slide, results, model="classical")


def test_cards_without_channels_have_those_of_the_first_weights() -> None:
    assert weights_of("open").card.architecture.channels == Architecture().channels == ("foreground", "distance")
    assert weights_of("open").card.traits.channels == ("foreground", "barrier")
