"""Networks of timm and torchvision through every stage and use, with drawn weights: from a published file to training,
heat maps, exports and answers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from scripts.export import export
from scripts.predict import predict
from scripts.using.explanation import explain
from stages.explain import looker
from stages.ground import paths
from stages.models.classifier import Classifier
from stages.models.features import Features
from stages.networks.network import build
from tests.conftest import sha256_of
from tests.finished import DATA, call
from tests.models import model_entry

NETWORKS = {  # the side of their images, and of their heat maps
    "resnet18": (64, 2),
    "timm/resnet18.tv_in1k": (64, 2),
    "timm/mobilenetv4_conv_small.e2400_r224_in1k": (64, 2),
    "timm/efficientnet_b0.ra_in1k": (64, 2),
    "timm/convnext_atto.d2_in1k": (64, 2),
    "timm/vit_small_patch14_dinov2.lvd142m": (224, 16),
    "timm/regnety_002.pycls_in1k": (64, 2),
    "timm/deit_tiny_patch16_224.fb_in1k": (64, 4),
    "timm/tf_efficientnet_lite0.in1k": (64, 2),
}
RECIPE = {"epochs": 1, "batch_size": 4, "lr": 0.001, "momentum": 0.9, "weight_decay": 0, "schedule": "linear"}
AUGMENT = {"min_scale": 0.5, "flip": True, "crop": 48}
VARIANTS = {
    "frozen": RECIPE | {"trainable": "head"},
    "last": RECIPE | {"trainable": "last_1", "start": "probe"},
    "all": RECIPE | {"trainable": "all", "recompute_batchnorm": True, "augment": AUGMENT},
}


def published(network: str) -> dict[str, Tensor]:
    """As its library has it: of DINOv2 for images of 518 pixels, without a last layer."""
    torch.manual_seed(0)
    state = build(network).state_dict()
    for name, tensor in state.items():
        if name.endswith(".gamma") and tensor.max() < 1e-3:  # of blocks that are next to nothing until they are trained
            tensor.fill_(1)
    return {name: of for name, of in state.items() if "dinov2" not in network or not name.startswith("head.")}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_goes_the_whole_way(finished_project: Path, network: str, capsys: pytest.CaptureFixture[str]) -> None:
    side, map_side = NETWORKS[network]
    torch.save(published(network), "published.pth")
    source, _, name = network.rpartition("/")
    params = yaml.safe_load(Path("params.yaml").read_text())
    look = {"source": source or "torchvision", "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3}
    params["models"] = {
        "own": model_entry(name, "published.pth", sha256_of(Path("published.pth")), side + 8, side, **look)
    }
    params["variants"] = VARIANTS
    Path("params.yaml").write_text(yaml.safe_dump(params))
    stages = ["weights own", f"features own {DATA}"]
    for variant in VARIANTS:
        stages += [f"{stage} own {DATA} {variant}" for stage in ("train", "evaluate", "explain")]
    assert [(stage, call(stage)) for stage in stages] == [(stage, 0) for stage in stages], capsys.readouterr().err
    assert "torch.fx cannot tell" not in capsys.readouterr().out  # the blocks before the last one ran once

    picture = next(Path("data/shapes/val").rglob("*.png"))
    width = Features.read(paths.features("own", DATA)).splits["val"].embeddings.shape[1]
    for variant in VARIANTS:
        path = paths.model("own", DATA, variant)
        classifier = Classifier.load(path)
        assert (classifier.file.network, classifier.file.licence) == (network, "MIT")
        assert (classifier.preprocessing.interpolation, classifier.file.weight.shape) == ("bicubic", (2, width))
        for form in ("onnx", "torch.export"):
            assert export(path, form, Path(f"{variant}.{form}")) <= 1e-4  # so onnxruntime and torch agree
        capsys.readouterr()
        assert predict(str(path), [str(picture)], as_json=True) == 0
        told = json.loads(capsys.readouterr().out)
        shown = explain(classifier, looker(classifier), picture.read_bytes())
        assert shown["class"] == told["class"]
        assert shown["heat"] is not None
    assert looker(classifier)(np.zeros((3, side + 8, side + 8), np.uint8), 0).shape == (map_side, map_side)
