"""Train the network that tells types further from the teacher, and fit what stands on top of it.

    python recipes/nucleus_types.py SHEETS TEACHER.safetensors OUT [STEPS]

Types are known of points in breast (BRCA-M2C). So that the network does not take every small round nucleus of another
organ for a lymphocyte, fields of organs say what their nuclei may be: those of a liver are epithelial or stromal.
Organs in `KEPT_APART` are not learned from, and show whether this carries over. Prints F1 at the annotated points of
patients kept apart, and what nuclei of the organs kept apart are taken for. Writes OUT/types.safetensors, which
recipes/ship_types.py puts into the package.
"""

import copy
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from sheets import organ
from teacher import CLASSES, advance, drawn, for_choosing, optimizer_of, remember
from teacher_network import Teacher, description
from typed_fields import Typed, of_organ, of_points, type_loss

from pathopipe.annotations import read_sheet
from pathopipe.models.registry import weights_of
from pathopipe.models.types.architecture import DESCRIBED, TypeArchitecture
from pathopipe.models.types.card import TypeCard
from pathopipe.models.types.graph import compile_description
from pathopipe.models.types.model import TypeModel
from pathopipe.models.weights import save_weights
from pathopipe.ops.nucleus_types import TYPES, type_named
from pathopipe.training.examples import Example, read_examples
from pathopipe.training.loop import Schedule, _pace
from pathopipe.training.session import _teacher
from pathopipe.training.type_rule import choose_temperature, f1_by_type
from pathopipe.training.type_session import centroids, known_of

MAY_BE = {
    "brain": ("stromal", "other"),
    "muscle": ("stromal", "other"),
    "subscapula": ("stromal", "other"),
    "umbilical_cord": ("stromal",),
    "spleen": ("inflammatory", "stromal"),
    "thymus": ("inflammatory",),
    "liver": ("epithelial", "stromal"),
    "kidney": ("epithelial", "stromal"),
    "pancreas": ("epithelial", "stromal"),
    "salivory": ("epithelial", "stromal"),
    "placenta": ("epithelial", "stromal"),
}
KEPT_APART = ("salivory", "thymus", "brain")
CLASS_WEIGHTS = (1.0, 1.3, 1.2, 1.0)
POINTS_SHARE = 0.65
ENCODER_RATE, RATE, DECAY, MEMORY, ENOUGH = 3e-4, 1e-3, 2e-2, 200, 100


def fields_of(points: list[Example], organs: list[Example]) -> list[Typed]:
    """Points get `POINTS_SHARE` of the crops; every organ gets as many as any other."""
    outline = _teacher(weights_of("open"))
    learned = [example for example in points if not for_choosing(example.group)]
    each = POINTS_SHARE / len(learned)
    fields = [of_points(example, outline, each, typed=True) for example in learned]
    by_organ: dict[str, list[Example]] = {}
    for example in organs:
        if organ(example.group) not in KEPT_APART:
            by_organ.setdefault(organ(example.group), []).append(example)
    for name, examples in by_organ.items():
        share = (1 - POINTS_SHARE) / len(by_organ) / len(examples)
        fields += [of_organ(example, MAY_BE[name], share) for example in examples]
    return fields


def begin(teacher: Path) -> Teacher:
    """The teacher with a fourth type, which nothing that it learned from was of."""
    known = load_file(str(teacher))
    network = Teacher(len(TYPES))
    weight = torch.zeros(len(TYPES), DESCRIBED, 1, 1)
    weight[:CLASSES] = known["rule.weight"]
    bias = torch.cat([known["rule.bias"], known["rule.bias"].mean()[None] - 2])
    network.load_state_dict(known | {"rule.weight": weight, "rule.bias": bias})
    return network.to(memory_format=torch.channels_last)


def train(network: Teacher, fields: list[Typed], steps: int) -> Teacher:
    average, optimizer = copy.deepcopy(network).eval(), optimizer_of(network, ENCODER_RATE, RATE, DECAY)
    schedule, weights = Schedule(steps=steps), np.array([one.share for one in fields])
    class_weights = torch.tensor(CLASS_WEIGHTS)
    network.train()
    for step, (image, _, bits) in enumerate(drawn(fields, weights / weights.sum(), steps, 5)):
        with torch.autocast("cpu", torch.bfloat16):
            types = network.types(image)
        loss = type_loss(types, bits, class_weights, ENOUGH)
        advance(network, optimizer, loss, _pace(step, schedule))
        remember(average, network, step, MEMORY)
        if step % 100 == 99:
            print(f"step {step + 1} of {steps}: loss {loss.item():.3f}", flush=True)
    return average


def model_of(network: Teacher) -> TypeModel:
    """The model with a rule of temperature 1 that takes all for known."""
    tensors = description(network) | {
        "known.mean": np.zeros(DESCRIBED, np.float32),
        "known.whiten": np.eye(DESCRIBED, dtype=np.float32),
    }
    card = TypeCard("breast", "CC BY 4.0", TypeArchitecture(TYPES))
    return TypeModel(card, "", tensors, compile_description(tensors, "auto", 1))


def at_points(model: TypeModel, examples: list[Example]) -> tuple[np.ndarray, np.ndarray]:
    """Descriptions and types of all annotated points."""
    places = [example.points / (example.grid.factor_x, example.grid.factor_y) for example in examples]
    described = [model.describe_at(one.working, place) for one, place in zip(examples, places, strict=True)]
    types = [TYPES.index(type_named(name)) for example in examples for name in example.types]
    return np.concatenate(described), np.array(types)


def in_organs(model: TypeModel, examples: list[Example]) -> dict[str, np.ndarray]:
    """Descriptions of all labeled nuclei by organ."""
    found: dict[str, list[np.ndarray]] = {}
    for example in examples:
        places = centroids(example.labels, int(example.labels.max()))
        places = places[np.isfinite(places).all(axis=1)] / (example.grid.factor_x, example.grid.factor_y)
        found.setdefault(organ(example.group), []).append(model.describe_at(example.working, places))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def values(model: TypeModel, described: np.ndarray) -> np.ndarray:
    return described.astype(np.float64) @ model.tensors["rule.weight"].T + model.tensors["rule.bias"]


def main() -> None:
    sheets, teacher, out = map(Path, sys.argv[1:4])
    steps = int(sys.argv[4]) if len(sys.argv) > 4 else 2500
    out.mkdir(parents=True, exist_ok=True)
    points = [one for one in read_examples(read_sheet(sheets / "open.tsv"), 0.5) if one.points is not None]
    tested = read_examples(read_sheet(sheets / "points_test.tsv"), 0.5)
    lines = [*read_sheet(sheets / "organs.tsv"), *read_sheet(sheets / "organs_test.tsv")]
    organs = [one for one in read_examples(lines, 0.5) if organ(one.group) in MAY_BE]
    torch.manual_seed(7)
    model = model_of(train(begin(teacher), fields_of(points, organs), steps))
    chosen = at_points(model, [example for example in points if for_choosing(example.group)])
    temperature = choose_temperature(values(model, chosen[0]), chosen[1])
    for name, (described, types) in (("choosing", chosen), ("test", at_points(model, tested))):
        print(f"{name}: F1 at points {np.round(f1_by_type(values(model, described), types), 3)}")
    by_organ = in_organs(model, organs)
    for name, described in by_organ.items():
        said = np.bincount(values(model, described).argmax(axis=1), minlength=len(TYPES)) / len(described)
        apart = "kept apart" if name in KEPT_APART else "learned"
        print(f"{name} ({apart}): " + ", ".join(f"{kind} {share:.2f}" for kind, share in zip(TYPES, said, strict=True)))
    learned = at_points(model, [example for example in points if not for_choosing(example.group)])[0]
    seen = [learned, *(part for name, part in by_organ.items() if name not in KEPT_APART)]
    known = known_of(np.concatenate(seen).astype(np.float64))
    tensors = dict(model.tensors) | {"known.mean": known.mean, "known.whiten": known.whiten}
    card = TypeCard("breast", "CC BY 4.0", TypeArchitecture(TYPES), round(temperature, 4), round(known.limit, 4))
    save_weights(out / "types.safetensors", card, tensors)


if __name__ == "__main__":
    main()
