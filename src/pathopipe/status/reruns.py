"""Stages that somebody asked to run again and that have not: a run that was stopped is taken up by the next one."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from pathopipe.errors import ArtifactError
from pathopipe.pipeline import STAGES
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.folder import SlideFolder

RERUNS: Final = ".pathopipe/reruns.json"


def reruns_left(results: Path) -> dict[str, dict[str, float]]:
    """Since when which stages have been asked to run again, in seconds since 1970, by slide and stage."""
    try:
        content = read_json(results / RERUNS)
        return {
            str(slide): {stage: float(since) for stage, since in stages.items() if stage in STAGES}
            for slide, stages in content.items()
        }
    except (ArtifactError, AttributeError, TypeError, ValueError):
        return {}


def note_rerun(results: Path, slides: Iterable[str], stage: str, since: float) -> None:
    """Note that a stage of these slides is to run again, and forget what has been done."""
    left = {slide: _open(SlideFolder(results, slide), stages) for slide, stages in reruns_left(results).items()}
    asked = {slide: {**left.get(slide, {}), stage: since} for slide in slides}
    write_json(results / RERUNS, {slide: stages for slide, stages in (left | asked).items() if stages}, results)


def is_left(made: SlideFolder, stage: str, asked: Mapping[str, float]) -> bool:
    """Whether a stage is there and has not run since it was asked to."""
    return stage in made.ended and made.ended[stage] < asked.get(stage, 0.0)


def _open(made: SlideFolder, asked: Mapping[str, float]) -> dict[str, float]:
    return {stage: since for stage, since in asked.items() if is_left(made, stage, asked)}
