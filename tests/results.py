"""Made-up results of one network and data set, written by the stages' own functions, without training."""

import torch
from matplotlib.figure import Figure

from stages import compare, evaluate
from stages.common import paths
from stages.common.figures import save_figure
from stages.common.files import write_json, write_table
from stages.common.images import LabelledFiles

EPOCHS = 3
IMAGES = 6  # of each class


def write_results(model: str, dataset: str, classes: list[str], variants: list[str], wrong: int = 2) -> None:
    """What the stages write; of each class, variant n calls the first `wrong` + n images the next class."""
    for number, variant in enumerate(variants):
        cell = (model, dataset, variant)
        labels = torch.arange(len(classes)).repeat_interleave(IMAGES)
        is_wrong = torch.arange(IMAGES).repeat(len(classes)) < wrong + number
        answers = (labels + is_wrong) % len(classes)
        logits = 2.0 * torch.nn.functional.one_hot(answers, len(classes))
        names = [f"val/{classes[label]}/{place}.jpg" for place, label in enumerate(labels.tolist())]
        listed = LabelledFiles([paths.images(dataset) / name for name in names], labels, classes)
        write_json(paths.metrics(*cell), {"precision": "float32", **evaluate.measure(logits, labels)})
        write_table(paths.predictions(*cell), evaluate.predictions(logits, listed, dataset))
        write_table(paths.recall(*cell), evaluate.recall(logits, listed))
        write_table(paths.history(*cell), _history(number))
        save_figure(paths.mistakes(*cell), Figure(figsize=(11, 3)))
        save_figure(paths.reliability(*cell), Figure(figsize=(5, 5)))
        save_figure(paths.trained_embeddings(*cell), Figure(figsize=(6, 6)))
    save_figure(paths.embeddings(model, dataset), Figure(figsize=(6, 6)))
    save_figure(paths.learning_curve_figure(model, dataset), Figure(figsize=(6, 4)))
    compare.main(model, dataset)


def _history(number: int) -> list[dict[str, str | int | float]]:
    return [
        {"epoch": epoch, "split": split, "loss": 1.0 / (epoch + number), "accuracy": 1 - 0.5 / epoch, "lr": 0.01}
        for epoch in range(1, EPOCHS + 1)
        for split in ("train", "val")
    ]
