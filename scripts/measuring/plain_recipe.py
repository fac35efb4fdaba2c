"""The usual transfer-learning script, which scripts/benchmark.py measures this project against.

Every image is decoded again in every epoch, without augmentation, all arithmetic is float32, the batch is 4, and to
freeze is to leave the backbone out of the optimizer, while its BatchNorm statistics still move. DATA holds train/CLASS/
and val/CLASS/, WEIGHTS torchvision's names without the last layer. Prints one line of JSON: the seconds since the
start, and the val accuracy, after each epoch.
"""

import argparse
import json
import time
from typing import Any

START = time.perf_counter()

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402
from torchvision import datasets, models, transforms  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.measuring.plain_recipe", description=__doc__)
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("weights", metavar="WEIGHTS")
    parser.add_argument("network", metavar="NETWORK")
    parser.add_argument("--freeze", action="store_true", help="leave the backbone out of the optimizer")
    parser.add_argument("--no-gradients", action="store_true", help="… and compute no gradients for it")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    loaders = {split: loader(f"{arguments.data}/{split}") for split in ("train", "val")}
    network = models.get_model(arguments.network, weights=None)
    network.load_state_dict(load_file(arguments.weights), strict=False)
    if arguments.no_gradients:
        network.requires_grad_(False)
    last_layer = replace_last_layer(network, classes=len(loaders["train"].dataset.classes))  # type: ignore[attr-defined]
    trained = last_layer if arguments.freeze else network
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.001, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    accuracies, seconds = [], []
    for _ in range(arguments.epochs):
        run_epoch(network, loaders["train"], optimizer)
        scheduler.step()
        accuracies.append(run_epoch(network, loaders["val"]))
        seconds.append(round(time.perf_counter() - START, 2))
    print(json.dumps({"seconds": seconds, "accuracies": accuracies}))


def loader(folder: str) -> "DataLoader[tuple[torch.Tensor, torch.Tensor]]":
    look = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    return DataLoader(datasets.ImageFolder(folder, look), batch_size=4, shuffle=True, num_workers=4)


def replace_last_layer(network: Any, classes: int) -> nn.Linear:
    if hasattr(network, "fc"):
        network.fc = layer = nn.Linear(network.fc.in_features, classes)
    else:
        network.classifier[-1] = layer = nn.Linear(network.classifier[-1].in_features, classes)
    return layer


def run_epoch(
    network: nn.Module,
    images: "DataLoader[tuple[torch.Tensor, torch.Tensor]]",
    optimizer: torch.optim.Optimizer | None = None,
) -> float:
    """One pass, training if there is an optimizer: the accuracy."""
    network.train(optimizer is not None)
    correct = count = 0
    with torch.set_grad_enabled(optimizer is not None):
        for inputs, labels in images:
            logits = network(inputs)
            if optimizer:
                optimizer.zero_grad()
                F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            correct += int((logits.argmax(1) == labels).sum())
            count += len(labels)
    return correct / count


if __name__ == "__main__":
    main()
