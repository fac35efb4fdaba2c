"""Write what the audit found wrong with a data set's images into data/corrections/DATASET.tsv, for you to confirm.

Each row has `no` in front. Look at the picture, write `yes` where it is right, change `to` where another class is, and
run `dvc repro`: arrange@DATASET applies the rows with `yes`, by the images' checksums. Rows that are there already stay
as they are. What is proposed: another label for doubtful labels; `leave_out` for empty pictures, for
those like no other, and for train images that are copies of val or test images; `together` for copies where the split
is drawn here, so that both land on one side of it.

Exit status: 0 written, or nothing to write, 1 no audit is there, 2 wrong arguments, 130 interrupted.
"""

import argparse
from collections.abc import Iterator, Sequence

from stages.datasets.corrections import COLUMNS, read_corrections
from stages.datasets.layout import read_layout
from stages.datasets.settings import Dataset
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.files import read_table, sha256, write_table
from stages.ground.params import known_as
from stages.ground.shards import shards_in
from stages.pictures.listing import list_folder
from stages.settings import load_params

FINDINGS = ("kind", "score", "file", "split", "label", "partner", "partner_split", "suggested")
ALONE = {"outlier": "like no other picture", "empty": "shows nothing"}

Row = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.correct", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument("--model", help="whose audit is taken; the first of params.yaml that has one if not given")
    arguments = parser.parse_args()
    with one_line_errors():
        correct(arguments.dataset, arguments.model)


def correct(dataset: str, model: str | None) -> None:
    """Add a row for each finding that has none.

    Raises:
        ProjectError: no such data set or network, no audit of it, or its table of corrections is none.
    """
    params = load_params()
    known_as("datasets", params.datasets, dataset)
    if model:
        known_as("models", params.models, model)
    read_corrections(dataset)
    if shards_in(paths.images(dataset) / "train"):
        raise ProjectError(f"{dataset} is in tar files, in which nothing is corrected: mend them themselves")
    path = paths.corrections(dataset)
    there: list[Row] = read_table(path, may_be_empty=True) if path.is_file() else []
    findings = read_findings(dataset, [model] if model else list(params.models))
    known = {(row["sha256"], row["change"]) for row in there}
    names = {row["sha256"]: row["to"] for row in there if row["change"] == "together"}
    new: list[Row] = []
    for row in proposals(findings, dataset, is_drawn(dataset, params.datasets[dataset]), names):
        if (row["sha256"], row["change"]) not in known:
            known.add((row["sha256"], row["change"]))
            new.append(row)
    if new:
        write_table(path, [*there, *new], COLUMNS)
    print(f"{path}: {len(new)} rows were added to {len(there)}")
    if new:
        print(f"Look at each picture, write yes in front of what is right, and run dvc repro arrange@{dataset}")


def read_findings(dataset: str, models: Sequence[str]) -> list[Row]:
    for model in models:
        path = paths.audit(model, dataset) / "audit.tsv"
        if path.is_file():
            return read_table(path, FINDINGS, may_be_empty=True)
    raise ProjectError(f"there is no audit of {dataset}: run dvc repro audit@{models[0]}-{dataset}")


def is_drawn(dataset: str, settings: Dataset) -> bool:
    """Whether arrange@DATASET draws which images validate."""
    raw = paths.raw(dataset)
    return settings.manifest is None and "val" not in read_layout(raw, list_folder(raw)).splits


def proposals(findings: Sequence[Row], dataset: str, drawn: bool, names: dict[str, str]) -> Iterator[Row]:
    """Rows for all findings; `names`, {checksum: name}, are of images that are kept together already."""
    kept = [of for of in findings if is_kept_together(of, drawn)]
    pairs = [pair for of in kept if (pair := together(of, dataset))]
    for first, second in pairs:
        link(names, first["sha256"], second["sha256"])
    yield from (of | {"to": names[of["sha256"]]} for pair in pairs for of in pair)
    for of in findings:
        if of["kind"] == "label":
            yield row(dataset, "label", of["suggested"], of["file"], f"by all other images {of['suggested']}")
        elif of["kind"] in ALONE:
            yield row(dataset, "leave_out", "", of["file"], ALONE[of["kind"]])
        elif of["partner_split"] == "train" and not is_kept_together(of, drawn):
            left_out = row(dataset, "leave_out", "", of["partner"], f"a copy of {of['file']}, likeness {of['score']}")
            if left_out["sha256"] != sha256(paths.images(dataset) / of["file"]):  # else it would go from both splits
                yield left_out


def is_kept_together(of: Row, drawn: bool) -> bool:
    """Whether both images of a copy can land on one side."""
    return of["kind"] == "copy_within" or (of["kind"] == "copy" and drawn and "test" not in splits_of(of))


def splits_of(of: Row) -> tuple[str, str]:
    return of["split"], of["partner_split"]


def together(of: Row, dataset: str) -> list[Row]:
    """A row for either; none where they are the same to the byte, which arrange keeps together by itself."""
    pair = ((of["file"], of["partner"]), (of["partner"], of["file"]))
    rows = [row(dataset, "together", "", file, f"a copy of {other}, likeness {of['score']}") for file, other in pair]
    return rows if rows[0]["sha256"] != rows[1]["sha256"] else []


def link(names: dict[str, str], first: str, second: str) -> None:
    """Give both checksums, and all that are linked with either, one name."""
    name = names.get(first) or names.get(second) or first[:12]
    other = names.get(second, name)
    names |= {first: name, second: name} | {digest: name for digest, of in names.items() if of == other}


def row(dataset: str, change: str, to: str, file: str, why: str) -> Row:
    path = paths.images(dataset) / file
    if not path.is_file():
        raise ProjectError(f"{path}: the audit is of other images than are there now; run dvc repro, then this again")
    digest = sha256(path)
    return {"apply": "no", "change": change, "to": to, "sha256": digest, "file": file, "why": why}


if __name__ == "__main__":
    main()
