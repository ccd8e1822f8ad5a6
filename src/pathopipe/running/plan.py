"""What the Snakefile asks: which slides there are, what each stage reads and writes, and what makes it run again."""

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pathopipe.config import container_image, parse_config
from pathopipe.demand import limit_memory_mb, limit_minutes, limit_threads, tissue_mm2
from pathopipe.errors import ArtifactError, RefusalError
from pathopipe.fingerprint import fingerprint
from pathopipe.grading.base import make_grader
from pathopipe.identity import identify, slide_files
from pathopipe.jobs.chosen_model import adopt_model, model_problems
from pathopipe.models.registry import find
from pathopipe.pipeline import COHORT, STAGES, Config, DetectSettings
from pathopipe.record import MANIFEST
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.links import of_results, refuse_links
from pathopipe.results.marker import check_results
from pathopipe.results.names import CACHE, CRATE, KNOWN_SLIDES, weights_folder
from pathopipe.samples import ABOUT_SLIDE, COLUMNS, ID_PATTERN, Sample, check_samples

_JOBS = "--target-jobs"
_SLIDE = re.compile(rf"\w+:slide=({ID_PATTERN})$")


@dataclass(frozen=True)
class Plan:
    """A checked configuration and sample sheet.

    Attributes
    ----------
    samples
        All lines of the sheet that take part, in order.
    identities
        Identity by slide id.
    held_mb
        Megabytes of a slide that stages which open it hold as a whole, by slide id.
    active
        Ids whose stages may run: those whose file is there, or whose results don't need it any more.
    absent
        Ids whose file vanished after `tissue` had seen it; their finished results stay as they are.
    skipped
        Ids left out by ``skip_missing``.
    """

    config: Config
    sheet: Path
    results: Path
    samples: tuple[Sample, ...]
    identities: dict[str, str]
    held_mb: dict[str, int]
    absent: tuple[str, ...]
    skipped: tuple[str, ...]

    @property
    def active(self) -> tuple[str, ...]:
        """Ids of the slides whose stages may run."""
        return tuple(sample.slide for sample in self.samples if sample.slide not in self.absent)

    @property
    def active_pattern(self) -> str:
        """Pattern of the wildcard: no rule makes a file of an absent slide, so Snakemake never deletes one."""
        if not self.absent:
            return ID_PATTERN
        absent = "|".join(re.escape(slide) for slide in self.absent)
        return f"(?!(?:{absent})/){ID_PATTERN}"

    @property
    def model_licence(self) -> str | None:
        """Terms of the nucleus model, where it is not the default one, which may be used for anything."""
        model = self.config.detect.model
        default = DetectSettings.model_fields["model"].default
        return None if model == default else find(model, weights_folder(self.results)).licence

    def export(self) -> None:
        """Let the rules' commands find the sheet, and this installation where a rule's environment brings none.

        The sheet's path is not in the commands, so that moving it makes nothing run again. The commands don't get the
        cache that `pathopipe run` gives to Snakemake: compiled loops in it would run where the results are handed to.
        """
        if os.environ.get("XDG_CACHE_HOME") == str(self.results / CACHE):
            del os.environ["XDG_CACHE_HOME"]
        os.environ["PATHOPIPE_SLIDES"] = str(self.sheet)
        os.environ["PATH"] += os.pathsep + str(Path(sys.executable).parent)

    @property
    def place(self) -> str:
        """The results folder as seen from the current folder, which is the same where nobody asked for another one.

        ``--directory`` asks for one, and so does a workflow that imports this one as a module.

        Raises
        ------
        RefusalError
            When the name has braces, which Snakemake would take for wildcards.
        """
        place = os.path.relpath(self.results.resolve(), Path.cwd().resolve())
        if set("{}") & set(place):
            raise RefusalError(f"{place}: a results folder with braces in its name can't be used here: give another")
        return place

    def reads(self, stage: str) -> dict[str, str]:
        """Inputs of a rule by name."""
        return self._files({_key(name): f"{{slide}}/{name}" for name in STAGES[stage].reads})

    def writes(self, stage: str) -> dict[str, str]:
        """Outputs of a rule by name."""
        named = {_key(name): f"{{slide}}/{stage}/{name}" for name in (*STAGES[stage].writes, MANIFEST)}
        return self._files(named | ({_key(CRATE): f"{{slide}}/{CRATE}"} if STAGES[stage].describes else {}))

    def log(self, stage: str) -> str:
        """Log of a rule."""
        folder = "cohort" if stage == "cohort" else "{slide}"
        return self._files({stage: f"{folder}/logs/{stage}.log"})[stage]

    def _files(self, named: dict[str, str]) -> dict[str, str]:
        """Files of the results as Snakemake is to call them."""
        folder = "" if self.place == "." else f"{self.place}/"
        return {name: folder + path for name, path in named.items()}

    def settings(self, stage: str) -> str:
        """Return the stage's section of the configuration as JSON: nothing else of it makes the stage run again."""
        section = getattr(self.config, stage)
        return json.dumps(section.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def version(self, stage: str) -> str:
        """Contract version and fingerprint of the code: what makes the stage run again after an update."""
        record = COHORT if stage == COHORT.name else STAGES[stage]
        return f"{record.contract}-{fingerprint(stage)}"

    def memory(self, stage: str) -> Any:
        """Function of wildcards and attempt: megabytes that the stage may need."""
        held = self.held_mb if STAGES[stage].reads_pixels else {}
        return lambda wildcards, attempt: limit_memory_mb(stage, attempt, held.get(wildcards.slide, 0))

    def pending(self, slides: tuple[str, ...]) -> list[Sample]:
        """Those of the slides that can run and whose nuclei have still to be found."""
        chosen = set(slides).difference(self.absent)
        return [
            sample
            for sample in self.samples
            if sample.slide in chosen and not (self.results / sample.slide / "segment" / MANIFEST).exists()
        ]

    def file_bytes(self, slide: str) -> int:
        """Size of a slide's files, 0 where it is not known."""
        size, _, _ = self.identities[slide].partition("-")
        return int(size) if size.isdecimal() else 0

    def minutes(self, stage: str) -> Any:
        """Function of wildcards and attempt: minutes that the stage may need, from the size of the slide's file."""
        return lambda wildcards, attempt: limit_minutes(stage, self._most_tissue[wildcards.slide], attempt)

    def threads(self, stage: str) -> Any:
        """Function of the wildcards: threads that the stage can use at most, from the size of the slide's file."""
        return lambda wildcards: limit_threads(stage, self._most_tissue[wildcards.slide])

    @cached_property
    def _most_tissue(self) -> dict[str, float]:
        """Tissue in mm2 that a slide's file can hold at most."""
        return {slide: tissue_mm2(self.file_bytes(slide)) for slide in self.identities}

    @property
    def gpus(self) -> int:
        """GPUs that a scheduler should grant `detect`: none unless the configuration insists on one."""
        return int(self.config.detect.device == "gpu")

    def slide_params(self, stage: str) -> Any:
        """Function of the wildcards: for `tissue`, what the slide is; the other stages follow from its results.

        `grade` is told what the sheet says of tissue and stain, so that no other stage runs again when that changes.
        """
        by_id = {sample.slide: sample for sample in self.samples}
        if stage == "grade":
            return lambda wildcards: json.dumps(by_id[wildcards.slide].about, sort_keys=True)
        if stage != "tissue":
            return ""
        return lambda wildcards: _slide_param(by_id[wildcards.slide], self.identities[wildcards.slide])

    @cached_property
    def cohort_inputs(self) -> list[str]:
        """Files that the cohort gathers; of an absent slide those that exist."""
        names = (
            f"{sample.slide}/{name}"
            for sample in self.samples
            for name in COHORT.reads
            if sample.slide not in self.absent or (self.results / sample.slide / name).exists()
        )
        return list(self._files({name: name for name in names}).values())

    @property
    def cohort_outputs(self) -> dict[str, str]:
        """Outputs of the gathering rule by name."""
        named = {_key(name): f"cohort/{name}" for name in (*COHORT.writes, MANIFEST)}
        return self._files(named | {_key(CRATE): CRATE})

    @property
    def cohort_params(self) -> str:
        """Digest of what the cohort shows of the sheet: ids, order and the columns that the config lists."""
        shown = [
            [sample.slide, *(sample.extra.get(name, "") for name in self.config.cohort.columns)]
            for sample in self.samples
        ]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]


def slides_of(command: Sequence[str]) -> set[str] | None:
    """Ids of the slides that a process of Snakemake is for, which does jobs of another one; None where it is for all.

    At a cluster there is one for each job: thousands that look at thousands of slides are a load for the file system.
    """
    jobs = command[command.index(_JOBS) + 1 :] if _JOBS in command else ()
    return {found[1] for job in jobs if (found := _SLIDE.match(job))} if jobs else None


def plan(values: dict[str, Any], at_work: set[str] | None = None) -> Plan:
    """Check configuration, sheet, files and results folder, and identify the slides; paths start at the current folder.

    Links are looked for in the folders of the slides ``at_work``, of all by default.

    Raises
    ------
    RefusalError
        With all problems at once.
    """
    config = parse_config(values, "config")
    config = config.model_copy(update={"container": container_image(config)})
    sheet, results = Path(config.slides).absolute(), Path(config.results).absolute()
    samples, problems = check_samples(sheet)
    slides = (sample.slide for sample in samples if at_work is None or sample.slide in at_work)
    refuse_links(results, of_results(slides, snakemake=at_work is None))
    _check_folder(results)
    check_results(results)
    there, absent, missing = _sort_by_presence(samples, results)
    problems += [f"{sheet}: slide {sample.slide}: {_missing(sample)}" for sample in missing if not config.skip_missing]
    problems += [f"{sheet}: slide {sample.slide}: {odd}" for sample in there for odd in _odd_files(sample)]
    problems += [*_config_problems(config, results), *_column_problems(config, samples, sheet), *_roi_problems(there)]
    if problems:
        raise RefusalError(*problems)
    config = adopt_model(config, results)
    taking_part = tuple(sample for sample in samples if sample not in missing)
    if not taking_part:
        raise RefusalError(f"{sheet}: none of its slides' files is there")
    return Plan(
        config,
        sheet,
        results,
        taking_part,
        *_known(there, absent, results),
        tuple(sample.slide for sample in absent),
        tuple(sample.slide for sample in missing),
    )


def _key(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _check_folder(results: Path) -> None:
    try:
        results.mkdir(parents=True, exist_ok=True)
        (results / ".pathopipe").mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=results / ".pathopipe"):
            pass
    except OSError as error:
        raise RefusalError(
            f"{results}: the results folder cannot be written to ({error.strerror}): give another with --results"
        ) from error


def _config_problems(config: Config, results: Path) -> Iterator[str]:
    """Names that the typed configuration can't know, and settings that must fit each other."""
    if config.container and "://" not in config.container and not Path(config.container).exists():
        yield f"container: the image {config.container} is missing: build it (docs/containers.md) or correct the path"
    try:
        make_grader(config.grade.grader)
    except RefusalError as error:
        yield str(error)
    yield from model_problems(config.detect.model, config.tiles, weights_folder(results))


def _column_problems(config: Config, samples: list[Sample], sheet: Path) -> Iterator[str]:
    """Tell why a column can't be shown, and which can: those that the program does not know itself."""
    extra = ", ".join(samples[0].extra) if samples else ""
    shown = f"columns that can be shown: {extra}" if extra else "it has no further columns that could be shown"
    for name in config.cohort.columns:
        if name in COLUMNS and name not in ABOUT_SLIDE:
            yield f"cohort.columns: '{name}' is no further column, but: {COLUMNS[name]}; of {sheet}, {shown}"
        elif samples and name not in samples[0].extra:
            yield f"{sheet}: has no column '{name}', which cohort.columns lists; {shown}"


def _roi_problems(samples: list[Sample]) -> Iterator[str]:
    for roi in {sample.roi: None for sample in samples if sample.roi and sample.roi.is_file()}:
        from pathopipe.ops.regions import origin_of, parse_regions

        try:
            parse_regions(roi.read_text(encoding="utf-8"), origin_of(None))  # where it lies is seen by `tissue`
        except UnicodeDecodeError:
            yield f"{roi}: is no GeoJSON of polygons: it is not text in UTF-8"
        except (ValueError, OSError) as error:
            yield f"{roi}: {error}"


def _odd_files(sample: Sample) -> Iterator[str]:
    """A pipe would be waited on forever, a device might never end."""
    if not (sample.path.is_file() or sample.path.is_dir()):
        yield f"{sample.path} is neither a file nor a folder: correct the path"
    if sample.roi and not sample.roi.is_file():
        yield f"the roi {sample.roi} is no file: correct the path"


def _sort_by_presence(samples: list[Sample], results: Path) -> tuple[list[Sample], list[Sample], list[Sample]]:
    """Files that are there; that vanished after `tissue` had seen them; that never were."""
    there, absent, missing = list[Sample](), list[Sample](), list[Sample]()
    for sample in samples:
        if _exists(sample.path) and (sample.roi is None or _exists(sample.roi)):
            there.append(sample)
        elif _recorded(sample.slide, results):
            absent.append(sample)
        else:
            missing.append(sample)
    return there, absent, missing


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system allows, a folder that may not be entered
        return False


def _missing(sample: Sample) -> str:
    if not _exists(sample.path):
        return f"the file {sample.path} is missing: correct the path, or go on without it with --skip-missing"
    return f"the roi {sample.roi} is missing: correct the path, or go on without the slide with --skip-missing"


def _recorded(slide: str, results: Path) -> str | None:
    """Return the identity that `tissue` recorded for a slide."""
    try:
        return str(read_json(results / slide / "tissue" / MANIFEST)["identity"])
    except (ArtifactError, KeyError):
        return None


def _known(there: list[Sample], absent: list[Sample], results: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Identities of slides, and megabytes to hold of each; a file of unchanged size and time is not read again."""
    store = results / KNOWN_SLIDES
    known = read_json(store) if store.exists() else {}
    found = {}
    for sample in there:
        entry = known.get(sample.slide, {})
        try:
            mark = _mark(sample.path)
            if not entry.keys() >= {"identity", "held_mb"} or entry["mark"] != mark:
                from pathopipe.slide.image_backend import held_mb  # for slides that are new: it takes its time

                entry = {"mark": mark, "identity": str(identify(sample.path)), "held_mb": held_mb(sample.path)}
        except OSError:  # not this slide's content: its own job says so, and the others go on
            entry = {"mark": "", "identity": _recorded(sample.slide, results) or "unreadable", "held_mb": 0}
        found[sample.slide] = entry
    if found != known:
        write_json(store, {**known, **found}, results)
    identities = {slide: str(entry["identity"]) for slide, entry in found.items()}
    identities |= {sample.slide: str(_recorded(sample.slide, results)) for sample in absent}
    return identities, {slide: int(entry["held_mb"]) for slide, entry in found.items()}


def _mark(path: Path) -> str:
    """Sizes and times of a slide's files, and where they lie: while these stay, its identity does."""
    stats = [file.stat() for file in slide_files(path)]
    text = f"{path} {[(stat.st_size, stat.st_mtime_ns) for stat in stats]}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _slide_param(sample: Sample, identity: str) -> str:
    mpp = f"{sample.mpp[0]:g} {sample.mpp[1]:g}" if sample.mpp else ""
    roi = hashlib.sha256(sample.roi.read_bytes()).hexdigest()[:16] if sample.roi else ""
    return f"{identity} mpp={mpp} roi={roi}"
