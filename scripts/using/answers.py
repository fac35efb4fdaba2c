"""What is said of a picture, as JSON: by scripts.predict a line each, by scripts.serve a body."""

from stages.models.classifier import Prediction

DECIMALS = 6


def as_row(file: str | None, of: Prediction) -> dict[str, object]:
    """`distance` and `threshold` are null, as `none_of_these`, where the model cannot tell."""
    return {
        "file": file,
        "class": of.label,
        "probability": round(of.probability, DECIMALS),
        "none_of_these": of.none_of_these,
        "distance": None if of.distance is None else round(of.distance, DECIMALS),
        "threshold": None if of.threshold is None else round(of.threshold, DECIMALS),
        "probabilities": {name: round(value, DECIMALS) for name, value in of.probabilities.items()},
    }
