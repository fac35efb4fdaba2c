"""Compare the variants of one network on one data set: do they differ, and by more than chance?

In:  the names under variants; metrics/MODEL/DATASET/ and plots/MODEL/DATASET/, of all variants
Out: metrics/MODEL/DATASET.json: accuracies, and each variant against the first with the exact McNemar test
     plots/MODEL/DATASET-curves.tsv: variant, split, epoch, loss, accuracy
     plots/MODEL/DATASET-comparison.png: the courses of training
     plots/MODEL/DATASET-accuracy.png: the accuracies with their intervals
"""

from stages.common import paths
from stages.common.cli import run
from stages.common.errors import ProjectError
from stages.common.figures import save_figure
from stages.common.figures.accuracy import Accuracy, draw_accuracy
from stages.common.figures.comparison import Curve, draw_comparison
from stages.common.files import read_json, read_table, write_json, write_table
from stages.common.params import load_params
from stages.common.published import published_accuracies
from stages.common.statistics import mcnemar_exact, p_value_text

Numbers = dict[str, float]
CURVES = ("split", "epoch", "loss", "accuracy")


def main(model: str, dataset: str) -> None:
    variants = load_params().variants
    metrics = {name: read_json(paths.metrics(model, dataset, name)) for name in variants}
    rows = {
        name: read_table(paths.predictions(model, dataset, name), ("file", "label", "prediction")) for name in variants
    }
    check_same_images(model, dataset, rows)
    right = {name: [row["label"] == row["prediction"] for row in rows[name]] for name in variants}
    comparison = compare(metrics, right)
    histories = {name: read_table(paths.history(model, dataset, name), CURVES) for name in variants}
    write_table(paths.curves(model, dataset), curves_table(histories))
    title = f"{model} on {dataset}: {len(right[next(iter(variants))])} val images"
    published = published_accuracies(model, dataset, {name: of.trainable for name, of in variants.items()})
    courses = {name: to_curves(history) for name, history in histories.items()}
    subtitles = {name: describe(numbers) for name, numbers in comparison.items()}
    save_figure(paths.comparison(model, dataset), draw_comparison(title, courses, subtitles, published))
    accuracies = {
        name: Accuracy(of["accuracy"], of["accuracy_low"], of["accuracy_high"], right[name].count(False))
        for name, of in comparison.items()
    }
    save_figure(paths.accuracy(model, dataset), draw_accuracy(title, accuracies, published))
    write_json(paths.comparison_metrics(model, dataset), {f"{model}-{dataset}": comparison})
    for name, numbers in comparison.items():
        print(f"{name}: {describe(numbers)}".replace("\n", ", "))


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
    """For each variant its accuracy and interval, and against the first its difference and p-value."""
    baseline, *others = metrics
    comparison = {
        name: {key: numbers[key] for key in ("accuracy", "accuracy_low", "accuracy_high")}
        for name, numbers in metrics.items()
    }
    for name in others:
        difference = metrics[name]["accuracy"] - metrics[baseline]["accuracy"]
        comparison[name]["accuracy_difference"] = round(difference, 4)
        comparison[name]["p_value"] = round(mcnemar_exact(right[baseline], right[name]), 4)
    return comparison


def describe(numbers: Numbers) -> str:
    """One line of the variant's own numbers, and one of its difference from the first."""
    line = f"accuracy {numbers['accuracy']:.4f} ({numbers['accuracy_low']:.3f} to {numbers['accuracy_high']:.3f})"
    if "p_value" in numbers:
        line += f"\ndifference {numbers['accuracy_difference']:+.4f}, p {p_value_text(numbers['p_value'])}"
    return line


def curves_table(histories: dict[str, list[dict[str, str]]]) -> list[dict[str, str]]:
    """All histories, one below the other."""
    return [
        {"variant": name, **{column: row[column] for column in CURVES}}
        for name, history in histories.items()
        for row in history
    ]


def to_curves(history: list[dict[str, str]]) -> dict[str, Curve]:
    splits = {split: [row for row in history if row["split"] == split] for split in ("train", "val")}
    return {
        split: Curve([float(row["loss"]) for row in rows], [float(row["accuracy"]) for row in rows])
        for split, rows in splits.items()
    }


if __name__ == "__main__":
    run(main)
