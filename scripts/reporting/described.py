"""What a figure shows, in numbers and words, for those who do not see it; out of the tables that Git keeps.

Each function gives one sentence or more, or "" where its table is not there.
"""

from collections import Counter
from pathlib import Path

from scripts.results import result_rows, spread_rows
from stages.audit import KINDS
from stages.ground import paths
from stages.ground.files import read_json, read_table

FEW = 12  # classes that are named one by one
PAIRS = 3  # of classes that are taken for each other, that are named


def courses(model: str, dataset: str) -> str:
    return " ".join(course(_rows(paths.curves(model, dataset)), measure) for measure in ("loss", "accuracy"))


def course(rows: list[dict[str, str]], measure: str) -> str:
    """Where the val curves begin and end."""
    val = [row for row in rows if row["split"] == "val"]
    ends = [
        f"{variant} from {float(of[0][measure]):.3f} to {float(of[-1][measure]):.3f} in {len(of)} epochs"
        for variant in dict.fromkeys(row["variant"] for row in val)
        if (of := [row for row in val if row["variant"] == variant])
    ]
    return f"Val {measure}: {'; '.join(ends)}." if ends else ""


def accuracies(model: str, dataset: str) -> str:
    told = [f"{row[2]} {row[5]} ({row[6]})" for row in result_rows(model, dataset)]
    return f"{'; '.join(told)}." if told else ""


def means_by_images(model: str, dataset: str) -> str:
    drawn: dict[int, list[float]] = {}
    for row in _rows(paths.learning_curve(model, dataset)):
        drawn.setdefault(int(row["images"]), []).append(float(row["accuracy"]))
    means = [f"{sum(of) / len(of):.3f} with {images}" for images, of in sorted(drawn.items())]
    return f"Mean val accuracy, by train images: {', '.join(means)}." if means else ""


def classes(model: str, dataset: str) -> str:
    compared = paths.comparison_metrics(model, dataset)
    variants = read_json(compared)[f"{model}-{dataset}"] if compared.is_file() else {}
    sizes = [row for variant in list(variants)[:1] for row in _rows(paths.recall(model, dataset, variant))]
    if not sizes:
        return ""
    if len(sizes) > FEW:
        return f"{len(sizes)} classes."
    told = [f"{row['class']} {row['images']}" for row in sizes]
    return f"Val images by class: {', '.join(told)}."


def findings(model: str, dataset: str) -> str:
    path = paths.audit_metrics(model, dataset)
    if not path.is_file():
        return ""
    found = {what: number for kind, what in KINDS.items() if (number := findings_of(read_json(path), kind))}
    return f"{', '.join(f'{what}: {number}' for what, number in found.items()) or 'nothing was found'}."


def findings_of(metrics: dict[str, int], kind: str) -> int:
    """Whatever their split."""
    return metrics[kind] + metrics[f"test_{kind}"]


def calibration(model: str, dataset: str, variant: str) -> str:
    path = paths.metrics(model, dataset, variant)
    return f"Expected calibration error {read_json(path)['ece']:.3f}." if path.is_file() else ""


def mistakes(model: str, dataset: str, variant: str) -> str:
    rows = _rows(paths.predictions(model, dataset, variant))
    wrong = Counter((row["label"], row["prediction"]) for row in rows if row["label"] != row["prediction"])
    if not rows:
        return ""
    told = [f"{label} taken for {answer} {count}" for (label, answer), count in wrong.most_common(PAIRS)]
    most = f", of {len(wrong)} kinds most: " if len(wrong) > PAIRS else ": " if told else ""
    return f"{wrong.total()} mistakes among {len(rows)} val images{most}{', '.join(told)}."


def trials(model: str, dataset: str) -> str:
    rows = [row for _, row in spread_rows(model, dataset)]
    told = [f"{row[2]} {row[4]} ({row[5]}; difference: {row[6]})" for row in rows]
    return f"Mean val accuracy, where 95 % of the trials lie, and the difference: {'; '.join(told)}." if told else ""


def trials_by_images(model: str, dataset: str) -> str:
    path = paths.verdicts(model, dataset)
    told = []
    for variant, of in (read_json(path) if path.is_file() else {}).items():
        means = {
            **{images: part["accuracy"] for images, part in of.get("by_images", {}).items()},
            "all": of["accuracy"],
        }
        told.append(f"{variant} {', '.join(f'{mean:.3f} with {images}' for images, mean in means.items())}")
    return f"Mean val accuracy, by train images: {'; '.join(told)}." if told else ""


def _rows(path: Path) -> list[dict[str, str]]:
    return read_table(path) if path.is_file() else []
