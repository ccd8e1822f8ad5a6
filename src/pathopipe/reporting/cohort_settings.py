"""Settings that the slides of a cohort were made with: those of most slides, and where others differ."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pathopipe.pipeline import COHORT, STAGES
from pathopipe.results.manifests import Manifest

OTHER_SETTINGS: Final = "other_settings"
"""Column of the table and of the sheet to repeat the run with."""


def settings_of_most(slides: Mapping[str, Mapping[str, Manifest]]) -> dict[str, Any]:
    """Return each stage's settings that most slides were made with; of a tie, those of the first slide."""
    found = dict[str, Any]()
    for stage in STAGES:
        used = [json.dumps(made[stage]["params"], sort_keys=True) for made in slides.values() if stage in made]
        if used:
            found[stage] = json.loads(Counter(used).most_common(1)[0][0])
    return found


def other_settings(slides: Mapping[str, Mapping[str, Manifest]], most: Mapping[str, Any]) -> dict[str, str]:
    """Return what slides were made with that differs from ``most``, as for ``--set``, by slide, if anything does."""
    usual, found = dict(_flat(most)), dict[str, str]()
    for slide, made in slides.items():
        used = _flat({stage: manifest["params"] for stage, manifest in made.items()})
        changes = [f"{key}={json.dumps(value)}" for key, value in used if usual.get(key) != value]
        if changes:
            found[slide] = " ".join(changes)
    return found


def noted_settings(results: Path) -> dict[str, str]:
    """What `other_settings` returned when the cohort was last gathered; empty where it was not."""
    try:
        with (results / COHORT.name / "slides.tsv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, ValueError, csv.Error):
        return {}
    return {row["slide"]: other for row in rows if "slide" in row and (other := row.get(OTHER_SETTINGS))}


def mixed(count: int, slides: int) -> str:
    """Say that one configuration does not repeat all slides."""
    were = "was" if count == 1 else "were"
    return f"{count:,} of {slides:,} slides {were} made with other settings than config.json holds"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
