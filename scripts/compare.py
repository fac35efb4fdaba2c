"""Two runs side by side: which settings differ, what came of it, and which images that turned over.

make compare A=REV B=REV

A and B are commits, branches or tags, experiments of `dvc exp run` by their names, or `workspace`: the files as they
are (B, if it is not given; A is then HEAD). Val images that both runs have are compared one by one.
"""

import argparse
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from scripts.reporting.revision import Revision
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.files import read_json
from stages.ground.params import PARAMS_FILE
from stages.statistics.inference import mcnemar_exact, p_value_text
from stages.statistics.paired import over_images

HALF = 40  # columns of a setting
NAMED = 5  # images


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", nargs="?", default="HEAD", metavar="A")
    parser.add_argument("second", nargs="?", default="workspace", metavar="B")
    parser.add_argument("--all", action="store_true", help="name every image whose answer turned over")
    arguments = parser.parse_args()
    first, second = Revision.of(arguments.first), Revision.of(arguments.second)
    print(f"A: {first.title}\nB: {second.title}\n")
    print("\n".join(settings(first.params(), second.params())))
    print()
    print("\n".join(results(first, second, None if arguments.all else NAMED)))
    if first.commit:
        print(
            f"Figures, one above the other: dvc plots diff {first.name} {second.name if second.commit else ''}".rstrip()
        )


def settings(first: Any, second: Any) -> list[str]:
    """One line for each setting that differs."""
    of_first, of_second = dict(flat(first)), dict(flat(second))
    keys = [key for key in {**of_first, **of_second} if of_first.get(key, ...) != of_second.get(key, ...)]
    if not keys:
        return [f"{PARAMS_FILE}: no setting differs"]
    shown = [(key, *(str(of.get(key, "absent")) for of in (of_first, of_second))) for key in keys]
    return [
        f"{PARAMS_FILE}:",
        *(f"  {key}: {shorten(before, HALF)} -> {shorten(after, HALF)}" for key, before, after in shown),
    ]


def shorten(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 2]} …"


def flat(content: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of all that a YAML file has at its ends."""
    if isinstance(content, dict) and content:
        for key, value in content.items():
            yield from flat(value, f"{above}.{key}" if above else str(key))
    else:
        yield above, content


@dataclass(frozen=True)
class Answers:
    """What one model says of the val images."""

    right: dict[tuple[str, str], bool]  # {(file, its class): whether the answer was right}

    @classmethod
    def of(cls, revision: Revision, cell: tuple[str, str, str]) -> "Answers | None":
        rows = revision.table(paths.predictions(*cell), ("file", "label", "prediction"))
        if rows is None:
            return None
        return cls({(row["file"], row["label"]): row["label"] == row["prediction"] for row in rows})


def results(first: Revision, second: Revision, named: int | None) -> list[str]:
    """Of each model whose answers are not the same in both; the others are counted."""
    lines, same = list[str](), 0
    for cell in cells(first, second):
        before, after = Answers.of(first, cell), Answers.of(second, cell)
        if before is None or after is None:
            lines.append(f"{' '.join(cell)}: only in {'A' if before else 'B'}")
        elif before == after:
            same += 1
        else:
            lines += [*compared(" ".join(cell), before, after, groups_of(cell[1]), named)]
            lines += [*other_metrics(first.json(paths.metrics(*cell)), second.json(paths.metrics(*cell))), ""]
    if same:
        lines.append(f"{same} {'models have' if same > 1 else 'model has'} the same val images right in both.")
    return lines or ["No model has answers in A or B; dvc repro gives them."]


def cells(first: Revision, second: Revision) -> list[tuple[str, str, str]]:
    """(network, data set, variant) of every predictions.tsv that one of them has."""
    found: dict[tuple[str, str, str], None] = {}
    for revision in (first, second):
        params = revision.params()
        names = ([*(params.get(section) or {})] for section in ("models", "datasets", "variants"))
        found |= {(m, d, v): None for m, d, v in product(*names) if revision.has(paths.predictions(m, d, v))}
    return list(found)


def groups_of(dataset: str) -> dict[str, str]:
    """{file: its group}, as the files are now; empty where the data set has none, or is not there."""
    path = paths.groups(dataset)
    return read_json(path) if path.is_file() else {}


def other_metrics(first: Any, second: Any) -> list[str]:
    """Of the two metrics files, what differs beside the accuracy."""
    pairs = {key: (first[key], second[key]) for key in first if key in second and "accuracy" not in key.split("_")[:1]}
    changed = [f"{key} {before} -> {after}" for key, (before, after) in pairs.items() if before != after]
    return textwrap.wrap(", ".join(changed), 96, initial_indent="  ", subsequent_indent="  ")


def compared(cell: str, before: Answers, after: Answers, groups: dict[str, str], named: int | None) -> list[str]:
    """The accuracies, their difference, and the images that turned over."""
    both = [key for key in before.right if key in after.right]
    of_a, of_b = (np.array([of.right[key] for key in both]) for of in (before, after))
    left_out = len(before.right) + len(after.right) - 2 * len(both)
    if not both:
        return [f"{cell}: A and B have no val image in common"]
    of_group = np.array([groups[file] for file, _ in both]) if all(file in groups for file, _ in both) else None
    mean, low, high = over_images(of_b.astype(float) - of_a, of_group)
    p_value = round(mcnemar_exact(of_a.tolist(), of_b.tolist()), 4)
    lines = [
        f"{cell}: {of_a.mean():.4f} -> {of_b.mean():.4f} of {len(both)} val images, {100 * mean + 0:+.1f} points",
        f"  95 % interval {100 * low:+.1f} to {100 * high:+.1f}, McNemar's p {p_value_text(p_value)}",
    ]
    if left_out:
        lines.append(f"  {left_out} val images are in one of them alone, and are not looked at")
    for what, turned in (("right to wrong", of_a & ~of_b), ("wrong to right", ~of_a & of_b)):
        files = [both[number][0] for number in np.flatnonzero(turned)]
        lines.append(f"  {what}: {len(files)}")
        lines += [f"    {file}" for file in files[:named]]
        if named is not None and len(files) > named:
            lines.append(f"    and {len(files) - named} more (ALL=1 names them)")
    return lines


if __name__ == "__main__":
    with one_line_errors():
        main()
