"""Draw a search for settings: how losses lie over the first two of them, and what came of the best.

In:  sweep, study/MODEL/DATASET/{sweep-VARIANT.tsv,sweep-VARIANT.json}
Out: study/MODEL/DATASET/sweep-VARIANT.png
"""

from stages.figures.style import save_figure
from stages.figures.sweep import Axis, draw_sweep
from stages.ground import paths
from stages.ground.cli import run
from stages.ground.files import read_json, read_numbers
from stages.ground.params import load_section
from stages.search.settings import Between, Sweep
from stages.search.tries import read_tries


def main(model: str, dataset: str) -> None:
    sweep: Sweep = load_section("sweep", Sweep)
    result = paths.sweep_result(model, dataset, sweep.variant)
    found = read_tries(paths.sweep(model, dataset, sweep.variant), sweep.settings)
    tries = [of for of in found.values() if of.settings]
    axes = [
        Axis(key, [of.settings[key] for of in tries], isinstance(wanted, Between))
        for key, wanted in list(sweep.settings.items())[:2]
    ]
    inside, *confirmed = read_numbers(
        result, ("inside_difference", "confirmed_difference", "confirmed_low", "confirmed_high")
    ).values()
    title = f"{model} on {dataset}: settings of {sweep.variant}, {len(tries)} tried"
    difference, low, high = confirmed
    figure = draw_sweep(
        title, [of.loss for of in tries], axes, inside, (difference, low, high), read_json(result)["sentence"]
    )
    path = paths.sweep_figure(model, dataset, sweep.variant)
    save_figure(path, figure)
    print(path)


if __name__ == "__main__":
    run(main)
