"""Train one variant of a network on a data set.

In:  variants.VARIANT, seed, precision, false_alarms, what models.MODEL says of images,
     weights/MODEL.safetensors, and features/MODEL/DATASET.safetensors (trainable: head) or data/DATASET/ (others)
Out: models/MODEL/DATASET/VARIANT.safetensors, the finished network (see stages/models/model_file.py)
     plots/MODEL/DATASET/VARIANT/history.tsv: epoch, split, loss, accuracy, lr

More than the last layer is also trained by several processes, on one machine or many, each of which is started so, with
RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT in its environment: docs/scale.md.
"""

import os

from stages.ground import paths
from stages.ground.cli import importing_torch, run
from stages.ground.errors import ProjectError
from stages.ground.params import Seed, load_section
from stages.ground.seeds import derived_rng
from stages.heads.fit import fit_last_layer
from stages.heads.linear import Embeddings
from stages.heads.novelty import novelty_of
from stages.models.features import Features
from stages.models.model_file import ModelFile
from stages.models.pretrained import Pretrained
from stages.preprocessing.inputs import Preprocessing
from stages.recipes.history import Cell, check_enough, epoch_line, keep_history
from stages.recipes.variant import Probe, Variant, load_recipe
from stages.statistics.novelty import kept_images
from stages.training.surroundings import is_first, surroundings


def main(model: str, dataset: str, variant: str) -> None:
    recipe = load_recipe(variant)
    if isinstance(recipe, Probe) or recipe.trainable == "head":
        if not is_first():
            print(f"{variant} trains the last layer alone, which RANK 0 does: there is nothing to do here")
            return
        train_head(recipe, (model, dataset, variant))
    else:
        if surroundings():  # what fails between machines is said in a line, not in traces of torch's C++
            os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
        with importing_torch():
            from stages.training.whole import train_whole
        train_whole(recipe, (model, dataset, variant))


def train_head(recipe: Variant | Probe, cell: Cell) -> None:
    """The last layer alone, on the kept features: the rest of the finished network is the pretrained one."""
    model, dataset, _ = cell
    preprocessing, seed = Preprocessing.of(model, dataset), load_section("seed", Seed)
    pretrained, features = Pretrained.read(paths.weights(model), model), Features.read(paths.features(model, dataset))
    if features.backbone != (identity := pretrained.identity(preprocessing)):
        raise ProjectError(
            f"{paths.features(model, dataset)} is of {features.backbone}; expected {identity}; run dvc repro"
        )
    train, val = (Embeddings.of(features.splits[split]) for split in ("train", "val"))
    check_enough(len(train.labels), recipe, cell)
    head, history = fit_last_layer(
        recipe, train, val, seed, lambda history: print(epoch_line(history[-2], history[-1], recipe), flush=True)
    )
    last = pretrained.last_layer
    tensors = {**pretrained.tensors, f"{last}.weight": head.weight, f"{last}.bias": head.bias}
    novelty = novelty_of(train.part(kept_images(train.labels, derived_rng(seed))), seed)
    about = (pretrained.network, last, pretrained.graph, features.classes, preprocessing, "float32", features.backbone)
    ModelFile(*about, tensors, novelty, pretrained.licence).write(paths.model(*cell))
    keep_history(history, recipe, cell, len(val.labels))


if __name__ == "__main__":
    run(main, writes=is_first)
