"""Models by name and by path."""

import re
from pathlib import Path

import pytest

from pathopipe.errors import RefusalError
from pathopipe.models.registry import SHIPPED, adopt, create, find, weights_of
from pathopipe.ops.stain import Stains
from pathopipe.pipeline import TilesSettings
from tests.models.weights_files import SMALL, write


def test_the_classical_model_needs_no_weights() -> None:
    model = create("classical", Stains())
    assert (model.name, model.sha256, model.traits) == ("classical", None, find("classical"))
    assert adopt("classical", Path("nowhere")) == "classical"


def test_a_name_longer_than_any_files_is_no_model() -> None:
    with pytest.raises(RefusalError, match="no nucleus model 'xxx"):
        find("x" * 300)


@pytest.mark.parametrize("ask", [lambda: create("hovernet", Stains()), lambda: find("hovernet")])
def test_an_unknown_name_is_refused_with_the_known_ones(ask: object) -> None:
    with pytest.raises(RefusalError, match="no nucleus model 'hovernet': choose one of classical, open"):
        ask()  # type: ignore[operator]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_those_that_the_registry_names(name: str) -> None:
    weights = weights_of(name)
    assert weights.sha256 == SHIPPED[name]
    assert weights.card.name == name
    assert weights.card.data
    assert weights.card.figures
    assert find(name) == weights.card.traits
    assert find(name).radius <= TilesSettings().halo


def test_the_default_weights_may_be_used_for_anything() -> None:
    assert "NC" not in find("open").licence


def test_shipped_weights_are_small() -> None:
    folder = Path(__file__).parents[2] / "src" / "pathopipe" / "models" / "shipped"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 20e6


def test_weights_by_path_are_kept_with_the_results(tmp_path: Path) -> None:
    path, folder = tmp_path / "my weights.safetensors", tmp_path / "kept"
    weights = write(path, name="mine")
    name = adopt(str(path), folder)
    assert name == f"mine@{weights.sha256[:16]}"
    path.unlink()
    assert adopt(name, folder) == name
    model = create(name, Stains(), folder)
    assert (model.name, model.sha256) == ("mine", weights.sha256)
    assert find(name, folder).radius == model.traits.radius > SMALL.radius
    assert [file.name for file in folder.iterdir()] == [f"{weights.sha256[:16]}.safetensors"]


def test_weights_that_are_kept_nowhere_are_asked_for(tmp_path: Path) -> None:
    for ask in (find, lambda *where: create(where[0], Stains(), where[1])):
        with pytest.raises(RefusalError, match="'mine@0123456789abcdef' are not in the results folder: give the path"):
            ask("mine@0123456789abcdef", tmp_path)


def test_other_weights_have_another_name(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    names = set()
    for seed in (0, 1, 0):
        write(path, seed=seed)
        names.add(adopt(str(path), tmp_path / "kept"))
    assert len(names) == 2


def test_kept_weights_that_were_changed_are_refused(tmp_path: Path) -> None:
    path, folder = tmp_path / "w.safetensors", tmp_path / "kept"
    weights = write(path)
    name = adopt(str(path), folder)
    write(folder / f"{name.split('@')[1]}.safetensors", seed=1)
    with pytest.raises(RefusalError, match=re.escape(f"holds weights other than those of '{name}'")):
        create(name, Stains(), folder)
    assert adopt(str(path), folder) == name
    assert create(name, Stains(), folder).sha256 == weights.sha256
