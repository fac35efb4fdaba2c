"""Where every file of the graph lies, relative to the project's folder; dvc.yaml names the same places."""

from pathlib import Path

MANIFESTS = Path("data/manifests")
CODE = Path("stages")
SCRATCH = Path("work")  # git-ignored; nothing in it is a result


def raw(dataset: str) -> Path:
    return Path("data/raw") / dataset


def images(dataset: str) -> Path:
    return Path("data") / dataset


def weights(model: str) -> Path:
    return Path("weights") / f"{model}.pt"


def features(model: str, dataset: str) -> Path:
    return Path("features") / model / f"{dataset}.pt"


def model(model: str, dataset: str, variant: str) -> Path:
    return Path("models") / model / dataset / f"{variant}.pt"


def history(model: str, dataset: str, variant: str) -> Path:
    return _plots(model, dataset, variant) / "history.tsv"


def metrics(model: str, dataset: str, variant: str) -> Path:
    return Path("metrics") / model / dataset / f"{variant}.json"


def predictions(model: str, dataset: str, variant: str) -> Path:
    return _plots(model, dataset, variant) / "predictions.tsv"


def recall(model: str, dataset: str, variant: str) -> Path:
    return _plots(model, dataset, variant) / "recall.tsv"


def mistakes(model: str, dataset: str, variant: str) -> Path:
    return _plots(model, dataset, variant) / "mistakes.png"


def reliability(model: str, dataset: str, variant: str) -> Path:
    return _plots(model, dataset, variant) / "reliability.png"


def trained_embeddings(model: str, dataset: str, variant: str) -> Path:
    return _plots(model, dataset, variant) / "embeddings.png"


def comparison_metrics(model: str, dataset: str) -> Path:
    return Path("metrics") / model / f"{dataset}.json"


def curves(model: str, dataset: str) -> Path:
    return Path("plots") / model / f"{dataset}-curves.tsv"


def comparison(model: str, dataset: str) -> Path:
    return Path("plots") / model / f"{dataset}-comparison.png"


def accuracy(model: str, dataset: str) -> Path:
    return Path("plots") / model / f"{dataset}-accuracy.png"


def embeddings(model: str, dataset: str) -> Path:
    return Path("plots") / model / f"{dataset}-embeddings.png"


def learning_curve(model: str, dataset: str) -> Path:
    return Path("plots") / model / f"{dataset}-learning_curve.tsv"


def learning_curve_figure(model: str, dataset: str) -> Path:
    return Path("plots") / model / f"{dataset}-learning_curve.png"


def _plots(model: str, dataset: str, variant: str) -> Path:
    return Path("plots") / model / dataset / variant
