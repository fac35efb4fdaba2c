"""Try every way of training on drawn splits: what differs from trial to trial is what a verdict must reckon with.

Each trial draws which of the train and val images train and which validate, and takes another seed; number 0 has the
committed split and seed. All ways of training are tried on the same splits with the same seeds. The table is added to:
what it has is not run again, as long as it is of the same settings, images and weights, and its code does the same.

In:  study, variants, seed, precision, what models.MODEL says of images, data/DATASET/,
     weights/MODEL.safetensors, features/MODEL/DATASET.safetensors
Out: study/MODEL/DATASET/trials.tsv: variant, images, split, seed, train_images, val_images, mistakes, loss, precision,
     settings, code
"""

from stages.engine.tasks import results
from stages.ground import paths
from stages.ground.cli import run
from stages.ground.files import append_row
from stages.ground.params import load_section
from stages.ground.runtime import load_runtime
from stages.recipes.variant import Probe, Recipe, Variant
from stages.study.kept import still_valid
from stages.study.material import Material
from stages.study.pool import Pool
from stages.study.settings import Study
from stages.study.trials import Draw, planned, read_trials, write_trials


def main(model: str, dataset: str) -> None:
    study: Study = load_section("study", Study)
    variants: dict[str, Variant | Probe] = load_section("variants", dict[str, Recipe])
    recipes = {name: as_tried(name, recipe) for name, recipe in {**variants, **study.variants}.items()}
    material, path = Material(model, dataset), paths.trials(model, dataset)
    kept = still_valid(read_trials(path), recipes, material)
    have = {(of.draw, of.variant) for of in kept}
    missing = [of for of in possible(planned(recipes, study), recipes, material.pool) if of not in have]
    print(f"{model} on {dataset}: {len(kept)} trials are there, {len(missing)} to run", flush=True)
    took: dict[str, float] = {}
    runtime, to_run = load_runtime(), dict(enumerate(missing))
    whole = any(recipes[name].trainable != "head" for _, name in missing)
    arguments = [(name, recipes[name], draw) for draw, name in missing]
    for number, (trial, seconds) in results(material.tried, arguments, runtime, gpu=whole):
        draw, name = to_run.pop(number)
        took[name] = seconds
        kept.append(trial)
        write_trials(path, kept)
        append_row(paths.seconds(model, dataset), {"variant": name, "seconds": round(took[name], 2)})
        if recipes[name].trainable != "head":
            balanced = "" if trial.balanced_accuracy is None else f", balanced {trial.balanced_accuracy:.4f}"
            print(f"{named(draw)} of {name}: accuracy {trial.accuracy:.4f}{balanced}, {took[name]:.0f} s", end="")
            names = [of for _, of in to_run.values()] if runtime.engine == "local" else []
            print(left(took, names), flush=True)
    write_trials(path, kept)
    for name in recipes:
        if len(precisions := sorted({of.precision for of in kept if of.variant == name})) > 1:
            print(f"trials of {name} were trained in {' and '.join(precisions)}, on different machines")


def possible(plan: list[tuple[Draw, str]], recipes: dict[str, Variant | Probe], pool: Pool) -> list[tuple[Draw, str]]:
    """Of `plan` what these images allow: numbers of train images that are some of all, fill a batch and have each
    class (twice for a probe, which takes them apart); says what is left out."""
    classes, most = len(set(pool.labels)), int((~pool.val).sum())
    fits, without = [], {}
    for draw, name in plan:
        recipe = recipes[name]
        fewest = max(classes, recipe.batch_size) if isinstance(recipe, Variant) else 2 * classes
        if draw.images == 0 or fewest <= draw.images < most:
            fits.append((draw, name))
        else:
            why = f"{most} are all" if draw.images >= most else f"{fewest} are the fewest"
            without[name, draw.images] = f"{name} is not tried on {draw.images} train images: {why}"
    print("".join(f"{line}\n" for line in without.values()), end="")
    return fits


def named(draw: Draw) -> str:
    number = f"trial {draw.split}" if draw.split == draw.seed else f"split {draw.split} with seed {draw.seed}"
    return f"{number} on {draw.images} train images" if draw.images else number


def left(took: dict[str, float], names: list[str]) -> str:
    """How long these trials will take, each as long as the last one of its kind; nothing where there was none."""
    if not names or not took.keys() >= set(names):
        return ""
    return f"; about {max(1, round(sum(took[name] for name in names) / 60))} minutes to go"


def as_tried(name: str, recipe: Variant | Probe) -> Variant | Probe:
    """The val images must not choose the epoch, for they judge."""
    if not isinstance(recipe, Variant) or recipe.select == "last":
        return recipe
    print(f"{name} is tried with select: last, since the val images that choose its best epoch also judge it")
    return recipe.model_copy(update={"select": "last"})


if __name__ == "__main__":
    run(main)
