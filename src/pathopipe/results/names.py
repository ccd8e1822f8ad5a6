"""Names of what lies in a results folder.

Every file lies at ``results/<slide>/<stage>/<name>``. A stage writes into a work folder; its files are moved into place
when all of them are complete, the manifest last.
"""

from pathlib import Path
from typing import Final

from pathopipe.pipeline import COHORT, STAGES

RUN: Final = "run.json"
WORK: Final = ".work"
"""Folder of what a slide's stages, or the cohort, have not finished."""
CRATE: Final = "ro-crate-metadata.json"
MARKER: Final = "pathopipe.json"
KNOWN_SLIDES: Final = ".pathopipe/identities.json"
RUN_CONFIG: Final = ".pathopipe/config.json"
ASKED: Final = ".pathopipe/asked.json"
CACHE: Final = ".pathopipe/cache"
CONDA_ENV: Final = ".pathopipe/conda/pathopipe.yaml"


def weights_folder(results: Path) -> Path:
    """Where a results folder keeps weights that don't come with the package, by digest."""
    return results / ".pathopipe" / "weights"


def called(path: Path) -> str:
    """What a file of the results is called in outputs, which do not say in which folder the results are."""
    stage = path.parent.name
    return f"{stage}/{path.name}" if stage in {*STAGES, COHORT.name} else path.name
