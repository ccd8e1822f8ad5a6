"""The stages in order, each with its section of the configuration and its record; and the configuration as a whole."""

from typing import Annotated, Final, Literal

from pydantic import Field, field_validator

from pathopipe.record import MANIFEST, Demand, Section, Stage
from pathopipe.units import CHUNK, MAX_HALO, WORKING_MPP

MAPS: Final = "maps.zarr.zip"
PatientRule = Literal["worst", "representative", "pooled"]
Artifact = Literal[
    "pen", "bubble", "fold", "debris", "out of focus", "saturated", "overstained", "understained", "JPEG blocks"
]
"""What a quality map tells from sound tissue; of two that meet, the first counts."""


def names_in(value: object) -> object:
    """Also accept one name, or several separated by commas, for a list of names."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class TissueSettings(Section):
    """Finding tissue."""

    min_area_mm2: Annotated[float, Field(ge=0)] = Field(0.02, description="drop pieces of tissue smaller than this")
    margin_um: Annotated[float, Field(ge=0, le=500)] = Field(24.0, description="widen the tissue mask by this")


TISSUE: Final = Stage(
    name="tissue",
    title="Tissue detection",
    help="find tissue, check the image.",
    settings=TissueSettings,
    contract=4,
    reads=(),
    writes=("tissue.geojson", "thumbnail.jpg"),
    demand=Demand(2.0, 0.1, 0.1, 800),
    reads_pixels=True,
    group="before",
    columns=("path", "mpp", "roi"),
)


class QualitySettings(Section):
    """Telling sound tissue from what cannot be trusted."""

    exclude: tuple[Artifact, ...] = Field(
        ("pen", "debris", "out of focus"),
        description="classes of the map that are left out: `pen`, `bubble`, `fold`, `debris`, `out of focus`, "
        "`saturated`, `overstained`, `understained`, `JPEG blocks`",
    )
    max_blur_um: Annotated[float, Field(gt=0, le=20)] = Field(
        1.0, description="tissue is out of focus if it is blurred more than by a Gaussian of this standard deviation"
    )
    min_probability: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.6, description="probability from which a place is surely under a pen, bubble or debris"
    )
    min_fold_probability: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.9, description="probability from which a place is surely in a fold: dense tissue looks similar"
    )
    min_area_um2: Annotated[float, Field(ge=0)] = Field(1500.0, description="ignore areas smaller than this")
    max_unfit: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="give no grade if a larger share of the tissue is left out"
    )

    @field_validator("exclude", mode="before")
    @classmethod
    def _one_or_several(cls, exclude: object) -> object:
        return names_in(exclude)


QUALITY: Final = Stage(
    name="quality",
    title="Quality map",
    help="map the tissue that cannot be trusted.",
    settings=QualitySettings,
    contract=1,
    reads=("tissue/manifest.json", "tissue/tissue.geojson"),
    writes=("quality.geojson", "sound.geojson", "quality.png"),
    demand=Demand(2.0, 0.1, 0.1, 500, 2),
    reads_pixels=True,
    group="before",
)


class TilesSettings(Section):
    """Laying the tile grid."""

    mpp: Annotated[float, Field(ge=WORKING_MPP[0], le=WORKING_MPP[1])] = Field(
        0.5, description="working resolution in micrometers per pixel"
    )
    size: Annotated[int, Field(ge=CHUNK, le=65536)] = Field(1024, description="side of a tile in working pixels")
    halo: Annotated[int, Field(ge=0, le=MAX_HALO)] = Field(
        104, description="working pixels read around a tile; at least the radius of the model"
    )

    @field_validator("size")
    @classmethod
    def _whole_chunks(cls, size: int) -> int:
        if size % CHUNK:
            raise ValueError(f"should be a multiple of {CHUNK}")
        return size


TILES: Final = Stage(
    name="tiles",
    title="Tiling",
    help="lay tiles over the tissue.",
    settings=TilesSettings,
    contract=2,
    reads=("tissue/manifest.json", "quality/manifest.json", "quality/sound.geojson"),
    writes=("tiles.parquet",),
    demand=Demand(1.0, 0.0, 0.0, 500),
    group="before",
)


class DetectSettings(Section):
    """Finding nuclei."""

    model: str = Field(
        "open", description="nucleus model: `open`, `research` (non-commercial), `classical`, or the path of weights"
    )
    device: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="where a network runs; auto: a GPU if there is one"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="precision of a network; auto: bfloat16 where the machine supports it"
    )


DETECT: Final = Stage(
    name="detect",
    title="Nucleus detection",
    help="find nuclei.",
    settings=DetectSettings,
    contract=3,
    reads=(
        "tissue/manifest.json",
        "quality/manifest.json",
        "quality/sound.geojson",
        "tiles/manifest.json",
        "tiles/tiles.parquet",
    ),
    writes=("detections.parquet", MAPS),
    demand=Demand(3.0, 3.5, 6.0, 2000, 8),
    reads_pixels=True,
    columns=("nuclei",),
)


class SegmentSettings(Section):
    """Outlining nuclei."""

    foreground: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="minimum foreground probability of a nucleus pixel"
    )
    min_area_um2: Annotated[float, Field(ge=0)] = Field(4.0, description="drop nuclei smaller than this")
    min_solidity: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.75, description="drop outlines that fill less of their convex hull: folds, keratin, debris"
    )
    max_radius_um: Annotated[float, Field(gt=1, le=32)] = Field(
        16.0, description="maximum distance of a nucleus pixel from its seed"
    )


SEGMENT: Final = Stage(
    name="segment",
    title="Nucleus segmentation",
    help="outline nuclei.",
    settings=SegmentSettings,
    contract=2,
    reads=(
        "detect/manifest.json",
        "detect/detections.parquet",
        f"detect/{MAPS}",
        "tissue/manifest.json",
        "quality/manifest.json",
        "quality/sound.geojson",
    ),
    writes=("nuclei.parquet",),
    demand=Demand(2.0, 1.0, 0.5, 1500, 2),
    group="after",
    columns=("nuclei", "nuclei_before"),
)


class FeaturesSettings(Section):
    """Measuring nuclei."""

    groups: tuple[Literal["shape", "texture", "chromatin", "neighborhood"], ...] = Field(
        ("shape", "texture", "chromatin", "neighborhood"),
        description="groups of measures, beside size, stain and distances, which are always measured",
    )
    stain: Literal["native", "normalized"] = Field(
        "native",
        description="measure pixels as they are, or with their stain normalized to one target (Macenko 2009; "
        "docs/stain.md)",
    )

    @field_validator("groups", mode="before")
    @classmethod
    def _one_or_several(cls, groups: object) -> object:
        return names_in(groups)


FEATURES: Final = Stage(
    name="features",
    title="Measurement",
    help="measure nuclei.",
    settings=FeaturesSettings,
    contract=5,
    reads=(
        "tissue/manifest.json",
        "quality/manifest.json",
        "quality/sound.geojson",
        "detect/manifest.json",
        "segment/manifest.json",
        "segment/nuclei.parquet",
    ),
    writes=("features.parquet",),
    demand=Demand(2.0, 2.0, 3.5, 2000, 2),
    reads_pixels=True,
    group="after",
)


class TypesSettings(Section):
    """Saying what nuclei are."""

    model: str = Field(
        "breast", description="model of types: `breast`, `none` (says of no nucleus what it is), or the path of weights"
    )
    min_probability: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="minimum probability of a type; below it, a nucleus has none"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="precision of the network; auto: bfloat16 where the machine supports it"
    )


TYPES: Final = Stage(
    name="types",
    title="Nucleus types",
    help="say what each nucleus is.",
    settings=TypesSettings,
    contract=1,
    reads=(
        "tissue/manifest.json",
        "detect/manifest.json",
        "segment/manifest.json",
        "segment/nuclei.parquet",
        "features/manifest.json",
    ),
    writes=("types.parquet",),
    demand=Demand(2.0, 2.0, 0.1, 2000, 2),
    reads_pixels=True,
    group="after",
)


class StatisticsSettings(Section):
    """Describing the nuclei of slides, regions and types."""

    min_nuclei: Annotated[int, Field(ge=2)] = Field(
        10, description="minimum number of nuclei for anything but a mean and a median"
    )
    field_mm2: Annotated[float, Field(ge=0, le=100)] = Field(
        2.0, description="area of the fields with the most and the largest nuclei, which get rows; 0: none"
    )
    spatial: bool = Field(True, description="also measure how nuclei are arranged")


STATISTICS: Final = Stage(
    name="statistics",
    title="Statistics",
    help="describe nuclei by slide, region and type.",
    settings=StatisticsSettings,
    contract=3,
    reads=(
        "tissue/manifest.json",
        "quality/manifest.json",
        "quality/sound.geojson",
        "segment/manifest.json",
        "segment/nuclei.parquet",
        "features/manifest.json",
        "features/features.parquet",
        "types/manifest.json",
        "types/types.parquet",
    ),
    writes=("statistics.parquet", "regions.geojson"),
    demand=Demand(3.0, 1.0, 0.5, 1500, 2),
    group="after",
    columns=("roi",),
)


class NottinghamSettings(Section):
    """The grader `nottingham-pleomorphism`."""

    min_nuclei: Annotated[int, Field(ge=1)] = Field(10, description="abstain when fewer epithelial nuclei were found")
    min_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.4, description="abstain when a smaller share of the resamples of the slide's tissue gives the same grade"
    )


class GradeSettings(Section):
    """Grading."""

    grader: str = Field(
        "nottingham-pleomorphism",
        description="grader: `nottingham-pleomorphism`, or the path of one that `pathopipe train grade` wrote",
    )
    coverage: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.9,
        description="of a trained grader: how often its prediction sets hold the true grade; it abstains where a set "
        "has not exactly one",
    )
    out_of_scope: bool = Field(
        False, description="also grade tissue and stains that the grader is not made for; the grade is marked"
    )
    nottingham: NottinghamSettings = NottinghamSettings()


GRADE: Final = Stage(
    name="grade",
    title="Grading",
    help="grade the slide.",
    settings=GradeSettings,
    contract=5,
    reads=(
        "tissue/manifest.json",
        "quality/manifest.json",
        "detect/manifest.json",
        "segment/manifest.json",
        "segment/nuclei.parquet",
        "features/manifest.json",
        "features/features.parquet",
        "types/manifest.json",
        "types/types.parquet",
        "statistics/manifest.json",
        "statistics/statistics.parquet",
    ),
    writes=("grade.json", "heatmap.geojson"),
    demand=Demand(2.0, 0.05, 0.0, 1000),
    group="after",
    columns=("tissue", "stain"),
)


class ReportSettings(Section):
    """The page per slide."""

    gallery: Annotated[int, Field(ge=0, le=60)] = Field(
        12, description="number of nuclei in each gallery (typical, largest, least certain and so on)"
    )
    fields: Annotated[int, Field(ge=0, le=12)] = Field(3, description="number of fields of view shown with outlines")
    max_mb: Annotated[float, Field(ge=1, le=500)] = Field(
        20.0, description="size of the page in megabytes, which decides how much the viewer shows"
    )
    outlines: Literal["auto", "all", "none"] = Field(
        "auto", description="outlines in the viewer: auto: as many as fit `max_mb`; all; or none, points only"
    )
    measures: Annotated[tuple[str, ...], Field(max_length=32)] = Field(
        (
            "area_um2",
            "circularity",
            "eccentricity",
            "solidity",
            "hematoxylin_mean",
            "hematoxylin_sd",
            "nearest_um",
            "neighbors_50um",
        ),
        description="measures of nuclei (docs/measures.md) that the viewer shows and colors by",
    )

    @field_validator("measures", mode="before")
    @classmethod
    def _one_or_several(cls, measures: object) -> object:
        return names_in(measures)


_BEFORE_REPORT: Final = (TISSUE, QUALITY, TILES, DETECT, SEGMENT, FEATURES, TYPES, STATISTICS, GRADE)

REPORT: Final = Stage(
    name="report",
    title="Report",
    help="write the slide's page.",
    settings=ReportSettings,
    contract=8,
    reads=(
        *(f"{stage.name}/{MANIFEST}" for stage in _BEFORE_REPORT),
        "tissue/tissue.geojson",
        "tissue/thumbnail.jpg",
        "tiles/tiles.parquet",
        "quality/quality.geojson",
        "quality/sound.geojson",
        "quality/quality.png",
        "segment/nuclei.parquet",
        "features/features.parquet",
        "types/types.parquet",
        "statistics/statistics.parquet",
        "grade/grade.json",
        "grade/heatmap.geojson",
    ),
    writes=("report.html",),
    demand=Demand(2.0, 0.1, 0.5, 1500),
    reads_pixels=True,
    group="after",
    columns=("roi",),
    describes=True,
)


class CohortSettings(Section):
    """The table and page over all slides."""

    columns: tuple[str, ...] = Field(
        (),
        description="columns of the sample sheet to show, and to compare the statistics by; `all`: every one that "
        "may be shown, so that none may hold a name",
    )
    statistics: tuple[str, ...] = Field(
        (
            "nuclei_count",
            "tissue_mm2",
            "unfit_share",
            "nuclei_per_mm2",
            "area_um2_mean",
            "area_um2_cv",
            "circularity_p50",
            "hematoxylin_mean_p50",
            "epithelial_share",
        ),
        description="columns of `statistics.parquet` that the page shows and compares",
    )
    patient_rule: PatientRule = Field(
        "worst", description="grade of a patient of several slides: the worst, that of the most nuclei, or pooled"
    )

    @field_validator("columns", "statistics", mode="before")
    @classmethod
    def _one_or_several(cls, names: object) -> object:
        return names_in(names)


COHORT: Final = Stage(
    name="cohort",
    title="Cohort",
    help="Gather all slides into one table and page.",
    settings=CohortSettings,
    contract=9,
    reads=(
        "tissue/manifest.json",
        "tissue/thumbnail.jpg",
        "quality/manifest.json",
        "detect/manifest.json",
        "statistics/manifest.json",
        "statistics/statistics.parquet",
        "grade/manifest.json",
        "grade/grade.json",
        "report/manifest.json",
    ),
    writes=("cohort.tsv", "cohort.parquet", "index.html", "slides.tsv", "config.json", "requirements.txt", "Snakefile"),
    describes=True,
)
"""What the cohort stage reads of each slide, and writes to ``results/cohort``."""


STAGES: Final = {stage.name: stage for stage in (*_BEFORE_REPORT, REPORT)}
"""The stages that run per slide, in order, by name."""

ORDER: Final = tuple(STAGES)
"""Their names."""


def stages_up_to(last: str) -> tuple[str, ...]:
    """Names of the stages up to this one, which is among them."""
    return ORDER[: ORDER.index(last) + 1]


class Config(Section):
    """Everything that can be set; the command line's ``--set tiles.size=1024`` overrides the file."""

    slides: str = Field("slides.tsv", description="sample sheet, relative to the current folder")
    results: str = Field("results", description="results folder, relative to the current folder")
    skip_missing: bool = Field(False, description="continue without slides whose file is missing")
    container: str = Field(
        "", description="image for `--sdm apptainer`: the path of a `.sif` file, or an address that Apptainer knows"
    )
    keep_maps: bool = Field(
        True, description="keep `detect`'s maps; without them, a changed setting of `segment` reruns `detect`"
    )
    tissue: TissueSettings = TissueSettings()
    quality: QualitySettings = QualitySettings()
    tiles: TilesSettings = TilesSettings()
    detect: DetectSettings = DetectSettings()
    segment: SegmentSettings = SegmentSettings()
    features: FeaturesSettings = FeaturesSettings()
    types: TypesSettings = TypesSettings()
    statistics: StatisticsSettings = StatisticsSettings()
    grade: GradeSettings = GradeSettings()
    report: ReportSettings = ReportSettings()
    cohort: CohortSettings = CohortSettings()
