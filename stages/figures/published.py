"""The original experiment's accuracies, to be shown beside one's own: ResNet-18, read off its plots."""

NOTE = "after 25 epochs, read off the original's plots"

ACCURACIES = {  # {(network, data set, trainable): accuracy on the val images}
    ("resnet18", "ants_bees", "head"): 0.948,
    ("resnet18", "ants_bees", "all"): 0.922,
    ("resnet18", "cats_dogs", "head"): 0.950,
    ("resnet18", "cats_dogs", "all"): 0.974,
}


def published_accuracies(model: str, dataset: str, trainable: dict[str, str]) -> dict[str, float]:
    """{variant: trainable} -> {variant: accuracy}, of those that have one"""
    keys = {variant: (model, dataset, what) for variant, what in trainable.items()}
    return {variant: ACCURACIES[key] for variant, key in keys.items() if key in ACCURACIES}
