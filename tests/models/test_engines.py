"""The engines compute one function, and what they say depends on nothing but image and weights."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pathopipe.errors import RefusalError
from pathopipe.models.architecture import Architecture
from pathopipe.models.base import Part
from pathopipe.models.engine import any_size, whole_strides
from pathopipe.models.engines import has_gpu, make_engine
from pathopipe.models.network_model import NetworkModel
from pathopipe.models.torch_engine import compile_network
from pathopipe.models.weights import Weights
from tests.models.weights_files import SMALL, write


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return write(tmp_path_factory.mktemp("weights") / "w.safetensors")


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [rng.integers(0, 256, (side, side + 16, 3), dtype=np.uint8) for side in (64, 96, 128, 96, 64, 160)]


def test_the_graph_computes_what_torch_computes(weights: Weights, images: list[np.ndarray]) -> None:
    graph, reference = make_engine(weights, "cpu", "float32"), compile_network(weights, "cpu", "float32")
    for image in images:
        ours, theirs = graph(image).astype(int), reference(image).astype(int)
        assert ours.shape == (2, 2 * image.shape[0], 2 * image.shape[1])
        assert np.ptp(theirs) > 50
        assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("architecture", [SMALL, Architecture((4, 6, 8, 10), (1, 0, 1, 1), (1, 2, 0))])
@pytest.mark.parametrize("part", [(48, 40, 112, 104), (0, 40, 50, 104), (61, 53, 130, 160), (77, 0, 78, 1)])
def test_a_part_is_what_the_whole_image_gives_there(architecture: Architecture, part: Part, tmp_path: Path) -> None:
    """Bytes may differ by rounding alone: what lies beyond the part is looked at as far as it counts."""
    weights = write(tmp_path / "w.safetensors", architecture=architecture)
    image = np.random.default_rng(3).integers(0, 256, (130, 160, 3), dtype=np.uint8)
    top, left, bottom, right = (2 * value for value in part)
    for engine in (make_engine(weights, "cpu", "float32"), compile_network(weights, "cpu", "float32")):
        see = any_size(engine, architecture)
        found, whole = see(image, part), see(image)
        assert found.shape == (2, bottom - top, right - left)
        assert np.abs(found.astype(int) - whole[:, top:bottom, left:right]).max() <= 1


def test_the_seeds_of_a_part_are_those_of_the_whole_image(weights: Weights) -> None:
    model = NetworkModel(weights.card, "", make_engine(weights, "cpu", "float32"))
    image = np.random.default_rng(4).integers(0, 256, (320, 352, 3), dtype=np.uint8)
    part = (96, 120, 200, 240)
    found, whole = model.predict(image, part), model.predict(image)
    rows, columns = whole.seeds.T
    inside = (rows >= 192) & (rows < 400) & (columns >= 240) & (columns < 480)
    assert 0 < inside.sum() < len(rows)
    np.testing.assert_array_equal(found.seeds + np.array([192, 240]), whole.seeds[inside])
    np.testing.assert_allclose(found.scores, whole.scores[inside], atol=1e-5)
    assert {name: one.shape for name, one in found.maps.items()} == dict.fromkeys(("foreground", "barrier"), (208, 240))


def test_half_precision_is_close(weights: Weights, images: list[np.ndarray]) -> None:
    for half in (make_engine(weights, "cpu", "bfloat16"), compile_network(weights, "cpu", "bfloat16")):
        for image in images[:2]:
            exact = make_engine(weights, "cpu", "float32")(image).astype(int)
            assert np.abs(half(image) - exact).mean() < 2


def test_no_byte_depends_on_threads_or_on_what_was_seen_before(weights: Weights, images: list[np.ndarray]) -> None:
    alone = make_engine(weights, "cpu", workers=1)
    expected = [alone(image) for image in images]
    together = make_engine(weights, "cpu", workers=3)
    with ThreadPoolExecutor(3) as pool:
        for found, wanted in zip(pool.map(together, images * 4), expected * 4, strict=True):
            np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(alone(images[0]), expected[0])


def test_the_image_is_continued_to_whole_strides() -> None:
    image = np.arange(3 * 9 * 16, dtype=np.uint8).reshape(9, 16, 3)
    padded = whole_strides(image, SMALL.stride)
    assert padded.shape == (16, 16, 3)
    np.testing.assert_array_equal(padded[:9], image)
    np.testing.assert_array_equal(padded[9:], np.broadcast_to(image[8], (7, 16, 3)))


@pytest.mark.parametrize("before", ["", "import openvino_telemetry.backend"])
def test_openvino_takes_its_stub_for_what_sends(tmp_path: Path, before: str) -> None:
    """Nor does it load torch; `tests/workflow/test_network.py` watches whole runs."""
    write(tmp_path / "w.safetensors")
    program = f"""
{before}
import sys
import numpy as np
from pathlib import Path
from pathopipe.models.engines import make_engine
from pathopipe.models.weights import read_weights
maps = make_engine(read_weights(Path({str(tmp_path / "w.safetensors")!r})), "cpu")(np.zeros((32, 32, 3), np.uint8))
asked = [module for name, module in sys.modules.items() if name.startswith("openvino.") and hasattr(module, "tm")]
print(maps.shape, "torch" in sys.modules, *{{module.tm.__name__ for module in asked}})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(2, 64, 64) False openvino.tools.ovc.telemetry_stub", done.stdout + done.stderr


@pytest.mark.skipif(has_gpu(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_refused(weights: Weights) -> None:
    with pytest.raises(RefusalError, match=r"detect\.device: there is no GPU that torch can use here"):
        make_engine(weights, "gpu")
