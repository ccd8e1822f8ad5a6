"""``pathopipe train types`` on images of two kinds of discs."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from pathopipe.cli.train import train
from pathopipe.errors import RefusalError
from pathopipe.models.types.registry import create, weights_of

PLACES = [(x, y) for y in range(40, 500, 60) for x in range(40, 500, 60)]


def draw(path: Path, seed: int) -> list[tuple[int, int, bool]]:
    """Large pale and small dark discs on pink, at 0.25 um per pixel; returns x, y and whether it is large."""
    rng = np.random.default_rng(seed)
    image = np.full((512, 512, 3), (235, 190, 215), np.uint8)
    discs = [(*place, bool(rng.random() < 0.5)) for place in PLACES]
    for x, y, large in discs:
        cv2.circle(image, (x, y), 22 if large else 13, (150, 110, 190) if large else (70, 50, 120), -1)
    noisy = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    cv2.imwrite(str(path), cv2.cvtColor(noisy, cv2.COLOR_RGB2BGR))
    return discs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fields")
    (folder / "images").mkdir()
    (folder / "points").mkdir()
    for seed, name in enumerate("abc"):
        discs = draw(folder / "images" / f"{name}.png", seed)
        lines = [f"{x}\t{y}\t{'Tumor' if large else 'lymphocyte'}" for x, y, large in discs]
        (folder / "points" / f"{name}.tsv").write_text("\n".join(["x\ty\ttype", *lines]))
    return folder


def call(*arguments: str | Path) -> str:
    result = CliRunner().invoke(train, ["types", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def given(folder: Path, out: Path, labels: str | Path = "points") -> list[str | Path]:
    mpp = ("--mpp", "0.25", "--nuclei", "classical", "--out", out)
    return ["--images", folder / "images", "--labels", folder / labels, *mpp]


def test_two_kinds_of_nuclei_are_learned_and_tested_on_other_images(made: Path, tmp_path: Path) -> None:
    shown = call(*given(made, tmp_path), "--license", "CC0", "--data", "discs")
    head, _, before, trained, weights, use = shown.splitlines()
    assert head.startswith("nuclei: ")
    assert before.split()[0] == "'breast'"
    name, *values = trained.split()
    assert name == "trained"
    assert [float(value) for value in values] == pytest.approx([1, 1, 1], abs=0.03)
    assert str(tmp_path / "mine.safetensors") in weights
    assert "types.model=" in use
    card = weights_of(str(tmp_path / "mine.safetensors")).card
    assert card.architecture.classes == ("epithelial", "inflammatory")
    assert card.licence == "CC0; started from 'breast' (CC BY 4.0)"
    assert card.data[0] == "discs"
    (figures,) = card.figures.values()
    assert figures["mean"] == pytest.approx(float(values[2]), abs=0.001)
    model = create(str(tmp_path / "mine.safetensors"))
    assert model is not None
    rgb = cv2.cvtColor(cv2.imread(str(made / "images" / "a.png")), cv2.COLOR_BGR2RGB)
    small = cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    described = model.describe_at(small, np.array(PLACES) / 2)
    assert model.is_known(described).mean() > 0.9
    large = [large for _, _, large in draw(tmp_path / "again.png", 0)]
    assert ((model.probabilities(described)[:, 0] > 0.5) == large).mean() > 0.97


def test_the_same_command_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    call(*given(made, tmp_path / "one"))
    call(*given(made, tmp_path / "two"))
    assert (tmp_path / "one/mine.safetensors").read_bytes() == (tmp_path / "two/mine.safetensors").read_bytes()


def test_polygons_with_classes_are_learned_from_too(made: Path, tmp_path: Path) -> None:
    (tmp_path / "polygons").mkdir()
    for seed, name in enumerate("abc"):
        features = []
        for x, y, large in draw(tmp_path / "unused.png", seed):
            side = 15 if large else 9
            ring = [(x - side, y - side), (x + side, y - side), (x + side, y + side), (x - side, y + side)]
            features.append(
                {
                    "type": "Feature",
                    "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
                    "properties": {"classification": {"name": "Tumor" if large else "Immune cells"}},
                }
            )
        content = {"type": "FeatureCollection", "features": features}
        (tmp_path / "polygons" / f"{name}.geojson").write_text(json.dumps(content))
    trained = call(*given(made, tmp_path / "out", tmp_path / "polygons")).splitlines()[3].split()
    assert float(trained[-1]) > 0.97


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lymphocyte", "mitosis", "types that are none of epithelial, inflammatory, stromal, other.*: mitosis: rename"),
        ("lymphocyte", "Tumor", "all annotated nuclei are of one type, 'epithelial': annotate at least two types"),
        ("Tumor", "", "all annotated nuclei are of one type, 'inflammatory'"),
        ("type", "kind", "none of the annotations has a type: give points or polygons with classes"),
    ],
)
def test_types_that_cannot_be_learned_are_one_sentence(
    made: Path, tmp_path: Path, old: str, new: str, words: str
) -> None:
    (tmp_path / "points").mkdir()
    for path in (made / "points").iterdir():
        (tmp_path / "points" / path.name).write_text(path.read_text().replace(old, new))
    with pytest.raises(RefusalError, match=words):
        call(*given(made, tmp_path / "out", tmp_path / "points"))
    assert not list((tmp_path / "out").glob("*.safetensors"))


def test_points_far_from_any_nucleus_are_one_sentence(made: Path, tmp_path: Path) -> None:
    (tmp_path / "points").mkdir()
    for path in (made / "points").iterdir():
        head, *lines = path.read_text().splitlines()
        moved = [f"{int(x) // 2}\t{int(y) // 2 + 7}\t{kind}" for x, y, kind in (line.split("\t") for line in lines)]
        (tmp_path / "points" / path.name).write_text("\n".join([head, *moved]))
    with pytest.raises(RefusalError, match=r"annotated nuclei lie more than 6 um from any that.*check the mpp"):
        call(*given(made, tmp_path / "out", tmp_path / "points"))


def test_one_patient_and_too_few_nuclei_are_one_sentence(made: Path, tmp_path: Path) -> None:
    rows = [f"{made}/images/{name}.png\t{made}/points/{name}.tsv\t0.25\tone" for name in "abc"]
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text("\n".join(["image\tlabels\tmpp\tpatient", *rows]))
    ask = ("--sheet", sheet, "--nuclei", "classical", "--out", tmp_path)
    with pytest.raises(RefusalError, match="all annotated nuclei are of one patient"):
        call(*ask)
    (tmp_path / "few.tsv").write_text("x\ty\ttype\n40\t40\tTumor\n100\t40\tlymphocyte\n")
    sheet.write_text("\n".join(["image\tlabels\tmpp"] + [f"{made}/images/{n}.png\tfew.tsv\t0.25" for n in "ab"]))
    with pytest.raises(RefusalError, match=r"nuclei are annotated as \w+, expected at least 10, of two patients"):
        call(*ask)


@pytest.mark.parametrize("option", ["--license", "--data"])
def test_text_that_no_card_can_hold_is_one_sentence(made: Path, tmp_path: Path, option: str) -> None:
    with pytest.raises(RefusalError, match=r"--license, --data: .*should be text of one line"):
        call(*given(made, tmp_path), option, "a\x1bb")


def test_the_model_to_start_from_must_be_one_of_types(made: Path, tmp_path: Path) -> None:
    with pytest.raises(RefusalError, match="--from none: is no model to start from"):
        call(*given(made, tmp_path), "--from", "none")
    with pytest.raises(RefusalError, match=r"types\.model: there is no model of types 'open'"):
        call(*given(made, tmp_path), "--from", "open")
