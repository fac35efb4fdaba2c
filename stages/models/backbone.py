"""A network without its last layer, run by onnxruntime: images in, embeddings out.

torch trains; what runs a finished network is an ONNX graph, which is there for every network, starts in a tenth of a
second where torch takes seconds, and is faster on processors (docs/benchmark.md). The graph is made once, with a
network's weights (stages/networks/graph.py), and holds no weights itself: they are looked up by their names among the
tensors beside it, so that training changes the tensors and keeps the graph.
"""

from typing import Any

import numpy as np
import onnxruntime

from stages.ground.errors import ProjectError
from stages.models.graph import EMBEDDINGS, IMAGES, PLACES, PREFIX, Graph
from stages.models.tensors import Tensors

BATCH = 8  # images that the network sees at once; with more, what lies between its layers leaves the processor's cache
ERROR = 3  # of onnxruntime's levels of logging: no warnings


class Backbone:
    """
    Computes in float32 whatever the network was trained in: bfloat16 and TF32 round so coarsely that an image's
    probabilities would depend on the device, and on the other images of its batch.
    """

    def __init__(self, graph: Graph, tensors: Tensors, device: str = "auto", threads: int = 0) -> None:
        """
        Args:
            graph: of the network.
            tensors: all that the graph names; others are passed over.
            device: of runtime.device. On a GPU only where the package onnxruntime-gpu is installed.
            threads: 0 for all cores.

        Raises:
            ProjectError: they do not fit each other.
        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERROR
        options.intra_op_num_threads = threads
        try:
            values = {PREFIX + name: onnxruntime.OrtValue.ortvalue_from_numpy(tensors[name]) for name in graph.tensors}
            options.add_external_initializers(list(values), list(values.values()))
            self._session = onnxruntime.InferenceSession(graph.onnx, options, providers=providers(device))
        except Exception as error:  # onnxruntime's own kinds are not public
            raise ProjectError("its tensors do not fit its graph") from error
        self.has_places = PLACES in {output.name for output in self._session.get_outputs()}

    def embeddings(self, images: np.ndarray) -> np.ndarray:
        """(N, 3, crop, crop) float32 -> (N, D) float32"""
        return self._run([EMBEDDINGS], images)[0]

    def places(self, images: np.ndarray) -> np.ndarray:
        """(N, 3, crop, crop) float32 -> (N, D, h, w), of which the embeddings are the mean over all places.

        Only of networks with places; see has_places.
        """
        return self._run([PLACES], images)[0]

    def _run(self, outputs: list[str], images: np.ndarray) -> list[np.ndarray]:
        crop = self._session.get_inputs()[0].shape[-1]
        if images.shape[-1] != crop:
            raise ProjectError(
                f"the network's graph is of images of {crop} pixels, not {images.shape[-1]}; run dvc repro"
            )
        parts = [
            self._session.run(outputs, {IMAGES: images[start : start + BATCH]})
            for start in range(0, len(images), BATCH)
        ]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]


def providers(device: str) -> list[Any]:
    """Of onnxruntime's, those that a device of runtime.device comes to here."""
    gpu = device in ("auto", "cuda") and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return [*([("CUDAExecutionProvider", {"use_tf32": "0"})] if gpu else []), "CPUExecutionProvider"]
