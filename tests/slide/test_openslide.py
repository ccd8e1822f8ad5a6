"""What is made of what OpenSlide states."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import openslide
import pytest
from PIL import Image

from pathopipe.slide.backend import Level
from pathopipe.slide.openslide_backend import OpenSlideBackend


class Properties(dict[str, str]):
    """As OpenSlide's: a value that is no text raises an error."""

    def __getitem__(self, key: str) -> str:
        value = super().__getitem__(key)
        if value == "bytes":
            raise UnicodeDecodeError("utf-8", b"\xb5", 0, 1, "invalid start byte")
        return value


def opened(monkeypatch: pytest.MonkeyPatch, **entries: Any) -> OpenSlideBackend:
    slide = {
        "dimensions": (1000, 800),
        "level_dimensions": ((1000, 800),),
        "level_downsamples": (1.0,),
        "properties": Properties(),
        "close": lambda: None,
    } | entries
    monkeypatch.setattr(openslide, "OpenSlide", lambda _: SimpleNamespace(**slide))
    return OpenSlideBackend(Path("a"))


def properties(**entries: str) -> Properties:
    return Properties({f"openslide.{name.replace('_', '-')}": value for name, value in entries.items()})


@pytest.mark.parametrize(
    ("entries", "mpp"),
    [
        ({}, None),
        ({"mpp_x": "0.25"}, None),
        ({"mpp_x": "0.25", "mpp_y": "0.26"}, (0.25, 0.26)),
        ({"mpp_x": "high", "mpp_y": "0.26"}, None),
        ({"mpp_x": "bytes", "mpp_y": "0.26"}, None),
        ({"objective_power": "40"}, None),
    ],
)
def test_mpp_is_what_is_stated_and_never_guessed(
    entries: dict[str, str], mpp: tuple[float, float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened(monkeypatch, properties=properties(**entries)).mpp == mpp


def test_bounds_are_kept_and_not_subtracted(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = {"bounds_x": "100", "bounds_y": "200", "bounds_width": "300", "bounds_height": "400"}
    backend = opened(monkeypatch, properties=properties(vendor="mirax", **bounds))
    assert backend.bounds == (100, 200, 300, 400)
    assert backend.format == "mirax"
    assert backend.levels[0] == Level(1000, 800, 1.0)
    assert opened(monkeypatch, properties=properties(bounds_x="100")).bounds is None


@pytest.mark.parametrize(
    ("size", "stated", "downsample"),
    [
        ((250, 200), 4.0, 4.0),
        ((249, 199), 4.02, 4.0),
        ((400, 320), 2.5, 2.5),
        ((62, 50), 16.06, 16.0),
        ((420, 336), 2.381, 2.381),
    ],
)
def test_rounded_sizes_mean_whole_downsamples(
    size: tuple[int, int], stated: float, downsample: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = {"level_dimensions": ((1000, 800), size), "level_downsamples": (1.0, stated)}
    assert opened(monkeypatch, **levels).levels[1].downsample == pytest.approx(downsample, abs=1e-3)


def test_what_was_not_scanned_is_white(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.full((4, 6, 4), (10, 20, 30, 255), np.uint8)
    pixels[:, 3:] = 0
    backend = opened(monkeypatch, read_region=lambda *_: Image.fromarray(pixels))
    rgb = backend.read(0, 0, 0, 6, 4)
    assert (rgb[:, :3] == (10, 20, 30)).all()
    assert (rgb[:, 3:] == 255).all()
