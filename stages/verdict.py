"""Say what the trials tell: is another way of training better than the first one, by how much, and how sure is that?

In:  study.margin, the names under variants and study.variants, study/MODEL/DATASET/trials.tsv
Out: study/MODEL/DATASET/verdicts.json: of each way of training how its accuracies spread, and, but for the first, how
     it compares with that one: `sentence` says it; the same by the number of train images, where fewer were tried
"""

from typing import Any

import numpy as np

from stages.ground import paths
from stages.ground.cli import run
from stages.ground.errors import ProjectError
from stages.ground.files import write_json
from stages.ground.params import load_section
from stages.statistics.paired import compared
from stages.statistics.verdict import Verdict, tipping_sentence
from stages.study.settings import Study
from stages.study.trials import Trial, accuracies, balanced, paired, parts, read_trials

DIGITS = 4

Numbers = dict[str, Any]


def main(model: str, dataset: str) -> None:
    study: Study = load_section("study", Study)
    baseline, *others = names = [*load_section("variants", dict[str, Any]), *study.variants]
    trials = read_trials(paths.trials(model, dataset))
    if missing := [name for name in names if len(accuracies(trials, name)) < 2]:
        path = paths.trials(model, dataset)
        raise ProjectError(f"{path}: fewer than two trials of {missing[0]} in it; run make study")
    verdicts = {name: {**spread(trials, name), **deviations(trials, name)} for name in names}
    for name in others:
        verdict = against(name, baseline, trials, study.margin)
        sentence = verdict.sentence(name, baseline, f"{model} on {dataset}")
        verdicts[name] |= {**numbers_of(verdict), "sentence": sentence}
        print(sentence)
    sizes = sorted({of.images for of in trials if of.variant in names} - {0})
    for name in names:
        verdicts[name]["by_images"] = by_images(name, baseline, sizes, trials, study.margin)
    for name in others if sizes else ():
        verdicts[name]["from_images"] = sentence = tipping(name, baseline, f"{model} on {dataset}", verdicts)
        print(sentence)
    write_json(paths.verdicts(model, dataset), verdicts)


def by_images(name: str, baseline: str, sizes: list[int], trials: list[Trial], margin: float) -> dict[str, Numbers]:
    """What `main` says of all train images, of fewer: {number: …}, of those that there are trials of."""
    found: dict[str, Numbers] = {}
    for images in sizes:
        if len(accuracies(trials, name, images)) >= 2:
            found[str(images)] = spread(trials, name, images)
            if name != baseline and len(paired(trials, name, baseline, images)[0]) >= 2:
                found[str(images)] |= numbers_of(against(name, baseline, trials, margin, images))
    return found


def tipping(name: str, baseline: str, cell: str, verdicts: dict[str, Numbers]) -> str:
    """From how many train images on is it better? A number only where the intervals carry it, there and above."""
    answers = {int(images): of.get("answer", "few") for images, of in verdicts[name]["by_images"].items()}
    all_images = round(verdicts[name]["train_images"])
    return tipping_sentence(name, baseline, cell, {**answers, all_images: verdicts[name]["answer"]})


def spread(trials: list[Trial], name: str, images: int = 0) -> Numbers:
    """Of the accuracies of all trials of one way of training; with the balanced one where classes are unequal."""
    found = list(accuracies(trials, name, images).values())
    low, high = np.quantile(found, [0.025, 0.975])
    numbers = {
        "accuracy": np.mean(found),
        "deviation": np.std(found, ddof=1),
        "percentile_2.5": low,
        "percentile_97.5": high,
    }
    if (of_classes := balanced(trials, name, images)) is not None:
        numbers["balanced_accuracy"] = of_classes
    return {"trials": len(found), **{key: round(float(number), DIGITS) for key, number in numbers.items()}}


def deviations(trials: list[Trial], name: str) -> Numbers:
    """Where the spread comes from: how much is there with other seeds alone, and with other splits alone?"""
    of_parts = dict(zip(("deviation_of_seeds", "deviation_of_splits"), parts(trials, name), strict=True))
    return {key: round(float(np.std(of, ddof=1)), DIGITS) for key, of in of_parts.items() if len(of) >= 3}


def against(name: str, baseline: str, trials: list[Trial], margin: float, images: int = 0) -> Verdict:
    """Of the trials that both have."""
    first, second = paired(trials, name, baseline, images)
    both = accuracies(trials, name, images).keys() & accuracies(trials, baseline, images).keys()
    sizes = [
        (of.train_images, of.val_images)
        for of in trials
        if of.variant == name and of.images == images and of.split == of.seed and of.split in both
    ]
    train, val = np.mean(sizes, axis=0).round().astype(int).tolist()
    return Verdict(compared(first, second, train, val), margin, train, val)


def numbers_of(verdict: Verdict) -> Numbers:
    of = verdict.paired
    numbers = {
        "difference": of.mean,
        "difference_low": of.low,
        "difference_high": of.high,
        "ahead": of.better,
        "ahead_low": of.better_low,
        "ahead_high": of.better_high,
        "same": of.within(verdict.margin),
    }
    return {
        "pairs": of.trials,
        "train_images": verdict.train_images,
        **{key: round(number, DIGITS) for key, number in numbers.items()},
        "answer": verdict.answer,
    }


if __name__ == "__main__":
    run(main)
