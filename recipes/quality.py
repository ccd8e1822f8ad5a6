"""Train the network that tells artifacts for the stage `quality`.

    python recipes/quality.py DATA OUT [WEIGHTS]

DATA is as recipes/sheets.py describes it. Artifacts are painted onto NuInsSeg, BRCA-M2C, TNBC and synthetic fields;
five organs, ten patients and three patients of these sets are kept apart for choices. Writes OUT/samples.npz (used
again where it is there) and OUT/quality.safetensors; where WEIGHTS are given, training goes on from these, at a lower
rate. recipes/quality_test.py measures it on other sources.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
import torch
from painted import fields, samples

from pathopipe.models.quality.card import CLASSES, QualityArchitecture, QualityCard
from pathopipe.models.quality.model import judge
from pathopipe.models.weights import Loaded, Tensors, read_weights_of, save_weights
from pathopipe.synthetic.artifacts import BUBBLE, DEBRIS

KINDS = ["sound", "focus", "fold", "pen", "bubble", "debris", "focus", "fold", "bubble"]
IMAGES, IMAGES_CHOSEN, EACH = 900, 108, 2000
EPOCHS, ROWS, BATCH, RATE = 10, 1_000_000, 4096, 5e-3
RATE_GOING_ON = 1.5e-3
# The blur is learned as a low quantile: where structure doesn't tell, tissue counts as sharp.
QUANTILE = 0.25
# Sound bins are most of a slide; a rim must be found all around.
WEIGHTS = (2.0, 1.5, 1.0, 5.0, 2.0)


def made(data: Path, out: Path) -> dict[str, np.ndarray]:
    """Paint and measure, or read what was measured before."""
    path = out / "samples.npz"
    if not path.exists():
        found = {}
        for part, chosen, count in zip(("learned", "chosen"), fields(data), (IMAGES, IMAGES_CHOSEN), strict=True):
            drawn = list(samples(chosen, KINDS, count, EACH, seed=len(part)))
            for name, values in zip(("features", "labels", "blur"), zip(*drawn, strict=True), strict=True):
                found[f"{part}_{name}"] = np.concatenate(values, axis=-1)
        np.savez(path, **found)
    return dict(np.load(path))


def targets(labels: np.ndarray) -> np.ndarray:
    """Numbers of `CLASSES`; -1 inside of a bubble, which is told by its rim."""
    found = labels.astype(np.int64)
    found[labels == BUBBLE] = -1
    found[labels == DEBRIS] = CLASSES.index("debris")
    return found


class Network(torch.nn.Module):
    """The perceptron, with the scale of its input."""

    def __init__(self, features: torch.Tensor, shape: QualityArchitecture) -> None:
        super().__init__()
        self.register_buffer("mean", features.mean(dim=0))
        self.register_buffer("sd", features.std(dim=0) + 1e-3)
        sizes = [features.shape[1], *shape.hidden, len(CLASSES) + 1]
        self.layers = torch.nn.ModuleList(torch.nn.Linear(*pair) for pair in itertools.pairwise(sizes))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        values = (values - self.mean) / self.sd
        for layer in self.layers[:-1]:
            values = torch.relu(layer(values))
        return self.layers[-1](values)

    def begin(self, tensors: Tensors) -> None:
        """Take over weights for input that is not scaled."""
        for number, layer in enumerate(self.layers):
            weight, bias = (torch.from_numpy(tensors[f"{kind}_{number}"].copy()) for kind in ("weight", "bias"))
            if number == 0:
                weight, bias = weight * self.sd, bias + weight @ self.mean
            layer.weight.data, layer.bias.data = weight, bias

    def tensors(self) -> dict[str, np.ndarray]:
        """Weights for input that is not scaled."""
        found = {}
        for number, layer in enumerate(self.layers):
            weight, bias = layer.weight.detach(), layer.bias.detach()
            if number == 0:
                weight = weight / self.sd
                bias = bias - weight @ self.mean
            found[f"weight_{number}"], found[f"bias_{number}"] = weight.numpy(), bias.numpy()
        return found


def loss(found: torch.Tensor, wanted: torch.Tensor, blur: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of what bins are, and pinball loss (Koenker and Bassett 1978) of the logarithm of their blur."""
    named = torch.nn.functional.cross_entropy(
        found[:, : len(CLASSES)], wanted, torch.tensor(WEIGHTS), ignore_index=-1, label_smoothing=0.01
    )
    known = ~torch.isnan(blur)
    off = torch.log(blur[known]) - found[known, len(CLASSES)]
    return named + torch.maximum(QUANTILE * off, (QUANTILE - 1) * off).mean()


def train(data: dict[str, np.ndarray], shape: QualityArchitecture, start: Loaded[QualityCard] | None) -> Network:
    """Learn with Adam and a rate that falls to nothing along a half cosine."""
    torch.manual_seed(0)
    values = torch.from_numpy(np.ascontiguousarray(data["learned_features"].T))
    wanted, blur = torch.from_numpy(targets(data["learned_labels"])), torch.from_numpy(data["learned_blur"]).float()
    network = Network(values, shape)
    if start:
        network.begin(start.tensors)
    optimizer = torch.optim.AdamW(network.parameters(), RATE_GOING_ON if start else RATE, weight_decay=1e-3)
    rows_of_epoch = min(ROWS, len(values))
    steps = EPOCHS * (rows_of_epoch // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(values))[:rows_of_epoch]
        for first in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[first : first + BATCH]
            optimizer.zero_grad()
            now = loss(network(values[rows]), wanted[rows], blur[rows])
            now.backward()
            optimizer.step()
            schedule.step()
        print(epoch, now.item(), flush=True)
    return network


def report(data: dict[str, np.ndarray], tensors: dict[str, np.ndarray]) -> None:
    """Print what was found in fields kept apart: per class at some probabilities, and blur against the true one."""
    found = judge(tensors, data["chosen_features"])
    wanted = targets(data["chosen_labels"])
    for number, name in enumerate(CLASSES[1:], 1):
        rates = [
            (
                level,
                (found.probabilities[number][wanted == number] > level).mean().round(3),
                (found.probabilities[number][wanted == 0] > level).mean().round(5),
            )
            for level in (0.3, 0.5, 0.7, 0.9)
        ]
        print(name, *rates)
    blur = data["chosen_blur"]
    for low, high in ((0, 0.5), (0.5, 0.9), (0.9, 1.3), (1.3, 1.7), (1.7, 2.5), (2.5, 4), (4, 9)):
        rows = (blur >= low) & (blur < high) & (wanted <= 0)
        print(
            low, high, rows.sum(), np.quantile(found.blur_um[rows], (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)).round(2)
        )


def main() -> None:
    """Train, report, save."""
    torch.set_num_threads(1)
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(exist_ok=True)
    drawn, shape = made(data, out), QualityArchitecture()
    start = read_weights_of(Path(sys.argv[3]), QualityCard) if len(sys.argv) > 3 else None
    tensors = train(drawn, shape, start).tensors()
    report(drawn, tensors)
    card = QualityCard(
        name="quality",
        licence="Apache-2.0",
        architecture=shape,
        data=(
            "NuInsSeg, without five organs (Mahbod et al. 2024, CC BY 4.0)",
            "BRCA-M2C, its training patients (TopoXLab 2022, BSD 3-Clause; images of TCGA)",
            "TNBC, eight patients (Naylor et al. 2018, CC BY 4.0)",
            "synthetic slides of pathopipe (Apache-2.0)",
        ),
        training={"images": IMAGES, "bins": int(drawn["learned_labels"].size), "epochs": EPOCHS, "quantile": QUANTILE}
        | ({"continued_from": start.sha256} if start else {}),
    )
    save_weights(out / "quality.safetensors", card, tensors)


if __name__ == "__main__":
    main()
