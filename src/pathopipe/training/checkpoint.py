"""A training run on disk, so that it goes on after a kill: tensors and whole numbers only, nothing is unpickled."""

from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pathopipe.files import write_whole
from pathopipe.training.loop import Trainer

_STEP: Final = "step"
_PARTS: Final = ("network", "average")


def save_checkpoint(path: Path, trainer: Trainer, root: Path | None = None) -> None:
    """Write the whole state of a run; a half-written file never shows."""
    tensors = {_STEP: torch.tensor(trainer.step)}
    for part in _PARTS:
        tensors |= {f"{part}/{name}": value for name, value in getattr(trainer, part).state_dict().items()}
    for index, state in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in state.items()}
    content = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
    write_whole(path, content, root)


def load_checkpoint(path: Path, trainer: Trainer) -> bool:
    """Bring a trainer to where a run was stopped; False where no usable checkpoint is there."""
    tensors = dict[str, Tensor]()
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except (OSError, SafetensorError):
        return False
    for part in _PARTS:
        getattr(trainer, part).load_state_dict(_under(f"{part}/", tensors))
    state = trainer.optimizer.state_dict()
    state["state"] = {}
    for name, value in _under("optimizer/", tensors).items():
        index, key = name.split("/")
        state["state"].setdefault(int(index), {})[key] = value
    trainer.optimizer.load_state_dict(state)
    trainer.step = int(tensors[_STEP])
    return True


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
