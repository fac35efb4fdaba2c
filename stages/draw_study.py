"""Draw the study of one network and data set: every trial a point.

In:  study.margin, the names under variants and study.variants, study/MODEL/DATASET/{trials.tsv,verdicts.json}
Out: study/MODEL/DATASET/figures/: study.png; by_images.png, where fewer train images were tried
"""

from typing import Any

from matplotlib.figure import Figure

from stages.figures.by_images import draw_by_images
from stages.figures.study import Difference, draw_study
from stages.figures.style import save_figure
from stages.ground import paths
from stages.ground.cli import run
from stages.ground.files import read_json, read_numbers, written_whole
from stages.ground.params import load_section
from stages.study.settings import Study
from stages.study.trials import Trial, accuracies, paired, read_trials


def main(model: str, dataset: str) -> None:
    study: Study = load_section("study", Study)
    baseline, *others = names = [*load_section("variants", dict[str, Any]), *study.variants]
    trials = read_trials(paths.trials(model, dataset))
    path = paths.verdicts(model, dataset)
    verdicts, differences = read_json(path), {}
    for name in others:
        first, second = paired(trials, name, baseline)
        mean, low, high = read_numbers(path, ("difference", "difference_low", "difference_high"), (name,)).values()
        differences[name] = Difference(list(first - second), mean, low, high, verdicts[name]["sentence"])
    found = {name: list(accuracies(trials, name).values()) for name in names}
    title = f"{model} on {dataset}"
    with written_whole(paths.study_figures(model, dataset)) as folder:
        save_figure(folder / "study.png", draw_study(title, found, baseline, differences, study.margin))
        if sizes := sorted({of.images for of in trials if of.variant in names} - {0}):
            save_figure(folder / "by_images.png", by_images(title, names, trials, sizes, verdicts))
    print(f"{paths.study_figures(model, dataset)}: {', '.join(names)}")


def by_images(title: str, names: list[str], trials: list[Trial], sizes: list[int], verdicts: dict[str, Any]) -> Figure:
    """All train images come last, under their number in the first trial."""
    everything = next(of.train_images for of in trials if of.images == 0 and of.variant in names)
    found = {
        name: {
            images or everything: list(of.values())
            for images in (*sizes, 0)
            if (of := accuracies(trials, name, images))
        }
        for name in names
    }
    return draw_by_images(title, found, [of["from_images"] for of in verdicts.values() if "from_images" in of])


if __name__ == "__main__":
    run(main)
