"""What it costs, and what it is worth, that two processes know of the whole batch whose halves they train on.

Trains MODEL, with its published weights, for a few steps on drawn images: in one process, in two, and in two each of
which normalizes and draws by itself. Prints a table for docs/scale.md. Needs weights/MODEL.safetensors.
"""

import argparse
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.heads.linear import Head
from stages.models.pretrained import Pretrained
from stages.training.compute import Compute, choose_device
from stages.training.distributed import ALONE, Team, launch
from stages.training.seeds import seed_torch
from stages.training.together import together
from stages.training.whole import with_last_layer

BATCH, STEPS, LR = 16, 6, 0.003  # the first step is not timed
WAYS = ("in one process", "as one batch", "each by itself")


def main(model: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        train(ALONE, model, WAYS[0], folder)
        for way in WAYS[1:]:
            launch(2, train, model, way, folder)
        logits = {way: np.load(Path(folder, f"{way}.npy")) for way in WAYS}
    print("\n| | seconds a step | greatest difference of a logit |\n| --- | --- | --- |")
    for way, (of, seconds) in logits.items():
        print(f"| {way} | {seconds.flat[0]:.2f} | {np.abs(of - logits[WAYS[0]][0]).max():.2g} |")


def train(team: Team, model: str, way: str, folder: str) -> None:
    """Keep the (BATCH, 2) logits of the last step, and the seconds that one took."""
    pretrained = Pretrained.read(paths.weights(model), model)
    network = with_last_layer(pretrained, Head.drawn(pretrained.width, 2, 0), Compute(choose_device("cpu"), "float32"))
    images = torch.randn(BATCH, 3, pretrained.crop, pretrained.crop, generator=torch.Generator().manual_seed(0))
    joined, mine = team.joined(network.train()), team.share(np.arange(BATCH))
    part, labels = images[mine].contiguous(memory_format=torch.channels_last), torch.from_numpy(mine % 2)
    optimizer, began = torch.optim.SGD(network.parameters(), LR), 0.0
    for step in range(STEPS):
        began = time.perf_counter() if step == 1 else began
        seed_torch(0, step, *([team.rank] if way == WAYS[2] else []))
        with nullcontext() if way == WAYS[2] else together(team, BATCH):
            logits = joined(part)
        optimizer.zero_grad()
        (F.cross_entropy(logits, labels, reduction="sum") / BATCH * team.size).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    seconds = (time.perf_counter() - began) / (STEPS - 1)
    gathered = team.gathered(logits.detach().numpy())
    if not team.rank:
        np.save(Path(folder, f"{way}.npy"), np.stack([gathered, np.full_like(gathered, seconds)]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a key under models in params.yaml")
    with one_line_errors():
        main(parser.parse_args().model)
