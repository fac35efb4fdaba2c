"""Made-up results of one network and data set, written by the stages' own functions, without training."""

from collections import Counter

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from stages import audit, compare, draw_study, evaluate, verdict
from stages.audit import Finding
from stages.explain import COLUMNS, surest
from stages.faults.shortcuts import Shortcut
from stages.figures.style import save_figure
from stages.ground import paths
from stages.ground.files import read_json, read_typed, write_json, write_table
from stages.study.trials import Trial, write_trials

EPOCHS = 3
IMAGES = 6  # of each class


def write_results(
    model: str, dataset: str, classes: list[str], variants: list[str], wrong: int = 2, images: int | list[int] = IMAGES
) -> None:
    """What the stages write; of each class, variant n calls the first `wrong` + n images the next class.

    `images` of each class.
    """
    sizes = np.broadcast_to(images, len(classes))
    for number, variant in enumerate(variants):
        cell = (model, dataset, variant)
        labels = np.arange(len(classes)).repeat(sizes)
        is_wrong = np.concatenate([np.arange(size) for size in sizes]) < wrong + number
        logits = 2 * np.eye(len(classes), dtype=np.float32)[(labels + is_wrong) % len(classes)]
        files = [f"val/{classes[label]}/{place}.jpg" for place, label in enumerate(labels)]
        answers = evaluate.Answers(files, labels, logits, logits)
        write_json(paths.metrics(*cell), {"precision": "float32", **evaluate.measure(answers)})
        write_table(paths.predictions(*cell), evaluate.predictions(answers, classes))
        write_table(paths.recall(*cell), evaluate.recall(answers, classes))
        write_table(paths.history(*cell), _history(number))
        for name, size in (("mistakes", (11, 3)), ("reliability", (5, 5)), ("embeddings", (6, 6))):
            save_figure(paths.variant_figure(*cell, name), Figure(figsize=size))
    write_findings(model, dataset, [])
    shortcuts = [Shortcut("file", 0.5, 0.4, 0.5), Shortcut("colours", 0.9, 0.8, 0.5)]
    write_json(paths.audit_metrics(model, dataset), audit.counts([], shortcuts))
    for name in ("accuracy", "audit", "comparison", "embeddings", "learning_curve"):
        save_figure(paths.figure(model, dataset, name), Figure(figsize=(6, 4)))
    compare.main(model, dataset)


def write_findings(model: str, dataset: str, findings: list[Finding]) -> None:
    """As audit@MODEL-DATASET does, without thumbnails."""
    table = paths.audit(model, dataset) / "audit.tsv"
    write_table(table, audit.rows(findings), ("number", *Finding.__dataclass_fields__))


def write_pictures(model: str, dataset: str, variant: str, *findings: Finding) -> None:
    """The single pictures of a variant's mistakes, each with a heat map, and of all the audit's findings."""
    folder = paths.mistakes(model, dataset, variant)
    folder.mkdir(parents=True)
    rows = read_typed(paths.predictions(model, dataset, variant), COLUMNS)
    mistakes = surest([row for row in rows if row["label"] != row["prediction"]])
    numbered = [{"number": number, **row} for number, row in enumerate(mistakes, start=1)]
    write_table(folder / "mistakes.tsv", numbered, ("number", *COLUMNS))
    for row in numbered:
        Image.new("RGB", (28, 28), (200, 150, 0)).save(folder / f"{row['number']}.png")
        Image.fromarray(np.uint8([[0, 50, 255], [0, 0, 50], [0, 0, 0]])).save(folder / f"{row['number']}-heat.png")
    write_findings(model, dataset, list(findings))
    for number, finding in enumerate(findings, start=1):
        for end in ("", "-partner") if finding.partner else ("",):
            Image.new("RGB", (12, 9), (0, 150, 200)).save(paths.audit(model, dataset) / f"{number}{end}.png")
    metrics = paths.audit_metrics(model, dataset)
    write_json(metrics, read_json(metrics) | dict(Counter(finding.kind for finding in findings)))


def write_study(model: str, dataset: str, mistakes: dict[str, list[int]]) -> None:
    """Trials of these ways of training, with so many mistakes of 100 each, and what the stages make of them."""
    trials = [
        Trial(variant, 0, number, number, 200, 100, wrong, 0.1, "float32", "a", "b")
        for variant, of in mistakes.items()
        for number, wrong in enumerate(of)
    ]
    write_trials(paths.trials(model, dataset), trials)
    verdict.main(model, dataset)
    draw_study.main(model, dataset)


def _history(number: int) -> list[dict[str, str | int | float]]:
    return [
        {"epoch": epoch, "split": split, "loss": 1.0 / (epoch + number), "accuracy": 1 - 0.5 / epoch, "lr": 0.01}
        for epoch in range(1, EPOCHS + 1)
        for split in ("train", "val")
    ]
