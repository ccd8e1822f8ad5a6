"""Reading GeoJSON a piece at a time: the same as reading it at once, wherever the pieces end."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pathopipe.annotations import features
from pathopipe.annotations.features import TruncatedError, class_of, iter_features

ONE = {"type": "Feature", "id": 'a "b" \\ é 💡 }]', "geometry": {"type": "Point", "coordinates": [1.5e-3, -20]}}
COLLECTIONS = [
    [ONE, {}, 12.25, -7, None, True, "x", [[]]],
    {"type": "FeatureCollection", "bbox": [1, 2, 30], "features": [ONE, ONE], "crs": {"name": None}, "count": 12345},
    {"features": []},
    {"features": [3]},
    [],
]


@pytest.mark.parametrize("content", COLLECTIONS)
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("piece", [1, 2, 5, 37, 2**22])
def test_features_are_those_of_the_whole_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, indent: int | None, piece: int
) -> None:
    monkeypatch.setattr(features, "_PIECE", piece)
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=False), encoding="utf-8")
    expected = content["features"] if isinstance(content, dict) else content
    assert list(iter_features(path)) == expected
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert list(iter_features(path)) == expected


@pytest.mark.parametrize("lone", [ONE, {"type": "Polygon", "coordinates": []}, {}])
def test_a_lone_feature_or_geometry_is_one(tmp_path: Path, lone: dict[str, Any]) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(lone))
    assert list(iter_features(path)) == [lone]


@pytest.mark.parametrize("piece", [1, 40, 2**22])
def test_wherever_a_text_is_cut_off_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(features, "_PIECE", piece)
    path, whole = tmp_path / "a.geojson", json.dumps(COLLECTIONS[1])
    for length in range(1, len(whole)):
        path.write_text(whole[:length])
        with pytest.raises(TruncatedError):
            list(iter_features(path))


@pytest.mark.parametrize(
    "text", ["[1 2]", "[1,]" + " " * 40, '{"features" [1]}', '{"a": 1} {"b": 2}', "[tru, 1]" + " " * 40, "7"]
)
def test_what_is_no_json_is_told_from_what_was_cut_off(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(text)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        list(iter_features(path))
    assert not isinstance(error.value, TruncatedError)


def test_an_early_error_is_found_without_reading_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_PIECE", 100)
    path = tmp_path / "a.geojson"
    path.write_text('[{"a": nothing' + " " * 10_000_000)
    read = features._Text._read
    pieces = []
    monkeypatch.setattr(features._Text, "_read", lambda text: pieces.append(1) or read(text))
    with pytest.raises(ValueError, match="Expecting value"):
        list(iter_features(path))
    assert len(pieces) < 5


@pytest.mark.parametrize(
    ("about", "name"),
    [
        ({"classification": {"name": "Tumor", "color": [1, 2, 3]}}, "Tumor"),
        ({"classification": {"names": ["Tumor", "Positive"]}}, "Tumor: Positive"),
        ({"classification": "Tumor"}, "Tumor"),
        ({"classification": None}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_classes_are_named_in_each_form_that_qupath_writes(about: Any, name: str) -> None:
    assert class_of({"type": "Feature", "properties": about}) == name
