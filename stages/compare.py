"""Compare the variants of one network on one data set: do they differ, and by more than chance?

In:  the names under variants; metrics/MODEL/DATASET/ and plots/MODEL/DATASET/, of all variants;
     tables/MODEL/DATASET/audit/
Out: metrics/MODEL/DATASET.json: accuracies, each variant against the first with the exact McNemar test, and the
         accuracy on val images that are no copies of train images and whose labels are not doubtful
     plots/MODEL/DATASET-curves.tsv: variant, split, epoch, loss, accuracy
"""

from typing import Any

from stages.ground import paths
from stages.ground.cli import run
from stages.ground.errors import ProjectError
from stages.ground.files import read_numbers, read_table, read_typed, write_json, write_table
from stages.ground.params import load_section
from stages.statistics.inference import OF_UNEQUAL, described, described_clean, mcnemar_exact, wilson_interval

Numbers = dict[str, float]
ACCURACY = ("accuracy", "accuracy_low", "accuracy_high")
FINDINGS = dict.fromkeys(("kind", "file", "split", "partner", "partner_split", "copies"), str)
CURVES = {"split": str, "epoch": int, "loss": float, "accuracy": float}


def main(model: str, dataset: str) -> None:
    variants: dict[str, Any] = load_section("variants", dict[str, Any])
    metrics = {name: read_metrics(model, dataset, name) for name in variants}
    rows = {
        name: read_table(paths.predictions(model, dataset, name), ("file", "label", "prediction")) for name in variants
    }
    check_same_images(model, dataset, rows)
    right = {name: [row["label"] == row["prediction"] for row in rows[name]] for name in variants}
    comparison = compare(metrics, right)
    doubtful = doubtful_images(model, dataset)
    for name in variants:
        comparison[name] |= without(doubtful, [row["file"] for row in rows[name]], right[name])
    histories = {name: read_typed(paths.history(model, dataset, name), CURVES) for name in variants}
    write_table(paths.curves(model, dataset), curves_table(histories))
    write_json(paths.comparison_metrics(model, dataset), {f"{model}-{dataset}": comparison})
    for name, numbers in comparison.items():
        print(f"{name}: {described(numbers)}".replace("\n", ", "))
        print(f"  {described_clean(numbers)}")


def read_metrics(model: str, dataset: str, variant: str) -> Numbers:
    numbers = read_numbers(paths.metrics(model, dataset, variant), ACCURACY, optional=OF_UNEQUAL)
    return {key: value for key, value in numbers.items() if key in ACCURACY or "class_ratio" in numbers}


def check_same_images(model: str, dataset: str, rows: dict[str, list[dict[str, str]]]) -> None:
    """McNemar's test is of pairs: both variants' answers to one image."""
    files = {name: [(row["file"], row["label"]) for row in table] for name, table in rows.items()}
    baseline, *others = files
    for name in others:
        if files[name] != files[baseline]:
            raise ProjectError(
                f"{paths.predictions(model, dataset, name)} is of other images than"
                f" {paths.predictions(model, dataset, baseline)}: run dvc repro, which evaluates both on the same"
            )


def compare(metrics: dict[str, Numbers], right: dict[str, list[bool]]) -> dict[str, Numbers]:
    """For each variant its metrics, and against the first its difference of accuracy and p-value."""
    baseline, *others = metrics
    comparison = {name: dict(numbers) for name, numbers in metrics.items()}
    for name in others:
        difference = metrics[name]["accuracy"] - metrics[baseline]["accuracy"]
        comparison[name]["accuracy_difference"] = round(difference, 4)
        comparison[name]["p_value"] = round(mcnemar_exact(right[baseline], right[name]), 4)
    return comparison


def doubtful_images(model: str, dataset: str) -> set[str]:
    """Val images that are copies of train images, directly or by way of others, or whose label is doubtful."""
    rows = read_typed(paths.audit(model, dataset) / "audit.tsv", FINDINGS, may_be_empty=True)
    training = {row["copies"] for row in rows if "train" in (row["split"], row["partner_split"])} - {""}
    copies = {row[name] for row in rows if row["copies"] in training for name in ("file", "partner")}
    return copies | {row["file"] for row in rows if row["kind"] == "label"}


def without(doubtful: set[str], files: list[str], right: list[bool]) -> Numbers:
    """The accuracy on the other images, with its 95 % interval; none where there are no others."""
    kept = [correct for file, correct in zip(files, right, strict=True) if file not in doubtful]
    numbers: Numbers = {"clean_images": len(kept)}
    if kept:
        low, high = wilson_interval(sum(kept), len(kept))
        of = {"clean_accuracy": sum(kept) / len(kept), "clean_accuracy_low": low, "clean_accuracy_high": high}
        numbers |= {name: round(value, 4) for name, value in of.items()}
    return numbers


def curves_table(histories: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """All histories, one below the other."""
    return [{"variant": name, **row} for name, history in histories.items() for row in history]


if __name__ == "__main__":
    run(main)
