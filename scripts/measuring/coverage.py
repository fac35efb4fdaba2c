"""How often the study's interval holds the truth, where the truth is known: `python -m scripts.measuring.coverage`.

Draws studies of two ways of training that are equally good, and prints the table of docs/study.md.
"""

import numpy as np

from stages.statistics.paired import compared, half_width

STUDIES = 2000
SHAPES = ((10, 200, 120), (29, 200, 120), (10, 120, 30), (10, 60, 40), (29, 60, 40), (10, 50, 50), (10, 200, 200))


def main() -> None:
    print("| trials | train, val images | corrected interval holds the truth | usual interval does |")
    print("| --- | --- | --- | --- |")
    for trials, train, val in SHAPES:
        corrected, usual = coverage(trials, train, val)
        print(f"| {trials} | {train}, {val} | {100 * corrected:.1f} % | {100 * usual:.1f} % |", flush=True)


def coverage(trials: int, train: int, val: int) -> tuple[float, float]:
    """The shares of drawn studies whose corrected, and whose usual, interval holds 0."""
    rng, corrected, usual = np.random.default_rng(1), 0, 0
    for _ in range(STUDIES):
        of = compared(*drawn_study(rng, trials, train, val), train, val)
        corrected += of.low <= 0 <= of.high
        usual += abs(of.mean) <= half_width(of.deviation / np.sqrt(trials), trials)
    return corrected / STUDIES, usual / STUDIES


def drawn_study(rng: np.random.Generator, trials: int, train: int, val: int) -> tuple[np.ndarray, np.ndarray]:
    """The accuracies of two classifiers over `trials` splits of one drawn set of points of two classes.

    Each looks at three of six coordinates that are equally telling, so that on another set both are equally good.
    """
    labels = rng.integers(0, 2, train + val)
    points = rng.normal(size=(train + val, 6)) + 0.55 * (2 * labels[:, None] - 1)
    accuracies = np.empty((2, trials))
    for trial in range(trials):
        order = rng.permutation(train + val)
        learnt, held_out = order[:train], order[train:]
        for number, seen in enumerate((slice(0, 3), slice(3, 6))):
            means = [points[learnt][labels[learnt] == label, seen].mean(0) for label in (0, 1)]
            sides = (points[held_out, seen] - (means[0] + means[1]) / 2) @ (means[1] - means[0])
            accuracies[number, trial] = ((sides > 0) == labels[held_out]).mean()
    return accuracies[0], accuracies[1]


if __name__ == "__main__":
    main()
