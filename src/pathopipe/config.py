"""The typed configuration: one section per stage."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pathopipe.errors import RefusalError

CHUNK = 256
"""Side of the chunks of the stored maps in working pixels; tiles hold whole chunks."""
WORKING_MPP = (0.1, 2)
"""Finest and coarsest working resolution in micrometers per pixel."""
MAX_HALO = 512
"""Working pixels that may be read around a tile: how far a model may look."""
_LONG = 100
_FATES = {"missing": "missing", "unexpected_keyword_argument": "unknown"}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TissueSettings(_Section):
    """Finding tissue."""

    min_area_mm2: Annotated[float, Field(ge=0)] = Field(0.02, description="drop pieces of tissue smaller than this")
    margin_um: Annotated[float, Field(ge=0, le=500)] = Field(24.0, description="widen the tissue mask by this")


class TilesSettings(_Section):
    """Laying the tile grid."""

    mpp: Annotated[float, Field(ge=WORKING_MPP[0], le=WORKING_MPP[1])] = Field(
        0.5, description="working resolution in micrometers per pixel"
    )
    size: Annotated[int, Field(ge=CHUNK, le=65536)] = Field(1024, description="side of a tile in working pixels")
    halo: Annotated[int, Field(ge=0, le=MAX_HALO)] = Field(
        96, description="working pixels read around a tile; at least the radius of the model"
    )

    @field_validator("size")
    @classmethod
    def _whole_chunks(cls, size: int) -> int:
        if size % CHUNK:
            raise ValueError(f"should be a multiple of {CHUNK}")
        return size


class DetectSettings(_Section):
    """Finding nuclei."""

    model: str = Field(
        "open", description="nucleus model: `open`, `research` (non-commercial), `classical`, or the path of weights"
    )
    device: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="where a network runs; auto: a GPU if there is one"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of a network; auto: half precision where the machine computes in it"
    )


class SegmentSettings(_Section):
    """Outlining nuclei."""

    foreground: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="least foreground of a nucleus' pixel")
    min_area_um2: Annotated[float, Field(ge=0)] = Field(4.0, description="drop nuclei smaller than this")
    min_solidity: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.75, description="drop outlines that fill less of their convex hull: folds, keratin, debris"
    )
    max_radius_um: Annotated[float, Field(gt=1, le=32)] = Field(
        16.0, description="farthest that a nucleus may reach from its seed"
    )


class FeaturesSettings(_Section):
    """Measuring nuclei; nothing to set yet."""


class GradeSettings(_Section):
    """Grading."""

    grader: str = Field("nottingham-pleomorphism", description="name of the grader")
    min_nuclei: Annotated[int, Field(ge=1)] = Field(100, description="abstain when fewer nuclei can be graded")
    min_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.6, description="abstain when a smaller share of the resamples of the slide's tissue gives its grade"
    )
    out_of_scope: bool = Field(
        False, description="grade tissue and stains that the grader is not made for, too; the grade is marked so"
    )
    reference: Literal["slide", "fixed"] = Field(
        "slide", description="yardstick of the grader: the slide's own lymphocytes, or always reference_area_um2"
    )
    reference_area_um2: Annotated[float, Field(gt=0)] = Field(
        32.0, description="area of a nucleus of normal epithelium, used where the slide shows too few lymphocytes"
    )


class ReportSettings(_Section):
    """The page per slide."""

    gallery: Annotated[int, Field(ge=0, le=200)] = Field(48, description="nuclei shown")
    fields: Annotated[int, Field(ge=0, le=12)] = Field(3, description="fields of view shown with outlines")


class CohortSettings(_Section):
    """The table and page over all slides."""

    columns: tuple[str, ...] = Field((), description="further columns of the sample sheet to show")

    @field_validator("columns", mode="before")
    @classmethod
    def _one_or_several(cls, columns: object) -> object:
        """Take one name, or several with commas between them, as a list, too."""
        return [name.strip() for name in columns.split(",")] if isinstance(columns, str) else columns


class Config(_Section):
    """Everything that can be set; the command line's ``--set tiles.size=1024`` goes before the file."""

    slides: str = Field("slides.tsv", description="sample sheet, relative to the current folder")
    results: str = Field("results", description="results folder, relative to the current folder")
    skip_missing: bool = Field(False, description="go on without slides whose file is missing")
    container: str = Field(
        "", description="image for `--sdm apptainer`: the path of a `.sif` file, or an address that Apptainer knows"
    )
    keep_maps: bool = Field(
        True, description="keep `detect`'s maps; without them, other settings of `segment` need `detect` again"
    )
    tissue: TissueSettings = TissueSettings()
    tiles: TilesSettings = TilesSettings()
    detect: DetectSettings = DetectSettings()
    segment: SegmentSettings = SegmentSettings()
    features: FeaturesSettings = FeaturesSettings()
    grade: GradeSettings = GradeSettings()
    report: ReportSettings = ReportSettings()
    cohort: CohortSettings = CohortSettings()


def parse_config(values: dict[str, Any], source: str) -> Config:
    """Check a configuration.

    Raises
    ------
    RefusalError
        With one sentence per mistake, each naming ``source`` and the key.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise RefusalError(*(_sentence(problem, source) for problem in error.errors())) from None


def load_config(path: Path | None, changes: tuple[str, ...] = ()) -> Config:
    """Read a YAML configuration and apply ``KEY=VALUE`` changes; without a file, the defaults.

    Raises
    ------
    RefusalError
        When the file is missing, no YAML mapping, or holds mistakes.
    """
    values = _read_yaml(path) if path else {}
    for change in changes:
        _apply(values, change)
    return parse_config(values, str(path) if path and not changes else f"{path or 'defaults'} with --set")


def settings_of(stage: str, text: str) -> BaseModel:
    """Read one section from JSON, as a rule passes it."""
    return parse_config({stage: json.loads(text)}, "--settings").__getattribute__(stage)  # type: ignore[no-any-return]


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RefusalError(f"{path}: cannot be read ({error.strerror}): give the config with --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RefusalError(f"{path}: is no valid YAML: {' '.join(str(error).split())}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise RefusalError(f"{path}: holds no 'key: value' lines: see config/README.md")
    # A section whose keys are all commented out is empty, not wrong.
    return {key: value for key, value in values.items() if value is not None}


def _apply(values: dict[str, Any], change: str) -> None:
    key, equals, value = change.partition("=")
    if not equals or not key:
        raise RefusalError(f"--set {change}: expected KEY=VALUE, such as tiles.size=1024")
    *path, last = key.strip().split(".")
    for name in path:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise RefusalError(f"--set {change}: there is no such key")
    try:
        values[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        values[last] = value


def _sentence(problem: Any, source: str) -> str:
    if problem["type"] == "extra_forbidden":
        return f"{source}: unknown key '{_key(problem)}'{_hint(problem['loc'])}"
    return f"{source}: {told(problem)}"


def told(problem: Any) -> str:
    """Say in words what pydantic found: which key, what it should be, and what it is."""
    if (fate := _FATES.get(problem["type"])) is not None:
        return f"{_key(problem)} is {fate}"
    words = problem["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("a valid tuple", "a list")
    message = f"{_key(problem)} {words[:1].lower()}{words[1:]}".strip()
    return message if isinstance(problem["input"], dict) else f"{message}, got {_brief(problem['input'])}"


def _key(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    return key if key.isprintable() and len(key) < _LONG else _brief(key)


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) < _LONG else f"{text[:_LONG]}…"


def _hint(location: tuple[Any, ...]) -> str:
    import difflib

    model: Any = Config
    for part in location[:-1]:
        model = model.model_fields[part].annotation
    close = difflib.get_close_matches(str(location[-1]), list(model.model_fields), n=1)
    return f", did you mean '{close[0]}'?" if close else f"; known are {', '.join(model.model_fields)}"


def container_image(config: Config) -> str:
    """Image that the rules run in, empty where none is asked for; the path of a file becomes absolute."""
    if not config.container or "://" in config.container:
        return config.container
    return str(Path(config.container).absolute())
