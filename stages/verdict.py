"""Say what the trials tell: is another way of training better than the first one, by how much, and how sure is that?

In:  study.margin, the names under variants and study.variants, study/MODEL/DATASET/trials.tsv
Out: study/MODEL/DATASET/verdicts.json: of each way of training how its accuracies spread, and, but for the first, how
     it compares with that one: `sentence` says it
"""

from typing import Any

import numpy as np

from stages.ground import paths
from stages.ground.cli import run
from stages.ground.errors import ProjectError
from stages.ground.files import write_json
from stages.ground.params import load_section
from stages.statistics.paired import compared
from stages.statistics.verdict import Verdict
from stages.study.settings import Study
from stages.study.trials import Trial, accuracies, paired, read_trials

DIGITS = 4


def main(model: str, dataset: str) -> None:
    study: Study = load_section("study", Study)
    names = [*load_section("variants", dict[str, Any]), *study.variants]
    trials = read_trials(paths.trials(model, dataset))
    if missing := [name for name in names if len(accuracies(trials, name)) < 2]:
        raise ProjectError(
            f"{paths.trials(model, dataset)}: fewer than two trials of {missing[0]} in it; run make study"
        )
    verdicts: dict[str, dict[str, object]] = {name: spread(list(accuracies(trials, name).values())) for name in names}
    baseline, *others = names
    for name in others:
        verdicts[name] |= against(name, baseline, f"{model} on {dataset}", trials, study.margin)
        print(verdicts[name]["sentence"])
    write_json(paths.verdicts(model, dataset), verdicts)


def spread(found: list[float]) -> dict[str, object]:
    """Of the accuracies of all trials of one way of training."""
    low, high = np.quantile(found, [0.025, 0.975])
    numbers = {
        "accuracy": np.mean(found),
        "deviation": np.std(found, ddof=1),
        "percentile_2.5": low,
        "percentile_97.5": high,
    }
    return {"trials": len(found), **{name: round(float(number), DIGITS) for name, number in numbers.items()}}


def against(name: str, baseline: str, cell: str, trials: list[Trial], margin: float) -> dict[str, object]:
    """Of the trials that both have."""
    first, second = paired(trials, name, baseline)
    both = accuracies(trials, name).keys() & accuracies(trials, baseline).keys()
    sizes = [(of.train_images, of.val_images) for of in trials if of.variant == name and of.split in both]
    train, val = np.mean(sizes, axis=0).round().astype(int).tolist()
    verdict = Verdict(compared(first, second, train, val), margin, train + val)
    of = verdict.paired
    numbers = {
        "difference": of.mean,
        "difference_low": of.low,
        "difference_high": of.high,
        "ahead": of.better,
        "ahead_low": of.better_low,
        "ahead_high": of.better_high,
        "same": of.within(margin),
    }
    return {
        "pairs": of.trials,
        **{key: round(number, DIGITS) for key, number in numbers.items()},
        "answer": verdict.answer,
        "sentence": verdict.sentence(name, baseline, cell),
    }


if __name__ == "__main__":
    run(main)
