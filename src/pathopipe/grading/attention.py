"""Gated attention over fields (Ilse, Tomczak and Welling 2018): which fields count, and the score of the slide."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def shapes(columns: int, hidden: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors, for fields of so many columns."""
    half = hidden // 2
    return {
        "embed": (hidden, columns),
        "embed_bias": (hidden,),
        "look": (half, hidden),
        "look_bias": (half,),
        "gate": (half, hidden),
        "gate_bias": (half,),
        "attend": (half,),
        "head": (hidden,),
        "head_bias": (1,),
    }


def attention_score(tensors: Mapping[str, NDArray[Any]], places: Floats) -> tuple[float, Floats]:
    """Score a slide by its fields (M, D), in any order.

    Each field becomes ``hidden`` numbers, at least 0 each. How much a field counts is a softmax of ``attend`` times
    (tanh of ``look`` times sigmoid of ``gate``); the score is ``head`` times the mean field that results, plus
    ``head_bias``.

    Returns
    -------
    tuple
        The score, and what share of it each field has (M,), adding up to 1.
    """
    t = {name: np.asarray(tensors[name], np.float64) for name in shapes(places.shape[1], 0)}
    embedded = np.maximum(places @ t["embed"].T + t["embed_bias"], 0)
    gate = 1 / (1 + np.exp(-np.clip(embedded @ t["gate"].T + t["gate_bias"], -500, 500)))
    logits = (np.tanh(embedded @ t["look"].T + t["look_bias"]) * gate) @ t["attend"]
    powers = np.exp(logits - logits.max())
    shares = powers / powers.sum()
    return float(shares @ (embedded @ t["head"]) + t["head_bias"][0]), shares
