"""The optimization: batches of random crops, AdamW with a one-cycle rate, and averaged weights.

Everything random comes from the seed and the number of the step, so a run that was stopped goes on as if it had not
been.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pathopipe.models.architecture import Architecture
from pathopipe.models.network import NucleusNet, load_tensors
from pathopipe.training.augment import Augmentation, Field, crop


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes
    ----------
    steps, batch, size
        Batches, crops in each, and side of a crop in working pixels.
    rate, decay
        Largest learning rate of AdamW (Loshchilov and Hutter 2019) and its weight decay.
    warmup
        Share of the steps in which the rate rises; then it falls as a cosine.
    memory
        Steps that the exponential average of the weights looks back.
    """

    steps: int = 2000
    batch: int = 8
    size: int = 192
    rate: float = 2e-3
    decay: float = 1e-2
    warmup: float = 0.05
    memory: int = 200


class Trainer:
    """A network in training, with its optimizer and its averaged twin."""

    def __init__(
        self, architecture: Architecture, schedule: Schedule, device: str = "cpu", seed: int = 0, half: bool = True
    ) -> None:
        torch.manual_seed(seed)
        self.schedule, self.seed, self.device, self.half = schedule, seed, device, half
        self.network = NucleusNet(architecture).to(device).to(memory_format=torch.channels_last)
        self.average = NucleusNet(architecture).to(device).to(memory_format=torch.channels_last).eval()
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(self.network.parameters(), schedule.rate, weight_decay=schedule.decay)
        self.step = 0

    def load(self, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        """Start from these weights."""
        load_tensors(self.network, tensors)
        load_tensors(self.average, tensors)

    def run(self, fields: list[Field], mpp: float, how: Augmentation, until: int) -> Iterator[float]:
        """Take steps until number ``until``; yields the loss of each."""
        self.network.train()
        for images, wanted in self._batches(fields, mpp, how, until):
            yield self._advance(images, wanted)
            self.step += 1

    def _batches(self, fields: list[Field], mpp: float, how: Augmentation, until: int) -> Iterator[tuple[Any, Any]]:
        make: Callable[[int], Any] = lambda step: batch(fields, self.schedule, mpp, how, [self.seed, step])  # noqa: E731
        with ThreadPoolExecutor(1) as pool:
            waiting = [pool.submit(make, self.step)]
            for step in range(self.step, until):
                waiting.append(pool.submit(make, step + 1))
                yield waiting.pop(0).result()

    def _advance(self, images: NDArray[np.uint8], wanted: NDArray[np.float32]) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate * _pace(self.step, self.schedule)
        x = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float().div_(255)
        y = torch.from_numpy(wanted).to(self.device).permute(0, 3, 1, 2)
        kind = self.device.split(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=self.half):
            logits = self.network(x.contiguous(memory_format=torch.channels_last))
        loss = _loss(logits.float(), y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimizer.step()
        self._remember()
        return float(loss.detach())

    def _remember(self) -> None:
        """Move the averaged weights towards the present ones, faster in the beginning."""
        share = max(1 / self.schedule.memory, 1 / (self.step + 1))
        with torch.no_grad():
            twin = self.average.state_dict()
            for name, value in self.network.state_dict().items():
                if value.dtype.is_floating_point:
                    twin[name].lerp_(value, share)


def batch(
    fields: list[Field], schedule: Schedule, mpp: float, how: Augmentation, seed: list[int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw crops: fields by the root of their area times their share, so that small ones are seen, too."""
    rng = np.random.default_rng(seed)
    weights = np.array([field.share * np.sqrt(field.area_um2) for field in fields])
    chosen = rng.choice(len(fields), schedule.batch, p=weights / weights.sum())
    crops = [crop(fields[index], schedule.size, mpp, how, rng) for index in chosen]
    return np.stack([image for image, _ in crops]), np.stack([wanted for _, wanted in crops])


def _pace(step: int, schedule: Schedule) -> float:
    warm = max(1, round(schedule.warmup * schedule.steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + float(np.cos(np.pi * min(1.0, (step - warm) / max(1, schedule.steps - warm))))) + 1e-3


def _loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of both maps, and the Dice loss (Milletari et al. 2016) of the foreground; (B, 3, H, W) wanted."""
    weight = wanted[:, 2]
    total = weight.sum().clamp(min=1)
    foreground = functional.binary_cross_entropy_with_logits(logits[:, 0], wanted[:, 0], reduction="none")
    distance = functional.binary_cross_entropy_with_logits(logits[:, 1], wanted[:, 1], reduction="none")
    shape = (torch.sigmoid(logits[:, 1]) - wanted[:, 1]).abs()
    likely = torch.sigmoid(logits[:, 0]) * weight
    truth = wanted[:, 0] * weight
    dice = 1 - (2 * (likely * truth).sum() + 1) / (likely.sum() + truth.sum() + 1)
    return ((foreground + distance + 2 * shape) * weight).sum() / total + dice
