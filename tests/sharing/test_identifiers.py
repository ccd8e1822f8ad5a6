"""Every name that `init` could make an id of is searched for."""

from pathlib import Path

import pytest

from pathopipe.intake.names import make_ids
from pathopipe.samples import Sample
from pathopipe.sharing.identifiers import FOLDER, identifiers
from pathopipe.sharing.words import words


@pytest.mark.parametrize("name", ["Smithson.OME.TIFF", "Smithson.ome.tif", "Smithson.svs", "Smithson.b.svs"])
def test_the_id_that_is_made_of_a_file_is_among_the_names(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    (slide,) = make_ids([file], tmp_path)
    sample = Sample(slide="slide_0001", path=file)
    assert words(slide) in identifiers(tmp_path, tmp_path / "slides.tsv", [sample], keep_ids=False).names


def test_the_folder_of_a_slide_is_among_the_names(tmp_path: Path) -> None:
    sample = Sample(slide="slide_0001", path=tmp_path / "Smithson" / "a.svs")
    names = identifiers(tmp_path, tmp_path / "slides.tsv", [sample], keep_ids=False).names
    assert names[words("Smithson")] == FOLDER
