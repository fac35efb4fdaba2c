"""Name the images to look at before an accuracy is believed: copies, doubtful labels and odd pictures.

All follows from the features and the pictures; nothing is trained, and nothing is taken out. data/corrections/ is for
what you find right in it.

In:  features/MODEL/DATASET.safetensors, data/DATASET/, models.MODEL.fit
Out: tables/MODEL/DATASET/audit/: audit.tsv, and of the first of each kind NUMBER.png (and NUMBER-partner.png)
         kind: copy (of a picture in another split), copy_within, label, outlier, empty, blurred, long (with fit: crop)
         score: of copies how alike they are (to 1); of labels the natural logarithm of how much more probable the
             suggested class is; of outliers a robust z-score; of the others contrast, blur, share that is seen
         file, split, label; of a copy partner, partner_split, partner_label and copies, the number of the group that is
             linked by such pairs; of a label suggested
     metrics/MODEL/DATASET-audit.json: how many of each kind (with test_ before: among the test images), the balanced
         accuracy of telling classes by files or by colours alone, and how many corrections were applied
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import BaseModel

from stages.engine.parts import Columns, in_parts
from stages.faults.copies import Copies, find_copies, joined
from stages.faults.labels import suspect_labels
from stages.faults.looks import Looks, look_at
from stages.faults.outliers import strangeness
from stages.faults.rows import Stacked, stacked
from stages.faults.shortcuts import Shortcut, find_shortcuts
from stages.ground import paths
from stages.ground.cli import run
from stages.ground.files import read_json, write_json, write_table, written_whole
from stages.ground.params import Fit, load_entry
from stages.ground.runtime import Runtime, load_runtime
from stages.models.features import Features
from stages.pictures.picture import Values, decoders, of_each, open_picture, progress_bar
from stages.preprocessing.inputs import values_of

KINDS = {  # of findings, the most telling first
    "copy": "copies across splits",
    "label": "doubtful labels",
    "outlier": "unlike all others",
    "empty": "showing nothing",
    "copy_within": "copies within a split",
    "blurred": "blurred",
    "long": "too long: the network sees less than half",
}
STRANGE = 3.0  # standard deviations
EMPTY = 0.02  # contrast: nearly one colour
BLURRED = 0.6  # as a picture of 256 pixels under a Gaussian blur of 2 to 3
LONG = 0.5  # the share that the middle square shows
SHOWN = 20  # pictures of each kind
ALIKE = "different pictures of this set are too much alike"
THUMBNAIL = 120  # pixels of the longer side, at most
PART = 1024  # pictures; what is lost at a kill are seconds of a processor


@dataclass(frozen=True)
class Pictures:
    """All images of a data set, whatever their split, in one order."""

    files: list[str]  # relative to data/DATASET/
    splits: list[str]
    classes: list[str]
    labels: np.ndarray  # (N,) int64
    embeddings: np.ndarray | Stacked  # (N, D) float32
    groups: np.ndarray  # (N,) int64

    @classmethod
    def of(cls, features: Features) -> "Pictures":
        parts = features.splits
        labels = np.concatenate([of.labels for of in parts.values()])
        groups = [of.groups for of in parts.values() if of.groups is not None]
        return cls(
            [file for of in parts.values() for file in of.files],
            [split for split, of in parts.items() for _ in of.files],
            features.classes,
            labels,
            stacked([of.embeddings for of in parts.values()]),
            np.concatenate(groups) if groups else np.arange(len(labels)),
        )


@dataclass(frozen=True)
class Finding:
    kind: str
    score: float
    file: str
    split: str
    label: str
    partner: str = ""
    partner_split: str = ""
    partner_label: str = ""
    suggested: str = ""
    copies: int | str = ""

    @property
    def of_test(self) -> bool:
        return "test" in (self.split, self.partner_split)


def main(model: str, dataset: str) -> None:
    pictures, folder = Pictures.of(Features.read(paths.features(model, dataset))), paths.images(dataset)
    values, runtime = values_of(dataset), load_runtime()
    fit = load_entry("models", _Fit, model).fit
    files = [folder / file for file in pictures.files]
    with looks_in_parts(f"audit-{model}-{dataset}", files, values, runtime) as looks:
        findings, shortcuts, notes = audited(pictures, looks, fit, runtime)
        with written_whole(paths.audit(model, dataset)) as part:
            part.mkdir()
            write_table(part / "audit.tsv", rows(findings), ("number", *Finding.__dataclass_fields__))
            write_thumbnails(part, findings, folder, values)
        write_json(paths.audit_metrics(model, dataset), counts(findings, shortcuts) | corrections(dataset))
    print("\n".join([f"{model} {dataset}: {len(pictures.files)} images", *notes, *lines(findings, shortcuts)]))


class _Fit(BaseModel):
    """What this stage needs of a network's settings."""

    fit: Fit


@contextmanager
def looks_in_parts(job: str, files: list[Path], values: Values | None, runtime: Runtime) -> Iterator[Looks]:
    """In the files' order; see in_parts."""
    at_once = len(files) <= PART
    do = partial(looks_of, values=values, runtime=runtime.model_copy(update={"progress": runtime.progress and at_once}))
    given = None if values is None else asdict(values)
    with (
        progress_bar(len(files), runtime.progress and not at_once) as bar,
        in_parts(job, do, files, PART, given, runtime, bar.update) as parts,
    ):
        yield Looks.joined((Looks(**columns) for columns in parts), len(files))


def looks_of(files: Sequence[Path], values: Values | None, runtime: Runtime) -> Columns:
    return vars(Looks.of(of_each(files, lambda path: look_at(path, values), runtime)))


def audited(
    pictures: Pictures, looks: Looks, fit: Fit, runtime: Runtime
) -> tuple[list[Finding], list[Shortcut], list[str]]:
    """What there is to look at, by kind, the surest first, and what cannot be told; `looks` are of the pictures."""
    copies = find_copies(looks.grey, pictures.embeddings, pictures.labels, runtime.workers)
    groups = joined(copies.pairs, pictures.groups)
    suspects = suspect_labels(pictures.embeddings, pictures.labels, groups)
    findings = [
        *found_copies(pictures, copies),
        *found_labels(pictures, suspects.numbers, suspects.suggested, suspects.scores),
        *found_alone(pictures, "outlier", strangeness(pictures.embeddings, pictures.labels), STRANGE),
        *found_odd(pictures, looks, fit),
    ]
    findings.sort(key=lambda finding: list(KINDS).index(finding.kind))
    notes = [] if copies.telling else [f"copies: only those of a likeness above {copies.border}: {ALIKE}"]
    return findings, find_shortcuts(looks, pictures.labels, groups), notes


def found_copies(pictures: Pictures, copies: Copies) -> Iterator[Finding]:
    """Each pair; of two in different splits the one that trains comes last, as the partner."""
    groups = joined(copies.pairs, np.arange(len(pictures.files)))
    for (first, second), alike in zip(copies.pairs.tolist(), copies.likeness.tolist(), strict=True):
        if pictures.splits[first] == "train":
            first, second = second, first
        kind = "copy_within" if pictures.splits[first] == pictures.splits[second] else "copy"
        partner = (pictures.files[second], pictures.splits[second], pictures.classes[pictures.labels[second]])
        yield replace(finding(pictures, kind, alike, first, partner), copies=int(groups[first]))


def found_labels(
    pictures: Pictures, numbers: np.ndarray, suggested: np.ndarray, scores: np.ndarray
) -> Iterator[Finding]:
    for number, label, score in zip(numbers.tolist(), suggested.tolist(), scores.tolist(), strict=True):
        yield finding(pictures, "label", score, number, suggested=pictures.classes[label])


def found_alone(pictures: Pictures, kind: str, scores: np.ndarray, border: float) -> Iterator[Finding]:
    """Those above the border, the greatest first."""
    for number in np.argsort(-scores, kind="stable").tolist():
        if scores[number] > border:
            yield finding(pictures, kind, float(scores[number]), number)


def found_odd(pictures: Pictures, looks: Looks, fit: Fit) -> Iterator[Finding]:
    blurs = np.where(looks.contrast > EMPTY, looks.blur, 0)
    yield from (below(found) for found in found_alone(pictures, "empty", -looks.contrast, -EMPTY))
    yield from found_alone(pictures, "blurred", blurs, BLURRED)
    if fit == "crop":
        yield from (below(found) for found in found_alone(pictures, "long", -looks.seen, -LONG))


def below(found: Finding) -> Finding:
    return replace(found, score=-found.score)


def finding(
    pictures: Pictures,
    kind: str,
    score: float,
    number: int,
    partner: tuple[str, str, str] = ("", "", ""),
    suggested: str = "",
) -> Finding:
    label = pictures.classes[pictures.labels[number]]
    return Finding(kind, score, pictures.files[number], pictures.splits[number], label, *partner, suggested)


def rows(findings: Sequence[Finding]) -> list[dict[str, object]]:
    return [{"number": number, **asdict(of)} for number, of in enumerate(findings, start=1)]


def write_thumbnails(folder: Path, findings: Sequence[Finding], images: Path, values: Values | None) -> None:
    shown = dict.fromkeys(KINDS, 0)
    with decoders(1):
        for number, of in enumerate(findings, start=1):
            shown[of.kind] += 1
            if shown[of.kind] <= SHOWN:
                thumbnail(images / of.file, values).save(folder / f"{number}.png")
                if of.partner:
                    thumbnail(images / of.partner, values).save(folder / f"{number}-partner.png")


def thumbnail(path: Path, values: Values | None) -> Image.Image:
    picture = open_picture(path, values)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return picture


def counts(findings: Sequence[Finding], shortcuts: Sequence[Shortcut]) -> dict[str, object]:
    numbers: dict[str, object] = {}
    for before, of_test in (("", False), ("test_", True)):
        for kind in KINDS:
            numbers[before + kind] = sum(of.kind == kind and of.of_test == of_test for of in findings)
    for of in shortcuts:
        name = of.facts.partition(" ")[0]
        numbers |= {f"{name}_accuracy": round(of.accuracy, 4), f"{name}_accuracy_low": round(of.low, 4)}
    return numbers | {"chance": round(shortcuts[0].chance, 4)}


def corrections(dataset: str) -> dict[str, object]:
    path = paths.corrected(dataset)
    return dict(read_json(path)) if path.is_file() else {}


def lines(findings: Sequence[Finding], shortcuts: Sequence[Shortcut]) -> Iterator[str]:
    for kind, what in KINDS.items():
        found = [of for of in findings if of.kind == kind]
        if found:
            first, other = found[0].file, found[0].partner or found[0].suggested
            first += f" (is it {other}?)" if other else ""
            yield f"{what}: {len(found)}, first {first}"
    if not findings:
        yield "nothing to look at was found"
    for of in shortcuts:
        if of.far_above_chance:
            yield (
                f"warning: {of.facts} alone tell the classes apart: balanced accuracy {of.accuracy:.2f}, by chance"
                f" {of.chance:.2f}. A network may learn that instead of what the pictures show"
            )


if __name__ == "__main__":
    run(main)
