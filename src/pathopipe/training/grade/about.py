"""What is known of slides beside their nuclei: what might foretell a grade, and what a grader is made for."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pathopipe.errors import RefusalError
from pathopipe.results.manifests import mpp_of
from pathopipe.results.reader import Results, SlideResults
from pathopipe.samples import Sample


def check_twins(taken: Sequence[Sample], patients: Sequence[str], made: Results) -> None:
    """Refuse a slide that is there twice, under two patients: it would be on both sides of a split."""
    seen: dict[str, tuple[str, str]] = {}
    for sample, patient in zip(taken, patients, strict=True):
        identity = made[sample.slide].identity or sample.slide
        other, before = seen.setdefault(identity, (patient, sample.slide))
        if other != patient:
            raise RefusalError(
                f"slides {before} and {sample.slide} are the same image, of two patients in the sheet: one would be "
                "learned from and the other tested on; leave one out, or correct the column of patients"
            )


def about(taken: Sequence[Sample], made: Results, but: set[str]) -> dict[str, tuple[Any, ...]]:
    """What might foretell a grade without looking at the nuclei: columns of the sheet, and facts of the files."""
    names = [name for name in (taken[0].extra if taken else ()) if name not in but]
    found: dict[str, tuple[Any, ...]] = {name: tuple(sample.extra.get(name, "") for sample in taken) for name in names}
    facts = [dict(_facts(made[sample.slide])) for sample in taken]
    found |= {name: tuple(fact[name] for fact in facts) for name in facts[0]}
    sites = tuple(site_of(sample) for sample in taken)
    return found | ({"site (from the patient's TCGA barcode)": sites} if all(sites) else {})


def site_of(sample: Sample) -> str:
    """Tissue source site in a barcode of TCGA, the second field; empty where there is none."""
    fields = (sample.patient or "").split("-")
    return fields[1] if len(fields) >= 3 and fields[0].upper() == "TCGA" else ""


def _facts(slide: SlideResults) -> Iterator[tuple[str, Any]]:
    tissue = slide.manifest("tissue")
    yield "scanner", str(tissue["slide_info"].get("vendor") or "")
    yield "size of the file", float(str(tissue["identity"]).partition("-")[0] or 0)
    yield "number of nuclei", float(slide.manifest("segment")["counts"]["nuclei"])
    yield "tissue area", float(tissue["tissue_mm2"])
    yield "resolution", mpp_of(tissue).mean


def made_for(taken: Sequence[Sample]) -> dict[str, tuple[str, ...]]:
    """Tissues and stains that the sheet names, the usual first, where it names one for each slide."""
    found = {}
    for name in ("tissue", "stain"):
        cells = Counter(sample.extra.get(name, "") for sample in taken)
        if cells and "" not in cells:
            found[name] = tuple(text for text, _ in cells.most_common())
    return found
