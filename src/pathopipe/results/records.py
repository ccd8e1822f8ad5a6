"""What runs leave in a results folder beside results: how long stages took, which slides there were, descriptions."""

from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic wants this one up to Python 3.11

from pathopipe.errors import ArtifactError
from pathopipe.results.documents import read_as, read_json
from pathopipe.results.names import CRATE, KNOWN_SLIDES, RUN, RUN_CONFIG


class RunRecord(TypedDict):
    """Content of ``run.json``: what `provenance.Stopwatch` measured."""

    seconds: float
    started: NotRequired[str]
    spent: NotRequired[dict[str, float]]
    cpu_seconds: NotRequired[float]
    peak_memory_mb: NotRequired[float]
    host: NotRequired[str]
    process: NotRequired[int]
    workers: NotRequired[int]


def read_run_record(folder: Path) -> RunRecord:
    """Read what a stage took, from its folder.

    Raises
    ------
    ArtifactError
        When that is missing or damaged.
    """
    return read_as(folder / RUN, RunRecord)


def known_slides(results: Path) -> dict[str, dict[str, Any]]:
    """What the last run knew of the files of its slides, by slide; empty where there was none.

    Raises
    ------
    ArtifactError
        When it cannot be read.
    """
    return read_json(results / KNOWN_SLIDES) if (results / KNOWN_SLIDES).exists() else {}


def last_sheet(results: Path) -> Path | None:
    """The sample sheet of the last run of `pathopipe run`; None where there was none.

    Raises
    ------
    ArtifactError
        When what it was started with is damaged.
    """
    file = results / RUN_CONFIG
    if not file.exists():
        return None
    sheet = read_json(file).get("slides")
    if not isinstance(sheet, str):
        raise ArtifactError("is damaged: give the sheet with --slides", file, RUN_CONFIG)
    return Path(sheet)


def described_files(folder: Path) -> dict[str, str]:
    """Digests of the files that a folder's RO-Crate lists, by their names from there; empty where it has none."""
    try:
        entities = read_json(folder / CRATE)["@graph"]
        return {item["@id"]: item["sha256"] for item in entities if "File" in item["@type"] and "sha256" in item}
    except (ArtifactError, KeyError, TypeError):
        return {}
