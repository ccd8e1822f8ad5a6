"""Models of types: the network against torch, its reach, the rule on top, and files that are none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from pathopipe.errors import RefusalError
from pathopipe.models import registry as nuclei
from pathopipe.models.types import registry
from pathopipe.models.types.architecture import BLOCKS, DESCRIBED, RADIUS, STRIDE, STRIDE_OUT, TAPS, WIDTHS
from pathopipe.models.types.card import TypeCard
from pathopipe.models.types.graph import compile_description
from pathopipe.models.types.model import TypeModel, interpolated
from pathopipe.models.weights import Tensors, save_weights
from pathopipe.ops.nucleus_types import TYPES, type_named
from tests.models import type_files, weights_files


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def by_torch(tensors: Tensors, rgb: np.ndarray) -> np.ndarray:
    """The same network, written a second time."""
    weights = {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}

    def convolved(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        kernel = weights[f"{name}.weight"]
        size = kernel.shape[2]
        groups = x.shape[1] if kernel.shape[1] == 1 else 1
        before = (size - stride) // 2
        after = size - stride - before
        padded = functional.pad(x, (before, after, before, after))
        return functional.conv2d(padded, kernel, weights[f"{name}.bias"], stride, groups=groups)

    x = (torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255 - 0.498) / 0.502
    x = functional.relu6(convolved(x, "stem", 2))
    seen = {}
    for block in BLOCKS:
        y = functional.relu6(convolved(x, f"{block.name}.expand")) if block.times > 1 else x
        y = functional.relu6(convolved(y, f"{block.name}.depth", block.stride))
        y = convolved(y, f"{block.name}.project")
        x = x + y if block.is_residual else y
        seen |= {level: x for level, tap in TAPS.items() if tap is block}
    above = None
    for level in sorted(WIDTHS, reverse=True):
        y = convolved(seen[level], f"skip.{level}")
        if above is not None:
            y = y + functional.interpolate(convolved(above, f"lateral.{level}"), scale_factor=2.0, mode="nearest")
        inner = functional.relu(convolved(y, f"up.{level}.first"))
        above = functional.relu(y + convolved(inner, f"up.{level}.second"))
    return functional.relu(convolved(above, "describe"))[0].numpy()


def test_the_graph_computes_what_torch_does() -> None:
    tensors, rgb = type_files.tensors(), noise(96, 160)
    ours, theirs = compile_description(tensors, "float32", 1)(rgb), by_torch(tensors, rgb)
    assert ours.shape == theirs.shape == (DESCRIBED, 96 // STRIDE_OUT, 160 // STRIDE_OUT)
    assert theirs.std() > 0.1
    np.testing.assert_allclose(ours, theirs, atol=2e-5 * np.abs(theirs).max())


def test_a_description_depends_on_nothing_beyond_the_radius() -> None:
    """As far as blocks of a slide are concerned, which begin at whole strides."""
    describe, rgb = compile_description(type_files.tensors(), "float32", 1), noise(512, 512)
    whole = describe(rgb)
    margin = -(-RADIUS // STRIDE) * STRIDE
    part = describe(np.ascontiguousarray(rgb[512 - 32 - 2 * margin :, 512 - 32 - 2 * margin :]))
    inner = np.s_[:, margin // STRIDE_OUT : (margin + 32) // STRIDE_OUT, margin // STRIDE_OUT : (margin + 32) // 4]
    start = (512 - 32 - margin) // STRIDE_OUT
    np.testing.assert_allclose(part[inner], whole[:, start : start + 8, start : start + 8], atol=1e-4)
    changed = rgb.copy()
    changed[256 - STRIDE : 256 + STRIDE, 256 - STRIDE : 256 + STRIDE] = 255
    rows = np.flatnonzero(np.abs(describe(changed) - whole).max(axis=(0, 2)) > 0)
    assert 60 < 256 - STRIDE - rows[0] * STRIDE_OUT < RADIUS
    assert (rows[-1] + 1) * STRIDE_OUT - (256 + STRIDE) < RADIUS


def test_values_between_places_are_interpolated() -> None:
    y, x = np.mgrid[:6, :9]
    maps = np.stack([x + 0.5, 2 * y + 1]).astype(np.float32)
    points = np.array([(3.2, 2.9), (0.5, 0.5), (8.5, 5.5), (4.0, 3.0)])
    np.testing.assert_allclose(interpolated(maps, points), points * (1, 2), rtol=1e-6)
    np.testing.assert_allclose(interpolated(maps, np.array([(0.1, 0.1), (8.9, 5.9)])), [(0.5, 1), (8.5, 11)])


def test_an_image_of_any_size_is_described_at_its_points(tmp_path: Path) -> None:
    type_files.write(tmp_path / "t.safetensors")
    model = registry.create(str(tmp_path / "t.safetensors"), precision="float32")
    assert model is not None
    rgb = noise(75, 101)
    described = model.describe_at(rgb, np.array([(100.5, 74.5), (2.0, 2.0)]))
    assert described.shape == (2, DESCRIBED)
    np.testing.assert_allclose(described[1], model.describe(noise_padded(rgb))[:, 0, 0], rtol=1e-5)


def noise_padded(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    return np.pad(rgb, ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0)), mode="edge")


def model_of(**changes: float) -> TypeModel:
    tensors = dict(type_files.tensors())
    tensors["rule.weight"] = np.eye(3, DESCRIBED, dtype=np.float32)
    tensors["rule.bias"] = np.zeros(3, np.float32)
    tensors["known.mean"] = np.zeros(DESCRIBED, np.float32)
    tensors["known.whiten"] = np.eye(DESCRIBED, dtype=np.float32)
    return TypeModel(type_files.card(**changes), "", tensors, lambda rgb: np.empty(0, np.float32))


def test_the_rule_gives_probabilities_that_the_temperature_tempers() -> None:
    described = np.zeros((1, DESCRIBED), np.float32)
    described[0, :3] = (1, 2, 3)
    expected = np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum()
    np.testing.assert_allclose(model_of().probabilities(described)[0], expected, rtol=1e-6)
    tempered = np.exp([0.5, 1, 1.5]) / np.exp([0.5, 1, 1.5]).sum()
    np.testing.assert_allclose(model_of(temperature=2.0).probabilities(described)[0], tempered, rtol=1e-6)
    described[0, :3] = (0, 1e4, 0)
    assert model_of().probabilities(described)[0].tolist() == [0, 1, 0]


def test_what_lies_far_from_all_that_was_learned_is_not_known() -> None:
    described = np.ones((2, DESCRIBED), np.float32)
    described[1] *= 3
    assert model_of(limit=4.0).is_known(described).tolist() == [True, False]


@pytest.mark.parametrize("name", registry.SHIPPED)
def test_shipped_weights_are_those_that_the_registry_names(name: str) -> None:
    weights = registry.weights_of(name)
    assert weights.sha256 == registry.SHIPPED[name]
    assert weights.card.name == name
    assert weights.card.data
    assert weights.card.figures
    assert "NC" not in weights.card.licence
    assert registry.find(name) == weights.card


def test_the_model_none_is_no_model() -> None:
    assert registry.create("none") is registry.find("none") is None
    assert registry.adopt("none", Path("nowhere")) == "none"


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        RefusalError,
        match=r"types\.model: there is no model of types 'lung': choose one of none, breast, or give the path",
    ):
        registry.find("lung")


def test_weights_by_path_are_kept_with_the_results(tmp_path: Path) -> None:
    weights = type_files.write(tmp_path / "w.safetensors", name="mine")
    name = registry.adopt(str(tmp_path / "w.safetensors"), tmp_path / "kept")
    assert name == f"mine@{weights.sha256[:16]}"
    assert registry.weights_of(name, tmp_path / "kept").sha256 == weights.sha256


def test_weights_of_the_other_kind_are_refused_in_words(tmp_path: Path) -> None:
    of_types, of_nuclei = tmp_path / "types.safetensors", tmp_path / "nuclei.safetensors"
    type_files.write(of_types)
    weights_files.write(of_nuclei)
    with pytest.raises(RefusalError, match="holds weights for 'types': give weights that 'pathopipe train nuclei' wr"):
        nuclei.find(str(of_types))
    with pytest.raises(RefusalError, match="holds weights for 'nuclei': give weights that 'pathopipe train types' wr"):
        registry.find(str(of_nuclei))


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (
            ("stromal", "epithelial"),
            "should have classes among epithelial, inflammatory, stromal, other, in this order",
        ),
        (("epithelial", "mitosis"), "should have classes among"),
        (("epithelial",), "at least 2 items"),
    ],
)
def test_a_card_of_other_classes_is_refused(tmp_path: Path, classes: tuple[str, ...], words: str) -> None:
    path = tmp_path / "w.safetensors"
    type_files.write(path)
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    known = '[\\"epithelial\\", \\"inflammatory\\", \\"stromal\\"]'
    listed = ", ".join(f'\\"{name}\\"' for name in classes)
    header = content[8 : 8 + size].decode().rstrip()
    assert known in header
    changed = header.replace(known, f"[{listed}]").encode()
    path.write_bytes(len(changed).to_bytes(8, "little") + changed + content[8 + size :])
    with pytest.raises(RefusalError, match=words):
        registry.find(str(path))


def test_weights_without_a_tensor_that_the_card_asks_for_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    made = {name: tensor for name, tensor in type_files.tensors().items() if name != "rule.bias"}
    save_weights(path, type_files.card(), made)
    with pytest.raises(RefusalError, match=r"do not fit their card, the first that differs is 'rule\.bias'"):
        registry.find(str(path))


def test_names_in_annotations_stand_for_types() -> None:
    assert [type_named(name) for name in ("Tumor", "tumour", " Lymphocyte ", "immune_cells", "Stroma", "Other")] == [
        "epithelial",
        "epithelial",
        "inflammatory",
        "inflammatory",
        "stromal",
        "other",
    ]
    assert type_named("mitosis") is type_named("") is None
    assert all(type_named(name) == name for name in TYPES)


def test_a_kind_is_noted_in_the_file_alone(tmp_path: Path) -> None:
    weights = type_files.write(tmp_path / "w.safetensors")
    assert weights.card == type_files.card()
    assert TypeCard.KIND == "types"
