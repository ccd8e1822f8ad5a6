"""Results of slides that name a patient wherever slides, folders and sheets can."""

import json
import platform
from dataclasses import dataclass
from pathlib import Path

import pytest
import tifffile

from pathopipe.jobs.execution import execute, execute_cohort
from pathopipe.pipeline import ORDER, Config
from pathopipe.results.documents import write_json
from pathopipe.samples import read_samples
from pathopipe.synthetic import Scene, write_slide
from tests.slide import dicom
from tests.slide.files import APERIO, write_ome

USER, HOST, PATIENT = "zzuser", "zzhost-7", "Zzpatient^Erika"
PLANTED = (
    *(USER, HOST, "zzhost", PATIENT, "Zzpatient", "Zzfolder", "Zzfile", "Zzdescription", "Zzome", "Zzometext"),
    *("Zzseries", "Zzinstance", "Zzroi", "ZZ-4711-X", "Erika"),
)


@dataclass(frozen=True)
class Planted:
    """A folder of slides, sheet and results."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def sheet(self) -> Path:
        return self.folder / "slides.tsv"


def write_slides(folder: Path) -> None:
    """A region of interest, and an SVS, an OME-TIFF and a DICOM series of the same pixels."""
    folder.mkdir(parents=True)
    write_slide(Scene(640, 512, mpp=0.5, seed=1, tissue="field"), folder / "plain.tiff", levels=1)
    rgb = tifffile.imread(folder / "plain.tiff", key=0)
    (folder / "plain.tiff").unlink()
    text = APERIO.format(w=640, h=512, mpp="|MPP = 0.5|Filename = Zzdescription|User = zzuser|Title = Zzdescription")
    with tifffile.TiffWriter(folder / "Zzfile_Erika 1960.svs") as tiff:
        tiff.write(rgb, description=text, tile=(256, 256), photometric="rgb", metadata=None)
    write_ome(folder / "Zzome.ome.tif", rgb, metadata={"Name": "Zzometext", "Description": "Zzometext"})
    (folder / "Zzseries").mkdir()
    named = dicom.instance(rgb, PatientName=PATIENT, PatientID="ZZ-4711-X")
    dicom.write(folder / "Zzseries" / "Zzinstance.dcm", named)
    corners = [[50, 50], [600, 50], [600, 480], [50, 480], [50, 50]]
    (folder / "Zzroi.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [corners]}))


def write_sheet(folder: Path, *ids: str, site: str = "Ghent") -> None:
    slides = ("Zzfile_Erika 1960.svs\tZzroi.geojson", "Zzome.ome.tif\t", "Zzseries/Zzinstance.dcm\t")
    rows = [f"{name}\t{slide}\t{PATIENT}\t0.5\t{site}\n" for name, slide in zip(ids, slides, strict=True)]
    (folder / "slides.tsv").write_text("slide\tpath\troi\tpatient\tmpp\tsite\n" + "".join(rows))


def run(planted: Planted, *columns: str) -> None:
    """Run all stages, as far as they have not run, and leave what `pathopipe run` leaves of its own."""
    results, samples = planted.results, read_samples(planted.sheet)
    config = Config.model_validate({"detect": {"model": "classical"}, "cohort": {"columns": columns}})
    for sample in samples:
        for stage in ORDER:
            if not (results / sample.slide / stage / "manifest.json").exists():
                execute(stage, sample.slide, results, getattr(config, stage), sample)
        log = results / sample.slide / "logs" / "tissue.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text(f"{sample.path} on {HOST}\n")
    execute_cohort(results, samples, config.cohort)
    write_json(results / ".pathopipe" / "config.json", {"slides": str(planted.sheet)}, results)
    (results / ".snakemake").mkdir(exist_ok=True)
    (results / ".snakemake" / "log").write_text(str(planted.folder))
    (results / "notes.txt").write_text(PATIENT)


@pytest.fixture(scope="session")
def planted_once(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Not to be changed."""
    planted = Planted(tmp_path_factory.mktemp("home") / USER / "Zzfolder_Erika")
    write_slides(planted.folder)
    write_sheet(planted.folder, "slide_0001", "slide_0002", "slide_0003")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(platform, "node", lambda: HOST)
        run(planted)
    return planted
