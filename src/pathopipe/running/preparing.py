"""From a configuration to a plan: what is checked is made ready, in the results folder, for the jobs."""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pathopipe.config import container_image
from pathopipe.errors import ArtifactError, RefusalError
from pathopipe.identity import full_sha256, identify, slide_files
from pathopipe.jobs.chosen_model import adopt_models
from pathopipe.jobs.parallel import ordered_map
from pathopipe.pipeline import ORDER, Config
from pathopipe.provenance import sha256
from pathopipe.results.documents import write_json
from pathopipe.results.folder import SlideFolder
from pathopipe.results.links import of_results, refuse_links
from pathopipe.results.marker import check_results
from pathopipe.results.names import KNOWN_SLIDES
from pathopipe.results.records import known_slides
from pathopipe.running.checking import problems, sort_by_presence
from pathopipe.running.conda_env import write_conda_env
from pathopipe.running.plan import Plan
from pathopipe.running.slide_facts import SlideFacts, read_facts, write_facts
from pathopipe.samples import ID_PATTERN, Sample, check_samples
from pathopipe.status.slide_file import is_known_as, with_content

_READERS: Final = 4
_JOBS: Final = "--target-jobs"
_SLIDE: Final = re.compile(rf"\w+:slide=({ID_PATTERN})$")


def plan_for(command: Sequence[str], config: Config) -> Plan:
    """Return the plan of a process of Snakemake: of all slides, or of those whose jobs it does for another one.

    At a cluster there is one process for each job: thousands that look at thousands of slides are a load for the file
    system.
    """
    slides = slides_of(command)
    return plan_of_jobs(config, slides) if slides else prepare(config)


def slides_of(command: Sequence[str]) -> set[str] | None:
    """Ids of the slides whose jobs a process of Snakemake does for another one; None where it is for all."""
    jobs = command[command.index(_JOBS) + 1 :] if _JOBS in command else ()
    return {found[1] for job in jobs if (found := _SLIDE.match(job))} if jobs else None


def prepare(config: Config) -> Plan:
    """Check configuration, sheet, files and results folder, and make the results folder ready for the slides' jobs.

    Paths start at the current folder.

    Raises
    ------
    RefusalError
        With all problems at once.
    """
    config, sheet, results = _absolute(config)
    samples, mistakes = check_samples(sheet)
    refuse_links(results, of_results((sample.slide for sample in samples), snakemake=True))
    _check_folder(results)
    check_results(results)
    presence = sort_by_presence(samples, results)
    if found := [*mistakes, *problems(config, sheet, samples, presence, results)]:
        raise RefusalError(*found)
    config = adopt_models(config, results)
    skipped = {sample.slide: None for sample in presence.missing}
    taking_part = tuple(sample for sample in samples if sample.slide not in skipped)
    if not taking_part:
        raise RefusalError(f"{sheet}: none of its slides' files exist")
    write_conda_env(results)
    facts = _identified(presence.there, results)
    identities = {fact.sample.slide: fact.identity for fact in facts}
    absent = {sample.slide: str(SlideFolder(results, sample.slide).identity) for sample in presence.absent}
    return Plan(
        config=config,
        sheet=sheet,
        results=results,
        samples=taking_part,
        identities=identities | absent,
        held_mb={fact.sample.slide: fact.held_mb for fact in facts},
        digests={fact.sample.slide: fact.digests for fact in facts},
        absent=tuple(absent),
        skipped=tuple(skipped),
    )


def plan_of_jobs(config: Config, slides: Iterable[str]) -> Plan:
    """Plan of some slides alone, by what `prepare` noted of them in the process that started this one.

    Raises
    ------
    RefusalError
        When there are symbolic links where their stages might write.
    """
    config, sheet, results = _absolute(config)
    slides = sorted(slides)
    refuse_links(results, of_results(slides))
    facts = [read_facts(slide, results) for slide in slides]
    return Plan(
        config=adopt_models(config, results),
        sheet=sheet,
        results=results,
        samples=tuple(fact.sample for fact in facts),
        identities={fact.sample.slide: fact.identity for fact in facts},
        held_mb={fact.sample.slide: fact.held_mb for fact in facts},
        digests={fact.sample.slide: fact.digests for fact in facts},
    )


def _absolute(config: Config) -> tuple[Config, Path, Path]:
    """The configuration with its paths, the sheet's and that of the results made absolute."""
    sheet, results = Path(config.slides).absolute(), Path(config.results).absolute()
    paths = {"slides": str(sheet), "results": str(results), "container": container_image(config)}
    return config.model_copy(update=paths), sheet, results


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


def _identified(samples: Sequence[Sample], results: Path) -> list[SlideFacts]:
    """What is known of slides whose files are there, noted for their jobs and for the next time."""
    known = known_slides(results)

    def look(sample: Sample) -> dict[str, Any]:
        before = known.get(sample.slide, {})
        return _entry(sample, before, results) | _digests(sample, before.get("digests", {}))

    found = ordered_map(look, samples, _READERS)
    entries = {sample.slide: entry for sample, entry in zip(samples, found, strict=True)}
    facts = [_facts(sample, entries[sample.slide]) for sample in samples]
    noted = {slide: str(entry.get("noted", "")) for slide, entry in known.items()}
    for slide, digest in write_facts(facts, noted, results).items():
        entries[slide] = {**entries[slide], "noted": digest}
    if not entries.items() <= known.items():
        write_json(results / KNOWN_SLIDES, {**known, **entries}, results)
    return facts


def _entry(sample: Sample, known: Mapping[str, Any], results: Path) -> dict[str, Any]:
    """Mark, times, identity and memory of a slide; a file of unchanged place, size and time is not read again."""
    try:
        times = _times(sample.path)
        mark = _hashed(f"{sample.path} {times}")
        if known.keys() >= {"identity", "held_mb"} and known["mark"] == mark:
            return dict(known)
        from pathopipe.slide.image_backend import held_mb  # for slides that are new: it takes its time

        identity = str(identify(sample.path))
        if known.get("times", times) != times:
            identity = _compared(sample, identity, str(known.get("identity")), results)
        held = held_mb(sample.path)
    except OSError:  # not this slide's content: its own job says so, and the others go on
        return {"mark": "", "identity": SlideFolder(results, sample.slide).identity or "unreadable", "held_mb": 0}
    return {"mark": mark, "times": times, "identity": identity, "held_mb": held}


def _digests(sample: Sample, known: Mapping[str, Any]) -> dict[str, Any]:
    """Marks and digests of the line's other files; one of unchanged place, size and time is not read again."""
    found = dict[str, Any]()
    for column, path in sample.files.items():
        try:
            stat = path.stat()
            mark = _hashed(f"{path} {stat.st_size} {stat.st_mtime_ns}")
            same = known.get(column, {}).get("mark") == mark
            found[column] = known[column] if same else {"mark": mark, "sha256": sha256(path)}
        except OSError:  # its own job says so
            found[column] = {"mark": "", "sha256": "unreadable"}
    return {"digests": found}


def _facts(sample: Sample, entry: Mapping[str, Any]) -> SlideFacts:
    digests = {column: str(file["sha256"]) for column, file in entry["digests"].items()}
    return SlideFacts(sample, str(entry["identity"]), int(entry["held_mb"]), digests)


def _compared(sample: Sample, identity: str, known: str, results: Path) -> str:
    """What to call a file of another time than before: if its samples are the same, all its bytes are read."""
    made = SlideFolder(results, sample.slide)
    try:
        tissue = made.manifest(ORDER[0])
    except ArtifactError:
        return identity
    before = tissue.get("sha256")
    if before is None or tissue["identity"] != identity:
        return identity
    if (now := full_sha256(sample.path)) != before:
        return with_content(identity, now)
    return known if is_known_as(identity, now, known) else identity


def _times(path: Path) -> str:
    """Sizes and times of a slide's files: while these and its place stay, its identity does."""
    stats = [file.stat() for file in slide_files(path)]
    return _hashed(str([(stat.st_size, stat.st_mtime_ns) for stat in stats]))


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
