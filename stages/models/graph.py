"""What a network computes, as an ONNX graph without weights."""

from pydantic import BaseModel, ConfigDict

IMAGES, EMBEDDINGS, PLACES = "images", "embeddings", "places"  # the graph's input and its outputs
PREFIX = "network."  # of tensors' names in the ONNX model


class Graph(BaseModel):
    """A network up to its last layer, in eval mode: IMAGES (N, 3, crop, crop) to EMBEDDINGS (N, D), both float32.

    There is PLACES (N, D, h, w) as well where the embeddings are its mean. Made by stages/networks/graph.py, run by
    stages/models/backbone.py. One graph serves all models that a network is trained to.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    onnx: bytes  # an ONNX model whose weights are external data
    tensors: list[str]  # the network's names of those weights
