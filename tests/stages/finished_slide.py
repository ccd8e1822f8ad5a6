"""Results of a slide up to `grade`, written by hand after the artifact contract."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from pathopipe import pipeline
from pathopipe.identity import identify
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.statistics import summarize
from pathopipe.results.documents import write_json
from pathopipe.results.quality import picture_of
from pathopipe.results.schemas.tiles import SCHEMA as TILES
from pathopipe.results.schemas.types import SCHEMA as TYPED
from pathopipe.results.tables import TableWriter
from pathopipe.samples import Sample
from tests import made
from tests.made import seal

MPP = 0.5
SIZE = (1600, 1200)
STAGES = ("tissue", "quality", "tiles", "detect", "segment", "features", "types", "statistics", "grade")
NUCLEI = pa.schema(
    [
        ("nucleus_id", pa.int64()),
        ("geometry", pa.binary()),
        ("x_px", pa.float64()),
        ("y_px", pa.float64()),
        ("area_um2", pa.float64()),
        ("score", pa.float32()),
    ]
)


def draw_slide(path: Path, size: tuple[int, int] = SIZE, count: int = 400) -> np.ndarray:
    """Draw purple discs on pink; returns x, y and radius in pixels, (count, 3)."""
    rng = np.random.default_rng(5)
    discs = np.column_stack([rng.uniform(20, size[0] - 20, count), rng.uniform(20, size[1] - 20, count)])
    discs = np.column_stack([discs, rng.uniform(5, 11, count)]).round()
    image = np.full((size[1], size[0], 3), (235, 190, 215), np.uint8)
    for x, y, radius in discs.astype(int).tolist():
        cv2.circle(image, (x, y), radius, (90, 50, 130), -1)
    cv2.imwrite(str(path), image[..., ::-1])
    return discs


def finish(results: Path, slide: str, folder: Path, size: tuple[int, int] = SIZE, count: int = 400) -> Sample:
    """Write a slide and all that the stages before `report` leave behind."""
    path = folder / f"{slide}.png"
    discs = draw_slide(path, size, count)
    sample = Sample(slide, path, (MPP, MPP))
    home = results / slide
    for stage in STAGES:
        known = manifest(stage, slide, path)
        if "grid" in known:
            known["grid"] = made.GRID | {"width": size[0], "height": size[1]}
        if stage in {"segment", "features", "types"}:
            known["counts"] = {"nuclei": count}
        write_json(home / stage / "manifest.json", known)
    write_json(home / "tissue" / "manifest.json", manifest("tissue", slide, path) | tissue_details(size))
    write_json(home / "quality" / "manifest.json", manifest("quality", slide, path) | quality_details(size))
    box = shapely.geometry.mapping(shapely.box(0, 0, *size))
    features = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": box, "properties": {}}]}
    for name in ("tissue/tissue.geojson", "quality/sound.geojson"):
        (home / name).write_text(json.dumps(features))
    write_json(home / "quality" / "quality.geojson", {"type": "FeatureCollection", "features": []})
    (home / "quality" / "quality.png").write_bytes(picture_of(np.zeros((1, 1), np.uint8)))
    cv2.imwrite(str(home / "tissue" / "thumbnail.jpg"), cv2.resize(cv2.imread(str(path)), None, fx=0.25, fy=0.25))
    _write_tables(home, discs)
    for stage in STAGES:
        for name in pipeline.STAGES[stage].writes:
            if not (home / stage / name).exists():
                (home / stage / name).touch()
    write_json(home / "grade" / "grade.json", grade())
    for name in ("grade/heatmap.geojson", "statistics/regions.geojson"):
        write_json(home / name, {"type": "FeatureCollection", "features": []})
    seal(results, slide)
    return sample


def manifest(stage: str, slide: str, path: Path) -> dict[str, Any]:
    known = {"identity": str(identify(path)), "mpp_x": MPP, "mpp_y": MPP, "params": {"size": 512}}
    return made.manifest(stage, slide, inputs={"a/b.json": "ab" * 32}, **known)


def tissue_details(size: tuple[int, int]) -> dict[str, Any]:
    return {
        "slide_info": {"width": size[0], "height": size[1], "levels": 1, "format": "png", "bounds": None},
        "quality": [{"code": "pen", "message": "pen marks cover 3% of the slide", "value": 0.03, "threshold": 0}],
        "bins": {
            "width": -(-size[0] // 16),
            "height": -(-size[1] // 16),
            "bin_px_x": 16.0,
            "bin_px_y": 16.0,
            "bin_um2": 64.0,
        },
        "tissue_mm2": size[0] * size[1] * MPP**2 / 1e6,
        "sha256": "cd" * 32,
    }


def quality_details(size: tuple[int, int]) -> dict[str, Any]:
    return {"sound_mm2": tissue_details(size)["tissue_mm2"]}


def grade() -> dict[str, Any]:
    evidence = [{"name": "size_ratio", "value": 1.7, "unit": "", "meaning": "median area divided by normal area"}]
    return {
        "grader": "nottingham-pleomorphism",
        "grade": "2",
        "grades": ["1", "2", "3"],
        "outside_scope": None,
        "stability": 0.7,
        "probabilities": {"1": 0.1, "2": 0.7, "3": 0.2},
        "probabilities_are": "Shares of resamples, not how likely a grade is right.",
        "probabilities_calibrated": False,
        "abstained": False,
        "reason": None,
        "evidence": evidence,
        "research_use_only": True,
    }


def reject(results: Path, slide: str, stage: str, reason: str) -> None:
    """Let ``stage`` and what follows it reject the slide, with empty files."""
    home, first = results / slide, STAGES.index(stage)
    for name in STAGES[first:]:
        known = json.loads((home / name / "manifest.json").read_text())
        write_json(home / name / "manifest.json", known | {"state": "rejected", "reason": reason, "counts": {}})
    if first == 0:
        for name in ("tissue/tissue.geojson", "quality/sound.geojson"):
            write_json(home / name, {"type": "FeatureCollection", "features": []})
        cv2.imwrite(str(home / "tissue" / "thumbnail.jpg"), np.full((1, 1, 3), 255, np.uint8))
    pq.write_table(NUCLEI.empty_table(), home / "segment" / "nuclei.parquet")
    write_json(home / "grade" / "grade.json", grade() | {"grade": None, "abstained": True, "reason": reason})
    seal(results, slide)


def _write_tables(home: Path, discs: np.ndarray) -> None:
    x, y, radius = np.add(discs, (0.5, 0.5, 0.0)).T
    area = np.pi * (radius * MPP) ** 2
    shapes = [shapely.Point(*center).buffer(size, 6) for *center, size in zip(x, y, radius, strict=True)]
    columns = {
        "nucleus_id": np.arange(len(discs)),
        "geometry": [shapely.to_wkb(shape) for shape in shapes],
        "x_px": x,
        "y_px": y,
        "area_um2": area,
        "score": np.ones(len(discs), np.float32),
    }
    with TableWriter(home / "segment" / "nuclei.parquet", NUCLEI) as writer:
        writer.write(columns)
    nearest = pa.array([None, *(5 + radius[1:])][: len(discs)], pa.float64())
    features = {
        "area_um2": area,
        "solidity": 1 - radius / 100,
        "circularity": radius / 11,
        "hematoxylin_mean": radius / 10,
    }
    whole = {"nearest_um": nearest, "at_border": np.zeros(len(discs), np.int8)}
    pq.write_table(pa.table(features | whole), home / "features" / "features.parquet")
    kinds = [(*TYPES, None)[place % 5] for place in range(len(discs))]
    shares = {f"p_{name}": np.full(len(discs), np.nan, np.float32) for name in TYPES}
    with TableWriter(home / "types" / "types.parquet", TYPED) as writer:
        writer.write({"nucleus_id": columns["nucleus_id"], "type": pa.array(kinds, pa.string()), **shares})
    with TableWriter(home / "tiles" / "tiles.parquet", TILES) as writer:
        writer.write({field.name: np.array([0.0, 512.0]) for field in TILES})
    counted = {"nuclei_count": len(discs), "tissue_mm2": 0.48, "nuclei_per_mm2": len(discs) / 0.48}
    row = {"region": "slide", "type": "all"} | counted | summarize(features)
    kinds = {str: pa.string(), int: pa.int64()}
    table = {name: pa.array([value], kinds.get(type(value), pa.float64())) for name, value in row.items()}
    pq.write_table(pa.table(table), home / "statistics" / "statistics.parquet")
