"""What the tests share: real data where it is there, and small synthetic slides."""

from pathlib import Path

import pytest

from pathopipe.synthetic import Scene, write_slide
from tests.browser import chromium  # noqa: F401 - a fixture

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real slides and annotated nuclei; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the real data (../shared/data) is not here")
    return SHARED


@pytest.fixture(scope="session")
def scene() -> Scene:
    """A small field of tissue: 1200 x 900 px at 0.5 mpp."""
    return Scene(1200, 900, mpp=0.5, seed=3, pleomorphism=2, tissue="field")


@pytest.fixture(scope="session")
def small_slide(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scene as a pyramidal TIFF."""
    path = tmp_path_factory.mktemp("slides") / "small.tiff"
    write_slide(scene, path, levels=2)
    return path
