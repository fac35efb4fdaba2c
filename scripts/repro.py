"""What `make repro` runs: the frozen variants first, since their answer takes seconds, then all layers; and what came
of it.

A machine that does not reach all addresses rebuilds what it can; the committed results of the rest stand as they are.

Exit status: 0 if all that can be fetched here is done, 1 if not, or if nothing is. STRICT=1 in the environment
makes an error also of what cannot be fetched here.
"""

import os
import sys
from itertools import product

from scripts.adding.entry import MATRICES
from scripts.reporting.graph import Cell, Changes, changes
from scripts.reporting.rebuilding import Failure, Rebuilding
from scripts.results import results_table
from stages.fetching.fetch import ADVICE
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.files import read_json
from stages.ground.params import read_params
from stages.preprocessing.splits import list_split
from stages.recipes.variant import Variant
from stages.settings import Params, load_params
from stages.statistics.inference import and_balanced

# Seconds of training all layers for each train image in each epoch, val passes and all, on two cores of a faster and
# of a slower processor; docs/benchmark.md has the faster one's bfloat16.
SECONDS_PER_IMAGE = {"bfloat16": (0.012, 0.035), "float32": (0.036, 0.061)}
MEASURED = ("mobilenet_v2", "resnet18")  # the networks that this is true of, more or less


def main() -> int:
    params = load_params()
    check_sections()
    check_manifests(params)
    cells = [Cell(model, dataset) for dataset, model in product(params.datasets, params.models)]
    before = changes()
    rebuilding = Rebuilding([cell for cell in cells if before.of(cell)])
    if rebuilding.cells:
        rebuild_frozen(rebuilding, params)
        rebuild_all(rebuilding, params)
    if before.stages and not rebuilding.failures:
        rebuilding.run()  # stages that someone added to dvc.yaml
    return report(rebuilding, cells, params)


def check_sections() -> None:
    """DVC's own message of a section without entries does not name it."""
    for section in MATRICES:
        if read_params()[section] is None:
            raise ProjectError(f"params.yaml: {section} is empty, which DVC cannot read: write {section}: {{}}")


def check_manifests(params: Params) -> None:
    """A name mistyped in params.yaml is to be found before the archive is fetched."""
    for name, dataset in params.datasets.items():
        if dataset.manifest and not (paths.MANIFESTS / dataset.manifest).is_file():
            there = ", ".join(sorted(path.name for path in paths.MANIFESTS.glob("*.sha256")))
            raise ProjectError(
                f"params.yaml: datasets.{name}.manifest: {paths.MANIFESTS} has no file {dataset.manifest!r};"
                f" it has: {there}"
            )


def rebuild_frozen(rebuilding: Rebuilding, params: Params) -> None:
    """The variants that train the last layer alone, cell by cell, so that the first one's answer is there at once: DVC
    has no order of its own among what it is asked for."""
    print(
        f"To rebuild: {', '.join(map(str, rebuilding.cells))}.\nFirst with the last layer alone, which takes seconds"
        " each, then with all layers. What cannot be fetched here gives errors on the way, which the end sums up.\n",
        flush=True,
    )
    heads = [name for name, of in params.variants.items() if of.trainable == "head"]
    for cell, variant in product(rebuilding.cells, heads):
        if not rebuilding.possible(cell):
            continue
        target = f"evaluate@{cell.model}-{cell.dataset}-{variant}"
        if not rebuilding.run(target):
            rebuilding.failures.append(unexplained(cell, target, params))
    answered = [cell for cell in rebuilding.cells if not rebuilding.failures_of(cell)]
    if answered:
        print("\nThe last layer alone, on the val images, with its 95 % interval:")
    for cell, variant in product(answered, heads):
        print(f"  {cell}, {variant}: {answer(cell, variant)}")
    print(flush=True)


def unexplained(cell: Cell, target: str, params: Params) -> Failure:
    """Why, where only DVC has said something."""
    raw = paths.raw(cell.dataset)
    if cell.dataset in params.downloads or raw.exists():
        return Failure(target, "DVC's messages above tell", unreachable=False)
    reason = f"{raw} is not there: put the images into it, or fetch them by dvc pull where they were pushed"
    return Failure(f"arrange@{cell.dataset}", reason, unreachable=False)


def answer(cell: Cell, variant: str) -> str:
    """What was just measured."""
    of = read_json(paths.metrics(cell.model, cell.dataset, variant))
    interval = f"{of['accuracy_low']:.3f} to {of['accuracy_high']:.3f}"
    return f"{of['mistakes']} of {of['images']} wrong, accuracy {of['accuracy']:.4f} ({interval}){and_balanced(of)}"


def rebuild_all(rebuilding: Rebuilding, params: Params) -> None:
    """The variants of all layers, the learning curves and the comparisons, cell by cell as well."""
    left = changes()
    for cell in filter(rebuilding.possible, rebuilding.cells):
        print(f"Now the rest of {cell}{estimate(cell, params, left)}\n", flush=True)
        target = f"draw@{cell.model}-{cell.dataset}"
        if not rebuilding.run("--keep-going", target):
            rebuilding.failures.append(unexplained(cell, target, params))


def estimate(cell: Cell, params: Params, left: Changes) -> str:
    """How long training all layers will take on a processor, if there is any to do that has been measured."""
    train = paths.images(cell.dataset) / "train"
    images = len(list_split(train).files) if train.is_dir() else 0
    passes = sum(
        images * of.epochs * (2 if of.blend == "auto" else 1)  # first without a fifth of the images
        for name, of in params.variants.items()
        if isinstance(of, Variant)
        and of.trainable == "all"
        and f"train@{cell.model}-{cell.dataset}-{name}" in left.stages
    )
    if not passes or cell.model not in MEASURED:
        return ""
    from stages.training.compute import choose_compute  # torch takes seconds, and the frozen variants come first

    compute = choose_compute(params.runtime.device, params.precision)
    if compute.device.type != "cpu":
        return ""
    least, most = (round(passes * seconds / 60) for seconds in SECONDS_PER_IMAGE[compute.precision])
    minutes = f"about {max(1, least)} to {most} minutes" if most > 1 else "a minute or less"
    return f"; all layers take {minutes} on two cores, in {compute.precision}"


def report(rebuilding: Rebuilding, cells: list[Cell], params: Params) -> int:
    """Say what is done and what is not, and why: the exit status."""
    after = changes()
    missing = [cell for cell in cells if after.of(cell)]
    done = [cell for cell in cells if cell not in missing]
    unreached = [cell for cell in missing if not_reached(rebuilding.failures_of(cell))]
    failed = [cell for cell in missing if cell not in unreached]
    if done:
        print("\nResults on the val images; each variant against the first, by the exact McNemar test:\n")
        print(results_table((cell.model, cell.dataset) for cell in done))
    for cell in done:
        print(f"done         {cell}: {paths.figure(cell.model, cell.dataset, 'comparison')}")
    for cell in unreached:
        print(f"not reached  {cell}: {standing(cell, after, params)}")
    for cell in failed:
        print(f"FAILED       {cell}: {', '.join(after.of(cell))}")
    if rebuilding.failures:
        print("\nWhy:")
        for failure in dict.fromkeys(rebuilding.failures):
            print(f"  {failure.stage}: {failure.reason.removesuffix(f' {ADVICE}')}")
        if any(failure.reason.endswith(ADVICE) for failure in rebuilding.failures):
            print(ADVICE)
    if not done:
        print("\nNothing could be rebuilt here.")
    strict = os.environ.get("STRICT", "") not in ("", "0")
    return 1 if failed or not done or (unreached and strict) else 0


def not_reached(failures: list[Failure]) -> bool:
    return bool(failures) and all(failure.unreachable for failure in failures)


def standing(cell: Cell, after: Changes, params: Params) -> str:
    """What there is of a cell that could not be rebuilt."""
    there = {name: paths.metrics(cell.model, cell.dataset, name).is_file() for name in params.variants}
    if not any(there.values()):
        return "there are no results of it"
    lacking = [name for name, whether in there.items() if not whether]
    without = f", but for {', '.join(lacking)}, of which there are none" if lacking else ""
    if after.outdate(cell):
        return f"its results stand untouched{without}; they are not of the present settings and code"
    return f"its results stand untouched{without}"


if __name__ == "__main__":
    with one_line_errors():
        sys.exit(main())
