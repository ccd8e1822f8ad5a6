"""What speaks against a run: problems of the configuration, the sample sheet and the files that these name.

Nothing here writes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pathopipe.errors import RefusalError
from pathopipe.grading.registry import make_grader
from pathopipe.jobs.chosen_model import model_problems, types_problems
from pathopipe.pipeline import STAGES, Config
from pathopipe.results.folder import SlideFolder
from pathopipe.results.names import weights_folder
from pathopipe.results.schemas.features import TERMS
from pathopipe.results.schemas.statistics import KINDS
from pathopipe.samples import ABOUT_SLIDE, COLUMNS, Sample, shown_columns

_CALLED: Final = {"roi": "roi", "nuclei": "file of nuclei", "nuclei_before": "file of nuclei before correction"}


@dataclass(frozen=True)
class Presence:
    """Lines of a sheet by what has become of their files.

    Attributes
    ----------
    there
        Their files are there.
    absent
        A file vanished after the slide had been seen: its finished results stay as they are.
    missing
        A file was never there.
    """

    there: tuple[Sample, ...]
    absent: tuple[Sample, ...]
    missing: tuple[Sample, ...]


def sort_by_presence(samples: Iterable[Sample], results: Path) -> Presence:
    """See which lines' files are there."""
    there, absent, missing = list[Sample](), list[Sample](), list[Sample]()
    for sample in samples:
        if all(map(_exists, (sample.path, *sample.files.values()))):
            there.append(sample)
        elif SlideFolder(results, sample.slide).identity:
            absent.append(sample)
        else:
            missing.append(sample)
    return Presence(tuple(there), tuple(absent), tuple(missing))


def problems(config: Config, sheet: Path, samples: list[Sample], presence: Presence, results: Path) -> Iterator[str]:
    """Say what is wrong, a sentence each, beyond mistakes of the lines and of the typed configuration themselves."""
    if not config.skip_missing:
        yield from (f"{sheet}: slide {sample.slide}: {_missing(sample)}" for sample in presence.missing)
    yield from (
        f"{sheet}: slide {sample.slide}: {odd}" for sample in presence.there for odd in _odd_files(sample, results)
    )
    yield from _config_problems(config, results)
    yield from _column_problems(config, samples, sheet)
    yield from _roi_problems(presence.there)


def _config_problems(config: Config, results: Path) -> Iterator[str]:
    """Names that the typed configuration can't know, and settings that must fit each other."""
    if config.container and "://" not in config.container and not Path(config.container).exists():
        yield f"container: the image {config.container} is missing: build it (docs/containers.md) or correct the path"
    try:
        make_grader(config.grade, weights_folder(results))
    except RefusalError as error:
        yield str(error)
    yield from model_problems(config.detect.model, config.tiles, weights_folder(results))
    yield from types_problems(config.types.model, weights_folder(results))
    for name in config.report.measures:
        if name not in TERMS:
            yield f"report.measures: there is no measure '{name}': docs/measures.md lists them"
    for name in config.cohort.statistics:
        if name not in KINDS:
            yield f"cohort.statistics: there is no statistic '{name}': docs/measures.md lists them"


def _column_problems(config: Config, samples: list[Sample], sheet: Path) -> Iterator[str]:
    """Say why a column can't be shown, and which can: those that the program does not know itself."""
    extra = ", ".join(samples[0].extra) if samples else ""
    shown = f"columns that can be shown: {extra}" if extra else "it has no other columns that could be shown"
    for name in shown_columns(config.cohort.columns, samples):
        if name in COLUMNS and name not in ABOUT_SLIDE:
            yield f"cohort.columns: '{name}' can't be shown ({COLUMNS[name]}); of {sheet}, {shown}"
        elif samples and name not in samples[0].extra:
            yield f"{sheet}: has no column '{name}', which cohort.columns lists; {shown}"


def _roi_problems(samples: Iterable[Sample]) -> Iterator[str]:
    for roi in {sample.roi: None for sample in samples if sample.roi and sample.roi.is_file()}:
        from pathopipe.ops.regions import origin_of, parse_regions

        try:
            parse_regions(roi.read_text(encoding="utf-8"), origin_of(None))  # where it lies is seen by `tissue`
        except UnicodeDecodeError:
            yield f"{roi}: is not GeoJSON of polygons: it is not text in UTF-8"
        except (ValueError, OSError) as error:
            yield f"{roi}: {error}"


def _odd_files(sample: Sample, results: Path) -> Iterator[str]:
    """A pipe would be waited on forever, a device might never end; what lies in the results is replaced."""
    if not (sample.path.is_file() or sample.path.is_dir()):
        yield f"{sample.path} is neither a file nor a folder: correct the path"
    for column, file in sample.files.items():
        if not file.is_file():
            yield f"the {_CALLED[column]} {file} is not a file: correct the path"
        elif _is_replaced(file.resolve(), results.resolve()):
            yield (
                f"the {_CALLED[column]} {file} lies in the results folder, where a run replaces it: "
                "copy it to another place"
            )


def _is_replaced(file: Path, results: Path) -> bool:
    """Whether a stage of any slide writes it."""
    parts = file.relative_to(results).parts if file.is_relative_to(results) else ()
    return len(parts) > 2 and parts[1] in STAGES


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system allows, a folder that may not be entered
        return False


def _missing(sample: Sample) -> str:
    if not _exists(sample.path):
        return f"the file {sample.path} is missing: correct the path, or continue without it with --skip-missing"
    column, file = next((column, file) for column, file in sample.files.items() if not _exists(file))
    remedy = "correct the path, or continue without the slide with --skip-missing"
    return f"the {_CALLED[column]} {file} is missing: {remedy}"
