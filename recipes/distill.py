"""Go on training a small network on targets that are half the labels' and half larger networks' (Hinton et al. 2015).

    python recipes/distill.py SHEETS TEACHER.safetensors OUT --start WEIGHTS --steps N --rate RATE
        [--zoom 1.7] [--close-up 1.0] [--organs 1.0] [--soft 0.5] [--seed 11]

TEACHER is that of recipes/teacher.py. On the fields of sheets/open.tsv its maps are averaged with those of `open` of
before, which is better there; on those of sheets/organs.tsv it stands alone. Points are outlined by the same maps.
With `open` in its place, `open` alone is the teacher, everywhere. --soft is the teachers' share of the targets.
--organs is how often the latter are drawn, relative to the sheet. Writes OUT/student.safetensors: of the weights at
several times those that score best on sheets/validation.tsv and on every fourteenth field of sheets/organs.tsv, which
are not learned from.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from teacher import CLASSES
from teacher_network import Teacher

from pathopipe.annotations import read_sheet
from pathopipe.models.architecture import UPSAMPLING
from pathopipe.models.engine import any_size, whole_strides
from pathopipe.models.engines import make_engine
from pathopipe.models.registry import weights_of
from pathopipe.models.types.architecture import STRIDE
from pathopipe.models.weights import save_weights
from pathopipe.ops.channels import DISTANCE, FOREGROUND
from pathopipe.training.augment import Augmentation, Field
from pathopipe.training.course import Course, Moment, train
from pathopipe.training.examples import Example, make_fields, read_examples
from pathopipe.training.loop import Schedule
from pathopipe.training.points import turned

# Of the fields of organs, which are for validation.
APART = slice(3, None, 14)
VALIDATIONS = 8

Maps = Callable[[np.ndarray], np.ndarray]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sheets", type=Path)
    parser.add_argument("teacher", help="weights of teacher.py, or 'open'")
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", required=True)
    for name, kind, default in (
        ("steps", int, None),
        ("rate", float, None),
        ("zoom", float, 1.7),
        ("close-up", float, 1.0),
        ("organs", float, 1.0),
        ("soft", float, 0.5),
        ("seed", int, 11),
    ):
        parser.add_argument(f"--{name}", type=kind, default=default, required=default is None)
    return parser.parse_args()


def teacher_maps(path: Path) -> Maps:
    """What the teacher sees in an image (H, W, 3) and in its mirror image: uint8 (2, 2 H, 2 W)."""
    network = Teacher(CLASSES).eval()
    network.load_state_dict(load_file(str(path)))
    network = network.to(memory_format=torch.channels_last)

    def once(rgb: np.ndarray) -> np.ndarray:
        whole = whole_strides(np.ascontiguousarray(rgb), STRIDE)
        image = torch.from_numpy(whole).permute(2, 0, 1)[None].float().div_(255)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            logits = network(image.contiguous(memory_format=torch.channels_last))[0][0].float()
        return torch.sigmoid(logits).numpy()[:, : UPSAMPLING * rgb.shape[0], : UPSAMPLING * rgb.shape[1]]

    return lambda rgb: np.rint((once(rgb) + once(rgb[:, ::-1])[:, :, ::-1]) * (255 / 2)).astype(np.uint8)


def open_maps() -> Maps:
    """What `open` sees in eight orientations, on average."""
    weights = weights_of("open")
    return turned(any_size(make_engine(weights, "cpu"), weights.card.architecture))


def with_open(teacher: Maps) -> Maps:
    """The mean of the teacher's maps and of those of `open`."""
    see = open_maps()
    return lambda rgb: np.rint((teacher(rgb).astype(np.float32) + see(rgb)) / 2).astype(np.uint8)


def teachers(name: str) -> tuple[Maps, Maps]:
    """Whose maps are learned on fields of cancer, and on those of organs."""
    if name == "open":
        return open_maps(), open_maps()
    teacher = teacher_maps(Path(name))
    return with_open(teacher), teacher


def softened(example: Example, see: Maps, share: float) -> Field:
    maps = see(example.working)
    (field,) = make_fields([example], lambda _: dict(zip((FOREGROUND, DISTANCE), maps, strict=True)))
    if not example.nuclei:
        return field
    height, width = field.targets.shape[:2]
    mixed = field.targets.copy()
    for channel, image in enumerate(maps):
        soft = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        mixed[..., channel] = np.rint((1 - share) * mixed[..., channel] + share * soft)
    return replace(field, targets=mixed)


def examples_of(sheets: Path) -> tuple[list[Example], list[Example]]:
    """What is learned from: fields of cancer, and of organs."""
    lines = read_sheet(sheets / "organs.tsv")
    apart = {line.image for line in lines[APART]}
    learned = [line for line in lines if line.image not in apart]
    return read_examples(read_sheet(sheets / "open.tsv"), 0.5), read_examples(learned, 0.5)


def fields_of(cancer: list[Example], organs: list[Example], given: argparse.Namespace) -> Iterator[Field]:
    for_cancer, for_organs = teachers(given.teacher)
    for example in cancer:
        yield softened(example, for_cancer, given.soft)
    for example in organs:
        field = softened(example, for_organs, given.soft)
        yield replace(field, share=field.share * given.organs)


def show(moment: Moment) -> None:
    if moment.step % 100 == 0:
        best = "" if moment.best is None else f", best AJI {moment.best:.3f}"
        print(f"step {moment.step}: loss {moment.loss:.3f}{best}", flush=True)


def main() -> None:
    given = arguments()
    start, sheets = weights_of(given.start), given.sheets
    cancer, organs = examples_of(sheets)
    apart = [*read_sheet(sheets / "validation.tsv"), *read_sheet(sheets / "organs.tsv")[APART]]
    course = Course(
        architecture=start.card.architecture,
        schedule=Schedule(steps=given.steps, rate=given.rate),
        mpp=start.card.mpp,
        rule=start.card.rule,
        fields=list(fields_of(cancer, organs, given)),
        validation=read_examples(apart, 0.5),
        start=dict(start.tensors),
        augmentation=Augmentation(zoom=given.zoom, close_up=given.close_up),
        seed=given.seed,
        interval=max(500, given.steps // VALIDATIONS),
        patience=2 * VALIDATIONS,
    )
    tensors = train(course, given.out / "work", show)
    counts = {"images": len(cancer) + len(organs), "nuclei": sum(example.nuclei for example in (*cancer, *organs))}
    card = replace(start.card, name="student", training=dict(start.card.training) | counts)
    save_weights(given.out / "student.safetensors", card, tensors)


if __name__ == "__main__":
    main()
