"""Train the small network on targets that are half the labels' and half the teacher's (Hinton et al. 2015).

    python recipes/distill.py SHEETS TEACHER.safetensors START OUT [STEPS [RATE]]

START is a name or file of weights to begin with. Points are outlined by the teacher alone. Writes
OUT/student.safetensors, the weights that score best on sheets/validation.tsv and a sixth of sheets/organs_test.tsv.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from teacher import CLASSES
from teacher_network import Teacher

from pathopipe.annotations import read_sheet
from pathopipe.models.registry import weights_of
from pathopipe.models.types.architecture import STRIDE
from pathopipe.models.weights import save_weights
from pathopipe.training.augment import Augmentation, Field
from pathopipe.training.course import Course, Moment, train
from pathopipe.training.examples import Example, make_fields, read_examples
from pathopipe.training.loop import Schedule

# Of the targets, how much is the teacher's.
SOFT = 0.5
ZOOM = 1.7
# Quarter turns, and whether mirrored: the orientations that the teacher's maps are averaged over.
LOOKS = ((0, False), (1, True), (2, False), (3, True))

Maps = Callable[[np.ndarray], np.ndarray]


def maps_of(network: Teacher) -> Maps:
    """What the teacher sees in an image (H, W, 3): uint8 (2, 2 H, 2 W), averaged over orientations."""

    def once(rgb: np.ndarray) -> np.ndarray:
        height, width = rgb.shape[:2]
        whole = cv2.copyMakeBorder(rgb, 0, -height % STRIDE, 0, -width % STRIDE, cv2.BORDER_REPLICATE)
        image = torch.from_numpy(whole).permute(2, 0, 1)[None].float().div_(255)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            logits = network(image.contiguous(memory_format=torch.channels_last))[0][0].float()
        return torch.sigmoid(logits).numpy()[:, : 2 * height, : 2 * width]

    def run(rgb: np.ndarray) -> np.ndarray:
        total = 0
        for quarter, mirrored in LOOKS:
            turned = np.rot90(rgb, quarter)
            seen = once(np.ascontiguousarray(turned[:, ::-1] if mirrored else turned))
            total = total + np.rot90(seen[:, :, ::-1] if mirrored else seen, -quarter, axes=(1, 2))
        return np.rint(total * (255 / len(LOOKS))).astype(np.uint8)

    return run


def softened(example: Example, see: Maps) -> Field:
    maps = see(example.working)
    (field,) = make_fields([example], lambda _: dict(zip(("foreground", "distance"), maps, strict=True)))
    if not example.nuclei:
        return field
    height, width = field.targets.shape[:2]
    mixed = field.targets.copy()
    for channel, image in enumerate(maps):
        soft = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        mixed[..., channel] = np.rint((1 - SOFT) * mixed[..., channel] + SOFT * soft)
    return replace(field, targets=mixed)


def show(moment: Moment) -> None:
    if moment.step % 100 == 0:
        best = "" if moment.best is None else f", best AJI {moment.best:.3f}"
        print(f"step {moment.step}: loss {moment.loss:.3f}{best}", flush=True)


def main() -> None:
    sheets, teacher, (begin, out) = Path(sys.argv[1]), Path(sys.argv[2]), (sys.argv[3], Path(sys.argv[4]))
    steps = int(sys.argv[5]) if len(sys.argv) > 5 else 6000
    rate = float(sys.argv[6]) if len(sys.argv) > 6 else 1.5e-3
    network = Teacher(CLASSES).eval()
    network.load_state_dict(load_file(str(teacher)))
    see, start = maps_of(network.to(memory_format=torch.channels_last)), weights_of(begin)
    examples = [one for name in ("open", "organs") for one in read_examples(read_sheet(sheets / f"{name}.tsv"), 0.5)]
    known = [one for name in ("validation", "organs_test") for one in read_sheet(sheets / f"{name}.tsv")]
    fields = [softened(example, see) for example in examples]
    course = Course(
        architecture=start.card.architecture,
        schedule=Schedule(steps=steps, rate=rate),
        mpp=start.card.mpp,
        rule=start.card.rule,
        fields=fields,
        validation=read_examples([*known[:34], *known[34::6]], 0.5),
        start=dict(start.tensors),
        augmentation=Augmentation(zoom=ZOOM),
        seed=11,
        interval=max(500, steps // 6),
        patience=99,
    )
    tensors = train(course, out / "work", show)
    save_weights(out / "student.safetensors", replace(start.card, name="student"), tensors)


if __name__ == "__main__":
    main()
