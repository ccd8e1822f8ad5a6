"""What a page takes from the manifests of the stages."""

from collections.abc import Mapping
from typing import Any

from pathopipe import text
from pathopipe.caveats import stops_grade
from pathopipe.pipeline import STAGES
from pathopipe.reporting.fact import Fact
from pathopipe.reporting.slide_page import QualityWarning, Rejection, StageRecord
from pathopipe.reporting.vocabulary import MPP_CHECKS, MPP_SOURCES
from pathopipe.results.manifests import Manifest, ModelEntry, SlideInfo, mpp_of, nuclei_given

_CHANGES = ("kept", "changed", "deleted", "added", "retyped")


def rejection(manifests: Mapping[str, Manifest]) -> Rejection | None:
    """Return why the slide was rejected, by the first stage (in the order given) that did so; None where none did."""
    for stage, manifest in manifests.items():
        if manifest["state"] == "rejected":
            return Rejection(stage_title(stage), text.sentence(str(manifest["reason"])))
    return None


def stage_title(stage: str) -> str:
    """Name a stage in plain words."""
    return STAGES[stage].title if stage in STAGES else stage


def slide_facts(tissue: Manifest) -> tuple[Fact, ...]:
    """Return size, resolution and format of the slide, as far as they are known."""
    info, mpp = tissue.get("slide_info"), tissue.get("mpp_x")
    facts = []
    if info:
        pixels = f"{text.count(info['width'])} × {text.count(info['height'])} px"
        facts.append(Fact("Size", _size_mm(info, tissue) if mpp else pixels, f"({pixels})" if mpp else ""))
    if mpp:
        source = str(tissue.get("mpp_source"))
        facts.append(Fact("Resolution", resolution(tissue), f"({MPP_SOURCES.get(source, source)})"))
    if info and info.get("format"):
        facts.append(Fact("Format", str(info["format"])))
    return tuple(facts)


def mpp_facts(features: Manifest) -> tuple[Fact, ...]:
    """Return how the resolution was checked; the warning, if it failed, is among the others."""
    checked_by = features.get("mpp_checked_by")
    return (Fact("Resolution check", MPP_CHECKS.get(checked_by, str(checked_by))),) if checked_by else ()


def stain_facts(features: Manifest) -> tuple[Fact, ...]:
    """Return whether stain and texture were measured on pixels as they are, or normalized."""
    if features["stain"]["measured"] == "native":
        return (Fact("Stain of the measures", "as it is on the slide"),)
    return (Fact("Stain of the measures", "normalized to the target of docs/stain.md", "(Macenko 2009)"),)


def nuclei_facts(detect: Manifest, segment: Manifest) -> tuple[Fact, ...]:
    """Return which model found the nuclei, and the terms that it may be used under; or that they were given."""
    if nuclei_given(segment):
        return _given_facts(segment)
    model = detect.get("model")
    if not model:
        return ()
    return (Fact("Nuclei found by", str(model["name"]), f"({model['licence']})" if model.get("licence") else ""),)


def _given_facts(segment: Manifest) -> tuple[Fact, ...]:
    """Return from what kind of file the nuclei are, and what was changed against those before."""
    counts, changes = segment["counts"], segment.get("changes")
    found, left_out = text.count(counts["given"]), text.count(counts["left_out"])
    about = f"({segment.get('nuclei_format')} in the sample sheet: {found} found there, {left_out} left out)"
    facts = (Fact("Nuclei", "given, not found by a model", about),)
    if not changes:
        return facts
    told = ", ".join(f"{text.count(changes[name])} {name}" for name in _CHANGES if changes[name] is not None)
    return (*facts, Fact("Corrections", told, f"(of {text.count(changes['before'])} before)"))


def type_facts(types: Manifest, segment: Manifest) -> tuple[Fact, ...]:
    """Return what the nuclei are, as shares of all, and which model says so; nothing where nobody was asked."""
    counts, model = types["counts"], types.get("model")
    total, given = counts.get("nuclei"), bool(segment["counts"].get("typed"))
    if not (model or given) or not total:
        return ()
    named = ((name, value) for name, value in counts.items() if name != "nuclei" and value)
    shares = (f"{'not said' if name == 'unknown' else name} {text.percent(value / total)}" for name, value in named)
    about = [f"by the model {model['name']}", types.get("scope"), model.get("licence")] if model else ["given"]
    return (Fact("Nucleus types", ", ".join(shares), f"({'; '.join(str(part) for part in about if part)})"),)


def _size_mm(info: SlideInfo, tissue: Manifest) -> str:
    mpp = mpp_of(tissue)
    width, height = info["width"] * mpp.x / 1000, info["height"] * mpp.y / 1000
    return f"{text.number(width)} × {text.quantity(height, 'mm')}"


def resolution(manifest: Manifest) -> str:
    """Write the µm per pixel of a slide, both values where they differ."""
    x, y = f"{manifest['mpp_x']:.4g}", f"{manifest['mpp_y']:.4g}"
    return f"{x if x == y else f'{x} × {y}'}{text.THIN_SPACE}µm per pixel"


def warnings(manifests: Mapping[str, Manifest]) -> tuple[QualityWarning, ...]:
    """Return the quality warnings of a slide, given its manifests by stage; those that leave it ungraded come first."""
    lifted = "grade" in manifests and bool(manifests["grade"]["params"].get("out_of_scope"))
    reported = [
        QualityWarning(str(item["code"]), text.sentence(str(item["message"])), stops_grade(item, out_of_scope=lifted))
        for manifest in manifests.values()
        for item in manifest.get("quality") or []
    ]
    return tuple(sorted(reported, key=lambda warning: not warning.stops_grade))


def identity_facts(tissue: Manifest) -> tuple[Fact, ...]:
    """Return what the slide's file can be recognized by."""
    facts = [Fact("Identity", str(tissue["identity"]), "bytes and sampled hash")] if tissue.get("identity") else []
    if tissue.get("sha256"):
        facts.append(Fact("SHA-256", str(tissue["sha256"])))
    if tissue.get("mpp_x"):
        source = str(tissue.get("mpp_source"))
        facts.append(Fact("Resolution", resolution(tissue), MPP_SOURCES.get(source, source)))
    return tuple(facts)


def stage_records(manifests: Mapping[str, Manifest]) -> tuple[StageRecord, ...]:
    """Return how each stage was run, in the order given."""
    return tuple(_record(stage, manifest) for stage, manifest in manifests.items())


def _record(stage: str, manifest: Manifest) -> StageRecord:
    return StageRecord(
        stage=stage,
        title=stage_title(stage),
        state=str(manifest["state"]),
        contract=str(manifest.get("contract", text.DASH)),
        params=_facts(manifest.get("params")),
        counts=_facts(manifest.get("counts")),
        model=_model_facts(manifest.get("model")),
        inputs=_facts(manifest.get("inputs")),
    )


def _model_facts(model: ModelEntry | None) -> tuple[Fact, ...]:
    if not model:
        return ()
    weights, licence = model.get("sha256"), model.get("licence")
    named = (Fact("Name", str(model.get("name"))), Fact("Weights", str(weights) if weights else "none needed"))
    return (*named, Fact("License", str(licence))) if licence else named


def _facts(entries: Mapping[str, Any] | None) -> tuple[Fact, ...]:
    return tuple(Fact(str(key), text.anything(entries[key])) for key in sorted(entries)) if entries else ()


def version_facts(manifests: Mapping[str, Manifest]) -> tuple[Fact, ...]:
    """Return the versions of the software; several where stages ran with different ones."""
    found: dict[str, list[str]] = {}
    for manifest in manifests.values():
        for name, version in (manifest.get("versions") or {}).items():
            known = found.setdefault(str(name), [])
            if str(version) not in known:
                known.append(str(version))
    return tuple(Fact(name, ", ".join(found[name])) for name in sorted(found))
