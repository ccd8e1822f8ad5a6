"""Manifests as the stages write them, for tests that make results by hand."""

from pathlib import Path
from typing import Any

from pathopipe.pipeline import STAGES
from pathopipe.provenance import sha256
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.names import CRATE

GRID = {"width": 64, "height": 48, "factor_x": 1.0, "factor_y": 1.0, "mpp_x": 0.5, "mpp_y": 0.5}
DETAILS: dict[str, dict[str, Any]] = {
    "tissue": {
        "slide_info": {"width": 64, "height": 48, "levels": 1, "format": "png", "bounds": None},
        "tissue_mm2": 0.5,
        "bins": {"width": 4, "height": 3, "bin_px_x": 16.0, "bin_px_y": 16.0, "bin_um2": 64.0},
        "stain": {"source": "default"},
        "scan": {"glass": None, "noise": None, "blockiness": None, "sharpness": None},
        "quality": [],
        "sha256": "cd" * 32,
    },
    "quality": {
        "model": {"name": "quality", "sha256": "0" * 64, "licence": None},
        "sound_mm2": 0.5,
        "unfit_share": 0.0,
        "shares": {},
        "blur_um": 0.5,
        "quality": [],
    },
    "tiles": {"grid": GRID, "halo": 104},
    "detect": {
        "model": {"name": "classical", "sha256": None, "licence": None},
        "grid": GRID,
        "score": 0.5,
        "scales": [],
        "quality": [],
    },
    "segment": {"grid": GRID},
    "features": {"grid": GRID, "mpp_checked_by": "size", "stain": {"measured": "native"}, "quality": []},
    "types": {"quality": []},
    "statistics": {"quality": [], "fields": {}, "whole_only": []},
    "grade": {"model": {"name": "nottingham-pleomorphism", "sha256": None}, "about": {}, "quality": []},
}


def manifest(stage: str, slide: str = "s", **changes: Any) -> dict[str, Any]:
    """A sound manifest of a stage, with these changes."""
    return {
        "stage": stage,
        "slide": slide,
        "state": "done",
        "reason": None,
        "contract": STAGES[stage].contract,
        "code": "0" * 16,
        "params": {},
        "inputs": {},
        "outputs": {},
        "model": None,
        "counts": {"nuclei": 400},
        "versions": {"pathopipe": "0.1.0"},
        "identity": "12-ab",
        "mpp_x": 0.5,
        "mpp_y": 0.5,
        "mpp_source": "sheet",
        **DETAILS.get(stage, {}),
        **changes,
    }


def seal(results: Path, slide: str, *stages: str) -> None:
    """Note in the manifests of stages what their files are now."""
    for stage in stages or STAGES:
        folder = results / slide / stage
        if (folder / "manifest.json").exists():
            written = {name: sha256(folder / name) for name in STAGES[stage].writes if (folder / name).exists()}
            write_json(folder / "manifest.json", read_json(folder / "manifest.json") | {"outputs": written})


def leave_outputs(results: Path, slide: str, *stages: str) -> None:
    """Leave empty files where stages leave theirs and there are none."""
    for stage in stages or STAGES:
        names = [*(f"{stage}/{name}" for name in STAGES[stage].writes), *([CRATE] if STAGES[stage].describes else [])]
        for name in names:
            (results / slide / stage).mkdir(parents=True, exist_ok=True)
            (results / slide / name).touch()
