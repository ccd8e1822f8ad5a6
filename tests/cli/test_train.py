"""`pathopipe train nuclei` on tiny images: what it writes, says, and refuses."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from pathopipe.cli.train import train
from pathopipe.errors import RefusalError
from pathopipe.models.registry import weights_of
from pathopipe.models.weights import read_card, read_weights, save_weights
from tests.training.fields import discs


def write_images(folder: Path, count: int, points: bool = False) -> None:
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for seed in range(count):
        rgb, labels = discs(seed)
        cv2.imwrite(str(folder / "images" / f"a{seed}.png"), rgb[..., ::-1])
        if points:
            rows = [
                f"{np.mean(x):.1f}\t{np.mean(y):.1f}"
                for y, x in (np.nonzero(labels == n) for n in range(1, 15))
                if len(x)
            ]
            (folder / "labels" / f"a{seed}.tsv").write_text("\n".join(["x\ty", *rows]) + "\n")
        else:
            cv2.imwrite(str(folder / "labels" / f"a{seed}.png"), labels.astype(np.uint16))


def run(folder: Path, *arguments: str) -> Result:
    given = ("--images", str(folder / "images"), "--labels", str(folder / "labels"), "--mpp", "0.25")
    return CliRunner().invoke(
        train, ["nuclei", *given, "--out", str(folder / "out"), *arguments], catch_exceptions=False
    )


def test_it_writes_weights_a_card_and_pictures_and_says_what_they_reach(tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    done = run(tmp_path, "--steps", "2", "--name", "ours", "--license", "CC0", "--data", "discs, drawn")
    assert done.exit_code == 0
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["ours.md", "ours.safetensors", "ours_worst_1.png"]
    card = read_card(tmp_path / "out" / "ours.safetensors")
    assert (card.name, card.data, card.mpp) == ("ours", ("discs, drawn",), 0.5)
    assert card.licence.startswith("CC0; started from 'open' (")
    # The curve: nothing learned, one, two and all three images.
    rows = re.findall(r"^(\d+) +(\d+) +([\d.]+) +([\d.]+)", done.output, re.MULTILINE)
    assert [row[0] for row in rows] == ["0", "1", "2", "3"]
    assert float(rows[-1][2]) == pytest.approx(next(iter(card.figures.values()))["f1"], abs=5e-4)
    page = (tmp_path / "out" / "ours.md").read_text()
    assert "discs, drawn" in page
    assert read_weights(tmp_path / "out" / "ours.safetensors").sha256 in page


def test_learning_changes_the_weights_that_it_started_from(tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    assert run(tmp_path, "--steps", "2", "--no-curve").exit_code == 0
    ours, theirs = read_weights(tmp_path / "out" / "mine.safetensors"), weights_of("open")
    assert ours.tensors.keys() == theirs.tensors.keys()
    change = np.abs(ours.tensors["head.weight"] - theirs.tensors["head.weight"]).max()
    assert 0 < change < 0.1


def test_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    found = set()
    for name in ("a", "b"):
        write_images(tmp_path / name, 2)
        assert run(tmp_path / name, "--steps", "2", "--no-curve", "--from", "scratch").exit_code == 0
        found.add((tmp_path / name / "out" / "mine.safetensors").read_bytes())
    assert len(found) == 1


def test_points_are_outlined_by_the_weights_to_start_from(tmp_path: Path) -> None:
    write_images(tmp_path, 2, points=True)
    done = run(tmp_path, "--steps", "1", "--no-curve")
    assert done.exit_code == 0, done.output
    # There are no outlines to score F1, AJI and PQ against.
    assert "images  nuclei  detection F1   (on" in done.output
    figures = next(iter(read_card(tmp_path / "out" / "mine.safetensors").figures.values()))
    assert list(figures) == ["detection_f1"]
    with pytest.raises(RefusalError, match="only points are annotated: name a model that outlines them with --teacher"):
        run(tmp_path, "--steps", "1", "--from", "scratch")


def test_a_printers_resolution_is_none_of_a_microscope(tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    _tiff(tmp_path, 300, "INCH")
    done = run(tmp_path, "--steps", "1", "--no-test")
    assert done.exit_code == 0
    assert "with a card beside them" in done.output
    assert not list((tmp_path / "out").glob("*worst*"))


def test_the_resolution_of_the_weights_to_start_from_is_kept(tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    theirs = weights_of("open")
    save_weights(tmp_path / "fine.safetensors", replace(theirs.card, mpp=0.25), theirs.tensors)
    start = ("--from", str(tmp_path / "fine.safetensors"))
    assert run(tmp_path, "--steps", "1", "--no-test", *start).exit_code == 0
    assert read_card(tmp_path / "out" / "mine.safetensors").mpp == 0.25
    with pytest.raises(RefusalError, match=r"--teacher: is made for 0\.5 micrometers per pixel, the weights to train"):
        run(tmp_path, "--steps", "1", *start, "--teacher", "open")


def test_a_run_leaves_what_another_has_stopped_at(tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    other = tmp_path / "out" / ".work" / "another"
    other.mkdir(parents=True)
    run(tmp_path, "--steps", "1", "--no-test")
    assert list((tmp_path / "out" / ".work").iterdir()) == [other]


@pytest.mark.parametrize("points", [True, False])
def test_weights_stand_under_the_terms_of_who_outlined_their_points(points: bool, tmp_path: Path) -> None:
    write_images(tmp_path, 2, points=points)
    run(tmp_path, "--steps", "1", "--no-test", "--teacher", "research")
    licence = read_card(tmp_path / "out" / "mine.safetensors").licence
    assert licence.startswith("not stated; started from 'open' (")
    assert licence.endswith("; taught by 'research' (CC BY-NC-SA 4.0)") == points


def _misfit(folder: Path) -> None:
    cv2.imwrite(str(folder / "labels" / "a0.png"), np.ones((20, 30), np.uint16))


def _empty(folder: Path) -> None:
    cv2.imwrite(str(folder / "labels" / "a0.png"), np.zeros((160, 160), np.uint16))


def _alone(folder: Path) -> None:
    (folder / "images" / "a0.png").unlink()


def _other_mpp(folder: Path) -> None:
    _tiff(folder, 20000, "CENTIMETER")


def _tiff(folder: Path, resolution: int, unit: str) -> Path:
    """Make a TIFF of the first image, in tiles."""
    import tifffile

    source, path = folder / "images" / "a0.png", folder / "images" / "a0.tif"
    rgb = cv2.imread(str(source))[..., ::-1]
    source.unlink()
    tile = {"tile": (64, 64), "compression": "jpeg"} if unit == "NONE" else {}
    tifffile.imwrite(path, rgb, resolution=(resolution, resolution), resolutionunit=unit, **tile)  # type: ignore[arg-type]
    return path


def _damaged(folder: Path) -> None:
    import tifffile

    path = _tiff(folder, 1, "NONE")
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        start, length = page.dataoffsets[4], page.databytecounts[4]  # type: ignore[union-attr]
    with path.open("r+b") as stream:
        stream.seek(start)
        stream.write(bytes(length))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_misfit, r"a0\.png: is 30 x 20 pixels, its image 160 x 160: give labels of the image's own size"),
        (_empty, r"labels/a0\.png: has no nuclei: annotate some, or leave the image out"),
        (_damaged, r"a0\.tif: the file is damaged: its level of downsample 1 cannot be decoded at"),
        (_alone, "training needs at least two annotated images"),
        (_other_mpp, r"a0\.tif: states 0\.5 micrometers per pixel, not 0\.25: correct the mpp"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_in_words(spoil: object, sentence: str, tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    spoil(tmp_path)  # type: ignore[operator]
    with pytest.raises(RefusalError, match=sentence) as refusal:
        run(tmp_path, "--steps", "1")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_without_torch_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(RefusalError, match=r"needs torch, which is not installed: pip install 'pathopipe\[train\]'"):
        CliRunner().invoke(train, ["nuclei"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--name", "../x"), "use 1 to 60 letters, digits"),
        (("--name", "a b"), "--name a b: use 1 to 60 letters, digits, '_' and '-', no '-' at the start"),
        (("--name", "-x"), "no '-' at the start"),
        (("--licence", "CC0\nMIT"), "--license, --data: licence should be text of one line"),
        (("--data", "\x1b[2J"), r"--license, --data: data.0 should be text of one line, .*, got '\\x1b\[2J'"),
        (("--sheet", "s.tsv"), "give either --sheet, or --images"),
        (("--device", "gpu"), "--device gpu: there is no GPU that torch can use here"),
        (("--rate", "nan"), "--rate nan: expected a number above 0 and at most 1"),
        (("--rate", "0"), "--rate 0: expected a number above 0"),
        (("--out", "/dev/null/x"), "--out /dev/null/x: cannot be written to"),
        (("--from", "classical"), "has no weights to start from"),
        (("--from", "nope"), "there is no nucleus model 'nope'"),
    ],
)
def test_odd_arguments_are_refused_in_words(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pathopipe.models.engines.has_gpu", lambda: False)
    write_images(tmp_path, 2)
    with pytest.raises(RefusalError, match=sentence):
        run(tmp_path, *arguments)
