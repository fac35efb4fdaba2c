"""A network of torch as an ONNX graph, which stages/models/backbone.py runs.

The graph names its weights and does not hold them: one graph serves all models that a network is trained to.
"""

import copy
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from stages.ground.errors import ProjectError
from stages.models.backbone import Backbone
from stages.models.graph import EMBEDDINGS, IMAGES, PLACES, PREFIX, Graph
from stages.networks.gradcam import last_places
from stages.networks.network import set_last_layer, tensors_of

OPSET = 18
PROBES = 4  # drawn images
TOLERANCE = 1e-4  # of an embedding, as a share of the largest
ROUNDING = 1e-4  # of a mean over places, as a share of the largest


class _Embedding(nn.Module):
    """What is exported: the embeddings and, if `with_places`, the last activation that has places."""

    def __init__(self, network: nn.Module, with_places: bool) -> None:
        super().__init__()
        self.network, self.with_places = network, with_places

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        with last_places(self.network) as found:
            embeddings = self.network(images)
        places = found[0] if self.with_places else None
        return (embeddings,) if places is None else (embeddings, places)


def to_graph(network: nn.Module, crop: int) -> Graph:
    """The graph of `network` up to its last layer, in eval mode, for images of `crop` pixels; see Backbone.

    It has PLACES where the embeddings are their mean.

    Raises:
        ProjectError: it has operators that ONNX has not, or onnxruntime's embeddings of drawn images are not torch's.
    """
    network = set_last_layer(copy.deepcopy(network), nn.Identity()).eval()
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((PROBES, 3, crop, crop), np.float32))
    with torch.inference_mode(), last_places(network) as found:
        expected = network(images)
    with_places = _is_mean_of(expected, found[0])
    try:
        graph = _exported(_Embedding(network, with_places), images)
    except torch.onnx.OnnxExporterError as error:
        raise ProjectError(
            f"{type(network).__name__} cannot be written as an ONNX graph ({str(error).partition('. ')[0]});"
            " choose another network in params.yaml"
        ) from error
    got = Backbone(graph, tensors_of(network), "cpu").embeddings(images.numpy())
    if not np.allclose(got, expected.numpy(), rtol=0, atol=TOLERANCE * expected.abs().max().item()):
        raise ProjectError(
            f"{type(network).__name__} as an ONNX graph gives embeddings that differ from torch's by"
            f" {np.abs(got - expected.numpy()).max():.2g}; choose another network in params.yaml"
        )
    return graph


def _is_mean_of(embeddings: Tensor, places: Tensor | None) -> bool:
    if places is None or places.shape[:2] != embeddings.shape:
        return False
    return torch.allclose(places.mean((2, 3)), embeddings, rtol=0, atol=ROUNDING * embeddings.abs().max().item())


def _exported(module: _Embedding, images: Tensor) -> Graph:
    """By torch's older exporter, which takes a second where the newer one takes 17, and keeps the weights' names."""
    names = [EMBEDDINGS, PLACES] if module.with_places else [EMBEDDINGS]
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), _distinct(module):  # it warns of its age, and of tracing
        torch.onnx.export(
            module.eval(),
            (images,),
            file,  # type: ignore[arg-type]  # this exporter takes one, whatever the annotation says
            dynamo=False,
            input_names=[IMAGES],
            output_names=names,
            dynamic_axes={name: {0: "N"} for name in (IMAGES, *names)},
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,  # eval mode as it is, without folding BatchNorm into others
            opset_version=OPSET,
        )
    return _without_weights(file.getvalue(), set(module.network.state_dict()))


@contextmanager
def _distinct(module: nn.Module) -> Iterator[None]:
    """Meanwhile, no two tensors are alike: the exporter makes one of those that are."""
    floats = [tensor for tensor in module.state_dict().values() if tensor.is_floating_point()]
    before, generator = [tensor.clone() for tensor in floats], torch.Generator().manual_seed(0)
    for tensor in floats:
        tensor.uniform_(0.5, 1, generator=generator)
    try:
        yield
    finally:
        for tensor, kept in zip(floats, before, strict=True):
            tensor.copy_(kept)


def _without_weights(exported: bytes, names: set[str]) -> Graph:
    model, found = onnx.load_from_string(exported), []
    for initializer in model.graph.initializer:
        if (name := initializer.name.removeprefix(PREFIX)) in names:
            found.append(name)
            initializer.ClearField("raw_data")
            initializer.data_location = onnx.TensorProto.EXTERNAL
            initializer.external_data.add(key="location", value="tensors")
    return Graph(onnx=model.SerializeToString(deterministic=True), tensors=found)
