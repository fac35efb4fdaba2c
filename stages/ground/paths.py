"""Where every file of the graph lies, relative to the project's folder; dvc.yaml names the same places."""

from pathlib import Path

MANIFESTS = Path("data/manifests")
CODE = Path("stages")
SCRATCH = Path("work")  # git-ignored; nothing in it is a result


def raw(dataset: str) -> Path:
    return Path("data/raw") / dataset


def images(dataset: str) -> Path:
    return Path("data") / dataset


def values(dataset: str) -> Path:
    """Of a data set with pictures of more than 8 bits: what becomes black and white."""
    return images(dataset) / "values.json"


def groups(dataset: str) -> Path:
    """Of a data set with groups: {file: the name of its group}."""
    return images(dataset) / "groups.json"


def corrections(dataset: str) -> Path:
    """What its user found wrong with images, by checksum."""
    return Path("data/corrections") / f"{dataset}.tsv"


def corrected(dataset: str) -> Path:
    """Where there are corrections: how many of each kind were applied."""
    return images(dataset) / "corrections.json"


def weights(model: str) -> Path:
    return Path("weights") / f"{model}.safetensors"


def features(model: str, dataset: str) -> Path:
    return Path("features") / model / f"{dataset}.safetensors"


def model(model: str, dataset: str, variant: str) -> Path:
    return Path("models") / model / dataset / f"{variant}.safetensors"


def history(model: str, dataset: str, variant: str) -> Path:
    return _plots(model, dataset, variant) / "history.tsv"


def metrics(model: str, dataset: str, variant: str) -> Path:
    return Path("metrics") / model / dataset / f"{variant}.json"


def predictions(model: str, dataset: str, variant: str) -> Path:
    return _plots(model, dataset, variant) / "predictions.tsv"


def recall(model: str, dataset: str, variant: str) -> Path:
    return _plots(model, dataset, variant) / "recall.tsv"


def confidence(model: str, dataset: str, variant: str) -> Path:
    return Path("tables") / model / dataset / f"{variant}-confidence.tsv"


def comparison_metrics(model: str, dataset: str) -> Path:
    return Path("metrics") / model / f"{dataset}.json"


def curves(model: str, dataset: str) -> Path:
    return Path("plots") / model / f"{dataset}-curves.tsv"


def learning_curve(model: str, dataset: str) -> Path:
    return Path("plots") / model / f"{dataset}-learning_curve.tsv"


def embeddings(model: str, dataset: str) -> Path:
    """As the pretrained network sees the images, in two dimensions."""
    return Path("tables") / model / dataset / "embeddings.tsv"


def trained_embeddings(model: str, dataset: str, variant: str) -> Path:
    return Path("tables") / model / dataset / f"{variant}-embeddings.tsv"


def mistakes(model: str, dataset: str, variant: str) -> Path:
    """A folder."""
    return Path("tables") / model / dataset / f"{variant}-mistakes"


def audit(model: str, dataset: str) -> Path:
    """A folder: which images to look at."""
    return Path("tables") / model / dataset / "audit"


def audit_metrics(model: str, dataset: str) -> Path:
    return Path("metrics") / model / f"{dataset}-audit.json"


def figures(model: str, dataset: str) -> Path:
    """A folder."""
    return Path("plots") / model / f"{dataset}-figures"


def figure(model: str, dataset: str, name: str) -> Path:
    """Of one data set: `accuracy`, `comparison`, `embeddings` or `learning_curve`."""
    return figures(model, dataset) / f"{name}.png"


def variant_figure(model: str, dataset: str, variant: str, name: str) -> Path:
    """Of one variant: `embeddings`, `mistakes` or `reliability`."""
    return figures(model, dataset) / variant / f"{name}.png"


def trials(model: str, dataset: str) -> Path:
    """Of the study; kept by Git, and added to."""
    return Path("study") / model / dataset / "trials.tsv"


def verdicts(model: str, dataset: str) -> Path:
    return Path("study") / model / dataset / "verdicts.json"


def study_figures(model: str, dataset: str) -> Path:
    """A folder."""
    return Path("study") / model / dataset / "figures"


def study_figure(model: str, dataset: str, name: str = "study") -> Path:
    """`study` or, where fewer train images were tried, `by_images`."""
    return study_figures(model, dataset) / f"{name}.png"


def sweep(model: str, dataset: str, variant: str) -> Path:
    """Of a search for settings: all that were tried; kept by Git, and added to."""
    return Path("study") / model / dataset / f"sweep-{variant}.tsv"


def sweep_answers(model: str, dataset: str, variant: str) -> Path:
    """What the best of them has wrong among the val images; kept by Git, and added to."""
    return Path("study") / model / dataset / f"sweep-{variant}-confirmed.tsv"


def sweep_result(model: str, dataset: str, variant: str) -> Path:
    return Path("study") / model / dataset / f"sweep-{variant}.json"


def sweep_figure(model: str, dataset: str, variant: str) -> Path:
    return Path("study") / model / dataset / f"sweep-{variant}.png"


def seconds(model: str, dataset: str) -> Path:
    """How long trials took on this machine: no result."""
    return SCRATCH / "seconds" / model / f"{dataset}.tsv"


def _plots(model: str, dataset: str, variant: str) -> Path:
    return Path("plots") / model / dataset / variant
