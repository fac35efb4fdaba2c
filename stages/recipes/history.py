"""What is said and kept of the epochs of a training."""

from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import write_table
from stages.recipes.variant import Probe, Row, Variant

Cell = tuple[str, str, str]  # network, data set, variant


def check_enough(images: int, recipe: Variant | Probe, cell: Cell) -> None:
    """Raises ProjectError where the train images do not fill one batch."""
    _, dataset, variant = cell
    if isinstance(recipe, Variant) and images < recipe.batch_size:
        raise ProjectError(
            f"{paths.images(dataset) / 'train'} has {images} images, fewer than variants.{variant}.batch_size"
            f" ({recipe.batch_size}) in params.yaml: lower that, or add images"
        )


def epoch_line(train: Row, val: Row, recipe: Variant | Probe) -> str:
    when = f"epoch {train['epoch']}/{recipe.epochs}" if isinstance(recipe, Variant) else "at the optimum"
    running = " (running)" if isinstance(recipe, Variant) else ""
    return (
        f"{when}: train loss {train['loss']:.4f}, accuracy {train['accuracy']:.4f}"
        f"{running}; val loss {val['loss']:.4f}, accuracy {val['accuracy']:.4f}"
    )


def keep_history(history: list[Row], recipe: Variant | Probe, cell: Cell, val_images: int) -> None:
    """Write it, and say what the last epoch came to."""
    write_table(paths.history(*cell), history)
    *_, last = history
    after = f" after epoch {last['epoch']}" if last["epoch"] else ""
    at_its_end = f"accuracy {last['accuracy']:.4f} on {val_images} val images{after}"
    print(f"{' '.join(cell)}: {at_its_end}")
    if isinstance(recipe, Variant) and recipe.select == "best":
        print("kept: the epoch that was best on the val images; its accuracy on them is optimistic")
