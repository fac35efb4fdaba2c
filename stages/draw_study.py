"""Draw the study of one network and data set: every trial a point.

In:  study.margin, the names under variants and study.variants, study/MODEL/DATASET/{trials.tsv,verdicts.json}
Out: study/MODEL/DATASET/study.png
"""

from typing import Any

from stages.figures.study import Difference, draw_study
from stages.figures.style import save_figure
from stages.ground import paths
from stages.ground.cli import run
from stages.ground.files import read_json, read_numbers, written_whole
from stages.ground.params import load_section
from stages.study.settings import Study
from stages.study.trials import accuracies, paired, read_trials


def main(model: str, dataset: str) -> None:
    study: Study = load_section("study", Study)
    baseline, *others = names = [*load_section("variants", dict[str, Any]), *study.variants]
    trials = read_trials(paths.trials(model, dataset))
    path = paths.verdicts(model, dataset)
    differences = {}
    for name in others:
        first, second = paired(trials, name, baseline)
        of = read_numbers(path, ("difference", "difference_low", "difference_high"), (name,))
        differences[name] = Difference(
            list(first - second),
            of["difference"],
            of["difference_low"],
            of["difference_high"],
            str(read_json(path)[name]["sentence"]),
        )
    found = {name: list(accuracies(trials, name).values()) for name in names}
    with written_whole(paths.study_figure(model, dataset)) as part:
        figure = draw_study(f"{model} on {dataset}", found, baseline, differences, study.margin)
        save_figure(part, figure)
    print(f"{paths.study_figure(model, dataset)}: {', '.join(names)}")


if __name__ == "__main__":
    run(main)
