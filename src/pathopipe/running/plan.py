"""What the Snakefile asks: which slides there are, what each stage reads and writes, and what makes it run again."""

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pathopipe.demand import demand_of, limit_memory_mb, limit_minutes, limit_threads, tissue_mm2
from pathopipe.errors import RefusalError
from pathopipe.fingerprint import fingerprint, handed_down
from pathopipe.models.registry import find
from pathopipe.pipeline import COHORT, ORDER, STAGES, Config, DetectSettings
from pathopipe.provenance import workflow_folder
from pathopipe.record import MANIFEST, Stage
from pathopipe.results.folder import SlideFolder, manifest_name
from pathopipe.results.names import CACHE, CONDA_ENV, CRATE, weights_folder
from pathopipe.samples import ID_PATTERN, Sample, shown_columns

_COSTLIEST: Final = max(ORDER, key=lambda stage: demand_of(stage).s_per_mm2)


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
    digests
        Of the files that a line names beside the slide's, by column, by slide id.
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
    digests: dict[str, Mapping[str, str]]
    absent: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def active(self) -> tuple[str, ...]:
        """Ids of the slides whose stages may run."""
        gone = set(self.absent)
        return tuple(sample.slide for sample in self.samples if sample.slide not in gone)

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

        They also take over the fingerprints, as does a Snakemake that this process starts.

        The sheet's path is not in the commands, so that moving it makes nothing run again. The commands don't get the
        cache that `pathopipe run` gives to Snakemake: compiled loops in it would run where the results are handed to.
        """
        if os.environ.get("XDG_CACHE_HOME") == str(self.results / CACHE):
            del os.environ["XDG_CACHE_HOME"]
        os.environ["PATHOPIPE_SLIDES"] = str(self.sheet)
        os.environ.update(handed_down((*STAGES, COHORT.name)))
        os.environ["PATH"] += os.pathsep + str(Path(sys.executable).parent)

    @property
    def place(self) -> str:
        """The results folder as seen from the current folder, which is the same unless another one was asked for.

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

    @property
    def conda_env(self) -> str:
        """File of the environment for ``--sdm conda``; braces in its path would be wildcards: then the shipped one."""
        file = str(self.results / CONDA_ENV)
        return str(workflow_folder() / "envs" / "pathopipe.yaml") if set("{}") & set(file) else file

    def reads(self, stage: str) -> dict[str, str]:
        """Inputs of a rule by name."""
        return self._files({_key(name): f"{{slide}}/{name}" for name in STAGES[stage].reads})

    def writes(self, stage: str) -> dict[str, str]:
        """Outputs of a rule by name."""
        named = {_key(name): f"{{slide}}/{stage}/{name}" for name in (*STAGES[stage].writes, MANIFEST)}
        return self._files(named | ({_key(CRATE): f"{{slide}}/{CRATE}"} if STAGES[stage].describes else {}))

    def manifest(self, slide: str, stage: str) -> str:
        """Name the manifest of a stage of a slide as Snakemake does."""
        name = manifest_name(slide, stage)
        return self._files({name: name})[name]

    def log(self, stage: str) -> str:
        """Log of a rule."""
        folder = COHORT.name if stage == COHORT.name else "{slide}"
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
        return f"{_record(stage).contract}-{fingerprint(stage)}"

    def memory(self, stage: str) -> Any:
        """Function of wildcards and attempt: megabytes that the stage may need."""
        held = self.held_mb if STAGES[stage].reads_pixels else {}
        return lambda wildcards, attempt: limit_memory_mb(stage, attempt, held.get(wildcards.slide, 0))

    def pending(self, slides: tuple[str, ...]) -> list[Sample]:
        """Those of the slides that can run and whose costliest stage has still to run."""
        chosen = set(slides).difference(self.absent)
        return [
            sample
            for sample in self.samples
            if sample.slide in chosen and not SlideFolder(self.results, sample.slide).has(_COSTLIEST)
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
        """Function of the wildcards: what the sheet's columns that count for the stage say; nothing where none do."""
        columns = STAGES[stage].columns
        if not columns:
            return ""
        by_id = {sample.slide: sample for sample in self.samples}
        return lambda wildcards: _line(
            columns,
            by_id[wildcards.slide],
            self.identities[wildcards.slide],
            self.digests.get(wildcards.slide, {}),
        )

    @cached_property
    def cohort_inputs(self) -> list[str]:
        """Files that the cohort gathers; of an absent slide those that exist."""
        gone = set(self.absent)
        names = (
            f"{sample.slide}/{name}"
            for sample in self.samples
            for name in COHORT.reads
            if sample.slide not in gone or (self.results / sample.slide / name).exists()
        )
        return list(self._files({name: name for name in names}).values())

    @property
    def cohort_outputs(self) -> dict[str, str]:
        """Outputs of the gathering rule by name."""
        named = {_key(name): f"{COHORT.name}/{name}" for name in (*COHORT.writes, MANIFEST)}
        return self._files(named | {_key(CRATE): CRATE})

    @property
    def cohort_params(self) -> str:
        """Digest of what the cohort shows of the sheet: ids, order, the columns that the config lists, and patients.

        Of the patients only which slides are of the same one: a digest of names could be guessed.
        """
        first, columns = dict[str, str](), shown_columns(self.config.cohort.columns, self.samples)
        shown = [
            [
                sample.slide,
                first.setdefault(sample.patient, sample.slide) if sample.patient else "",
                *(sample.extra.get(name, "") for name in columns),
            ]
            for sample in self.samples
        ]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]


def _record(stage: str) -> Stage:
    return COHORT if stage == COHORT.name else STAGES[stage]


def _key(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _line(columns: tuple[str, ...], sample: Sample, identity: str, digests: Mapping[str, str]) -> str:
    """What columns of a line say, of files by what they hold: moving them changes nothing."""
    said: dict[str, Any] = {"path": identity, "mpp": sample.mpp, **sample.about}
    said |= {name: digest[:16] for name, digest in digests.items()}
    return json.dumps({column: said.get(column) for column in columns}, sort_keys=True)
