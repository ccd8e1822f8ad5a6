"""What scanner-like changes of slides do to what is reported, and which guard notices, as a Markdown table.

    python benchmarks/robustness.py OUT SLIDE … [--side-um 750] [--stain native normalized] [--changes WORD …]

From the middle of each slide a square of up to ``--side-um`` is taken, changed, saved as PNG, and analyzed with the
default settings up to `grade`: white balance, gamma, blur, JPEG, noise, resolution (at its true mpp), and stain
multiplied in optical density. With ``normalized`` the stages from `features` on run again with ``features.stain``.
SLIDE may be ``FILE=MPP`` where the file states none; a folder stands for its images, every n-th with ``--every n``.

A row holds nuclei per mm² and mean nuclear area, with the change against the unchanged image, the grade and its score
(with normalized stain after a slash), and the warnings (those in bold stop the grade). With several slides there is a
table for each, then how many kept their grade. ``--changes`` takes only changes whose names hold one of these words.

A finished row is kept in OUT and is not computed again: delete OUT to start anew.
"""

import argparse
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from pathopipe.caveats import stops_grade
from pathopipe.config import Config
from pathopipe.evaluation.perturbation import Perturbation, compressed, perturb
from pathopipe.jobs.execution import execute
from pathopipe.pipeline import STAGES, FeaturesSettings
from pathopipe.results.contents import read_statistics
from pathopipe.results.documents import read_json
from pathopipe.samples import Sample
from pathopipe.slide import open_slide

UNTIL = [name for name in STAGES if name != "report"]
AGAIN = UNTIL[UNTIL.index("features") :]
RGB = np.ndarray
Change = Callable[[RGB, float], tuple[RGB, float]]
"""Makes an image and its mpp of an image and its mpp."""


def colors(red: float, green: float, blue: float) -> Change:
    return lambda rgb, mpp: (np.rint(rgb * np.array([red, green, blue])).clip(0, 255).astype(np.uint8), mpp)


def gamma(power: float) -> Change:
    levels = np.rint(255 * (np.arange(256) / 255) ** power).astype(np.uint8)
    return lambda rgb, mpp: (levels[rgb], mpp)


def blur(sigma_um: float) -> Change:
    return lambda rgb, mpp: (np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma_um / mpp), np.uint8), mpp)


def jpeg(quality: int) -> Change:
    return lambda rgb, mpp: (compressed(rgb, quality), mpp)


def noise(sd: float) -> Change:
    def add(rgb: RGB, mpp: float) -> tuple[RGB, float]:
        grain = np.random.default_rng(zlib.crc32(str(rgb.shape).encode())).normal(0, sd, rgb.shape)
        return np.rint(rgb + grain).clip(0, 255).astype(np.uint8), mpp

    return add


def resolution(wanted: float) -> Change:
    def resize(rgb: RGB, mpp: float) -> tuple[RGB, float]:
        size = tuple(max(1, round(length * mpp / wanted)) for length in rgb.shape[1::-1])
        how = cv2.INTER_AREA if wanted > mpp else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(rgb, size, interpolation=how), np.uint8), rgb.shape[1] * mpp / size[0]

    return resize


def stain(strength: float, turn_deg: float = 0.0) -> Change:
    return lambda rgb, mpp: (perturb(rgb, Perturbation("", strength=strength, turn_deg=turn_deg), 1.0), mpp)


CHANGES: Mapping[str, Change] = {
    "unchanged": lambda rgb, mpp: (rgb, mpp),
    "white balance: blue × 0.9": colors(1, 1, 0.9),
    "white balance: red × 0.9": colors(0.9, 1, 1),
    "brightness × 0.85": colors(0.85, 0.85, 0.85),
    "gamma 0.8": gamma(0.8),
    "gamma 1.25": gamma(1.25),
    "blur 0.5 µm": blur(0.5),
    "blur 1 µm": blur(1.0),
    "blur 2 µm": blur(2.0),
    "JPEG 95": jpeg(95),
    "JPEG 70": jpeg(70),
    "JPEG 50": jpeg(50),
    "JPEG 30": jpeg(30),
    "noise, SD 3": noise(3),
    "noise, SD 8": noise(8),
    "0.23 µm per pixel": resolution(0.23),
    "0.35 µm per pixel": resolution(0.35),
    "0.7 µm per pixel": resolution(0.7),
    "1 µm per pixel": resolution(1.0),
    "stain × 0.5": stain(0.5),
    "stain × 0.75": stain(0.75),
    "stain × 1.5": stain(1.5),
    "stain × 2": stain(2.0),
    "stain turned to blue by 8°": stain(1.0, -8),
    "stain turned to red by 8°": stain(1.0, 8),
}


def middle(path: Path, mpp: float | None, side_um: float) -> tuple[RGB, float]:
    """The square in the middle of a slide, at its own resolution, and its mpp."""
    with open_slide(path, None if mpp is None else (mpp, mpp)) as slide:
        grid = slide.grid(slide.mpp.x)
        width, height = (min(length, round(side_um / slide.mpp.x)) for length in (grid.width, grid.height))
        x, y = (grid.width - width) // 2, (grid.height - height) // 2
        return slide.read(grid, x, y, width, height), slide.mpp.x


def analyzed(rgb: RGB, mpp: float, folder: Path, stains: list[str]) -> dict:
    """Run the stages; what a row shows, by kind of stain."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "image.png"
    cv2.imwrite(str(path), rgb[..., ::-1])
    sample, config = Sample("s", path.absolute(), (mpp, mpp)), Config()
    for stage in UNTIL:
        execute(stage, "s", folder / "results", getattr(config, stage), sample, 2)
    found = {"native": seen(folder / "results" / "s")}
    if "normalized" in stains:
        for stage in AGAIN:
            settings = FeaturesSettings(stain="normalized") if stage == "features" else getattr(config, stage)
            execute(stage, "s", folder / "results", settings, sample, 2)
        found["normalized"] = seen(folder / "results" / "s")
    path.unlink()
    return found


def seen(home: Path) -> dict:
    manifests = {stage: read_json(home / stage / "manifest.json") for stage in UNTIL}
    warnings = [entry for manifest in manifests.values() for entry in manifest.get("quality") or []]
    codes = {entry["code"]: stops_grade(entry) for entry in warnings}
    if manifests["grade"]["state"] == "rejected":
        return {"rejected": manifests["grade"]["reason"], "warnings": codes}
    row, grade = read_statistics(home / "statistics" / "statistics.parquet"), read_json(home / "grade" / "grade.json")
    names = ("nuclei_per_mm2", "area_um2_mean", "hematoxylin_mean_p50", "epithelial_share", "unfit_share")
    told = {name: row[name] for name in names}
    told |= {"grade": grade["grade"], "score": grade.get("score"), "reason": grade["reason"]}
    return told | {"warnings": codes, "measured": manifests["features"]["stain"]["measured"]}


def change(value: float, before: float) -> str:
    return f"{value:,.0f}" if value == before else f"{value:,.0f} ({value / before - 1:+.0%})"


def graded(found: dict) -> str:
    score = "" if found["score"] is None else f" ({found['score']:.2f})"
    return f"{found['grade'] or '–'}{score}"


def line(name: str, found: dict, before: dict) -> str:
    native = found["native"]
    marks = {**native["warnings"], **found.get("normalized", native)["warnings"]}
    told = ", ".join(f"**{code}**" if stops else code for code, stops in sorted(marks.items()))
    if "rejected" in native:
        return f"| {name} | rejected: {native['rejected']} | | | {told} |"
    grades = " / ".join(graded(found[kind]) for kind in ("native", "normalized") if kind in found)
    cells = [change(native[key], before["native"][key]) for key in ("nuclei_per_mm2", "area_um2_mean")]
    return f"| {name} | {cells[0]} | {cells[1]} | {grades} | {told or '–'} |"


def rows(path: Path, mpp: float | None, asked: argparse.Namespace) -> Iterator[tuple[str, dict]]:
    rgb, mpp = middle(path, mpp, asked.side_um)
    for place, (name, how) in enumerate(CHANGES.items()):
        if name not in asked.changes:
            continue
        kept = asked.out / path.stem / f"{place:02d}.json"
        if not kept.exists():
            found = analyzed(*how(rgb, mpp), asked.out / path.stem / f"{place:02d}", asked.stain)
            kept.write_text(json.dumps(found), encoding="utf-8")
        yield name, json.loads(kept.read_text(encoding="utf-8"))


def named(text: str, every: int) -> list[tuple[Path, float | None]]:
    path, _, mpp = text.partition("=")
    found = sorted(Path(path).iterdir())[::every] if Path(path).is_dir() else [Path(path)]
    return [(one, float(mpp) if mpp else None) for one in found]


def kept_grades(found: dict[str, dict[str, dict]], asked: argparse.Namespace) -> Iterator[str]:
    """How many slides keep their grade, get another one, and get none, of those that have one unchanged.

    Unchanged, normalized is compared with native; changed, each with the same kind.
    """
    heads = " | ".join(f"{kind}: grade kept, another, none; mean shift of the score" for kind in asked.stain)
    yield f"| change | {heads} |"
    yield "|---" * (1 + len(asked.stain)) + "|"
    for name in asked.changes:
        cells = []
        for kind in asked.stain:
            against = "native" if name == "unchanged" else kind
            before = [rows["unchanged"][against] for rows in found.values()]
            pairs = [
                (one, rows[name][kind]) for one, rows in zip(before, found.values(), strict=True) if one.get("grade")
            ]
            kept = sum(after.get("grade") == one["grade"] for one, after in pairs)
            none = sum(not after.get("grade") for _, after in pairs)
            shifts = [after["score"] - one["score"] for one, after in pairs if after.get("score") is not None]
            shift = f"{np.mean(shifts):+.2f} (absolute {np.mean(np.abs(shifts)):.2f})" if shifts else "–"
            cells.append(f"{kept}, {len(pairs) - kept - none}, {none}; {shift}")
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("slides", nargs="+")
    parser.add_argument("--side-um", type=float, default=750.0)
    parser.add_argument("--stain", nargs="+", choices=["native", "normalized"], default=["native", "normalized"])
    parser.add_argument("--changes", nargs="+", default=[""])
    parser.add_argument("--every", type=int, default=1)
    asked = parser.parse_args()
    asked.changes = [name for name in CHANGES if name == "unchanged" or any(word in name for word in asked.changes)]
    cv2.setNumThreads(1)
    found: dict[str, dict[str, dict]] = {}
    for path, mpp in (one for text in asked.slides for one in named(text, asked.every)):
        print(f"\n{path.stem}\n\n| change | nuclei per mm² | mean area, µm² | grade (score) | warnings |")
        print("|---|---|---|---|---|")
        found[path.stem] = {}
        for name, row in rows(path, mpp, asked):
            found[path.stem][name] = row
            print(line(name, row, found[path.stem]["unchanged"]), flush=True)
    if len(found) > 1:
        print("\n" + "\n".join(kept_grades(found, asked)))


if __name__ == "__main__":
    main()
