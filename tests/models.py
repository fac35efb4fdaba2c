"""A small trained model, and pictures of many formats for it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from stages.models.classifier import Classifier
from stages.models.model_file import ModelFile
from stages.networks.graph import to_graph
from stages.networks.network import LastLayer, build, set_last_layer, tensors_of
from stages.preprocessing.inputs import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from stages.preprocessing.squares import read_square
from stages.statistics.novelty import Novelty
from tests.drawing import KINDS, draw_picture

CLASSES = ["discs", "größere Quadrate", "squares"]


def model_entry(name: str, url: object, sha256: str, resize: int = 36, crop: int = 32, **other: object) -> dict:
    """As it stands under models in params.yaml."""
    places = {"source": "torchvision", "name": name, "urls": [str(url)], "sha256": sha256, "licence": "MIT"}
    look = {"fit": "crop", "interpolation": "bilinear", "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}
    return {**places, "resize": resize, "crop": crop, **look, **other}


def small_model(path: Path) -> Path:
    """Save a model drawn from a seed, of few layers, and so set that its answers differ from picture to picture."""
    torch.manual_seed(0)
    network = build("resnet18")
    set_last_layer(network, LastLayer(network.fc.in_features, len(CLASSES)))
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the mean over all batches
    network.train()
    with torch.no_grad():
        network(torch.randn(16, 3, 64, 64))
        network.fc.weight *= 4
        network.fc.bias += torch.tensor([3, 4, 0])
    graph, preprocessing = to_graph(network, 64), Preprocessing(72, 64)
    about = ("resnet18", "fc", graph, CLASSES, preprocessing, "float32", None)
    ModelFile(*about, tensors_of(network), licence="MIT").write(path)
    return path


def telling_model(path: Path, folder: Path) -> Path:
    """The same, which can tell what is none of its classes; these are of pictures drawn into `folder`."""
    classifier = Classifier.load(small_model(path))
    files = [folder / f"{kind}.{number}.png" for kind in KINDS for number in range(30)]
    for file in files:
        draw_picture(file, file.name.partition(".")[0], int(file.name.split(".")[1]))
    embeddings = classifier.embeddings(np.stack([read_square(file, classifier.preprocessing) for file in files]))
    novelty = Novelty.of(embeddings, np.arange(60) // 30, None, 0.05, np.random.default_rng(0))
    replace(classifier.file, novelty=novelty).write(path)
    return path


def draw_foreign(path: Path) -> Path:
    """A picture of neither kind: coloured stripes."""
    stripes = np.zeros((60, 60, 3), np.uint8)
    stripes[:, ::6] = (255, 0, 0)
    stripes[:, 3::6] = (0, 255, 0)
    Image.fromarray(stripes).save(path)
    return path


def draw_formats(folder: Path) -> list[Path]:
    """One picture of each kind of file."""
    draw_picture(folder / "plain.png", "discs", 1)
    plain = Image.open(folder / "plain.png").convert("RGB")
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees, clockwise
    plain.save(folder / "turned.jpg", exif=turned)
    plain.save(folder / "a name.JPEG")
    plain.save(folder / "lossy.webp")
    plain.save(folder / "bits.bmp")
    plain.convert("CMYK").save(folder / "ink.tif")
    plain.convert("L").save(folder / "grey.png")
    plain.quantize(16).save(folder / "palette.gif")
    transparent = plain.copy()
    transparent.putalpha(plain.convert("L"))
    transparent.save(folder / "alpha.png")
    return sorted(folder.iterdir())
