"""The models that a configuration names: kept with the results, and checked against the tiles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pathopipe.errors import RefusalError
from pathopipe.grading import registry as graders
from pathopipe.models.registry import adopt, find
from pathopipe.models.types import registry as types
from pathopipe.pipeline import Config, TilesSettings
from pathopipe.results.links import of_results, refuse_links
from pathopipe.results.names import weights_folder

_MPP_TOLERANCE: Final = 0.1


def adopt_models(config: Config, results: Path) -> Config:
    """Keep weights that are given by their path with the results, and name them by their digest.

    So different weights make a stage run again, a moved file does not, and no manifest holds a path.
    """
    refuse_links(results, of_results())
    folder = weights_folder(results)
    model = adopt(config.detect.model, folder, results)
    of_types = types.adopt(config.types.model, folder, results)
    changed = {
        "detect": config.detect.model_copy(update={"model": model}),
        "types": config.types.model_copy(update={"model": of_types}),
        "grade": config.grade.model_copy(update={"grader": graders.adopt(config.grade.grader, folder, results)}),
    }
    return config.model_copy(update=changed)


def model_problems(name: str, tiles: TilesSettings, folder: Path | None = None) -> Iterator[str]:
    """Say why a nucleus model can't be used on these tiles, a sentence each; ``folder`` holds adopted weights."""
    try:
        traits = find(name, folder)
    except RefusalError as error:
        yield str(error)
        return
    if traits.radius > tiles.halo:
        yield f"tiles.halo: the model '{name}' needs at least {traits.radius} pixels, got {tiles.halo}"
    if abs(tiles.mpp / traits.mpp - 1) > _MPP_TOLERANCE:
        yield f"tiles.mpp: the model '{name}' is made for {traits.mpp:g} micrometers per pixel, got {tiles.mpp:g}"


def types_problems(name: str, folder: Path | None = None) -> Iterator[str]:
    """Say why a model of types can't be used; ``folder`` holds adopted weights."""
    try:
        types.find(name, folder)
    except RefusalError as error:
        yield str(error)
