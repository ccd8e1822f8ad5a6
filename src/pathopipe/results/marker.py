"""The marker of a results folder: which versions of the contract its files follow."""

from pathlib import Path

from pathopipe.errors import ArtifactError, RefusalError
from pathopipe.pipeline import COHORT, STAGES
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.names import MARKER


def check_results(results: Path) -> None:
    """Refuse a results folder that a newer version wrote, before anything in it is touched.

    Raises
    ------
    RefusalError
        When the folder's marker names a newer contract of any stage, or is damaged.
    """
    marker = results / MARKER
    if not marker.exists():
        return
    try:
        written = read_json(marker)["contracts"]
        newer = sorted(name for name, version in written.items() if version > _versions().get(name, 0))
    except (ArtifactError, KeyError, TypeError, AttributeError):
        raise RefusalError(f"{marker}: is damaged: give another results folder, or delete the file") from None
    if newer:
        raise RefusalError(
            f"{results}: was written by a newer version of pathopipe ({', '.join(newer)}): update pathopipe, "
            "or give another results folder"
        )


def mark_results(results: Path) -> None:
    """Leave the contract versions in the results folder."""
    content = {"contracts": _versions()}
    if not (results / MARKER).exists() or read_json(results / MARKER) != content:
        write_json(results / MARKER, content, results)


def _versions() -> dict[str, int]:
    return {name: stage.contract for name, stage in [*STAGES.items(), (COHORT.name, COHORT)]}
