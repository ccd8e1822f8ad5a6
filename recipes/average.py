"""Average the weights of two networks of the same line: the later one with the given share.

    python recipes/average.py EARLIER.safetensors LATER.safetensors SHARE OUT.safetensors

As in "Model soups" (Wortsman et al., ICML 2022). The card is the later one's.
"""

import sys
from pathlib import Path

from pathopipe.models.weights import read_weights, save_weights


def main() -> None:
    earlier, later = (read_weights(Path(name)) for name in sys.argv[1:3])
    share, out = float(sys.argv[3]), Path(sys.argv[4])
    mixed = {name: share * later.tensors[name] + (1 - share) * earlier.tensors[name] for name in later.tensors}
    save_weights(out, later.card, {name: tensor.astype(later.tensors[name].dtype) for name, tensor in mixed.items()})


if __name__ == "__main__":
    main()
