"""A finished model as one ONNX file for other programs: its graph, its weights and, at its end, probabilities and what
is none of its classes."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import NodeProto, TensorProto, helper, numpy_helper

from scripts.using.names import DISTANCE, NONE_OF_THESE, PROBABILITIES
from stages.models.graph import EMBEDDINGS, IMAGES, PREFIX
from stages.models.model_file import ModelFile
from stages.statistics.novelty import NEIGHBOURS, TINY, Novelty


def write_onnx(file: ModelFile, properties: dict[str, str], path: Path) -> None:
    model = onnx.load_from_string(file.graph.onnx)
    weights = {PREFIX + name: file.tensors[name] for name in file.graph.tensors}
    for initializer in model.graph.initializer:
        if initializer.name in weights:
            initializer.CopyFrom(numpy_helper.from_array(weights[initializer.name], initializer.name))
    last = PREFIX + file.last_layer
    for name, tensor in ((f"{last}.weight", file.weight), (f"{last}.bias", file.bias)):
        model.graph.initializer.append(numpy_helper.from_array(tensor, name))
    logits = helper.make_node("Gemm", [EMBEDDINGS, f"{last}.weight", f"{last}.bias"], ["logits"], transB=1)
    model.graph.node.extend([logits, helper.make_node("Softmax", ["logits"], [PROBABILITIES], axis=1)])
    del model.graph.output[:]
    output = helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["N", len(file.classes)])
    model.graph.output.append(output)
    if file.novelty:
        add_novelty(model.graph, file.novelty)
    helper.set_model_props(model, properties)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def add_novelty(graph: onnx.GraphProto, novelty: Novelty) -> None:
    """What Novelty.distances computes, of EMBEDDINGS, as two more outputs."""
    known, first, second = novelty.known, np.array([1], np.int64), np.array([2], np.int64)
    constants = {
        "known": known.directions,
        "axes": known.axes,
        "centres": known.centres,
        "medians": novelty.medians,
        "spans": novelty.spans,
        "threshold": np.float32(novelty.threshold),
        "first": first,
        "second": second,
        "neighbours": np.array([min(NEIGHBOURS, len(known.directions))], np.int64),
        "tiny": np.float32(TINY),
        "two": np.float32(2),
    }
    for name, of in constants.items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(of), _named(name)))
    graph.node.extend(
        [
            _node("ReduceL2", [EMBEDDINGS, "first"], "length", keepdims=1),
            _node("Max", ["length", "tiny"], "divisor"),
            _node("Div", [EMBEDDINGS, "divisor"], "direction"),
            _node("Cast", ["known"], "images", to=TensorProto.FLOAT),
            _node("Gemm", ["direction", "images"], "similarities", transB=1),
            _node("TopK", ["similarities", "neighbours"], "greatest", "places"),
            _node("Mul", ["greatest", "two"], "doubled"),
            _node("Sub", ["two", "doubled"], "squares"),
            _node("Relu", ["squares"], "clipped"),
            _node("Sqrt", ["clipped"], "of_each"),
            _node("ReduceMean", ["of_each", "first"], "of_images", keepdims=1),
            _node("Gemm", ["direction", "axes"], "point", transB=1),
            _node("Unsqueeze", ["point", "first"], "points"),
            _node("Sub", ["points", "centres"], "apart"),
            _node("ReduceL2", ["apart", "second"], "of_centres", keepdims=0),
            _node("ReduceMin", ["of_centres", "first"], "of_plane", keepdims=1),
            _node("Concat", ["of_images", "of_plane"], "both", axis=1),
            _node("Sub", ["both", "medians"], "beyond"),
            _node("Div", ["beyond", "spans"], "scaled"),
            _node("ReduceMax", ["scaled", "first"], DISTANCE, keepdims=0),
            _node("Greater", [DISTANCE, "threshold"], NONE_OF_THESE),
        ]
    )
    for name, kind in ((DISTANCE, TensorProto.FLOAT), (NONE_OF_THESE, TensorProto.BOOL)):
        graph.output.append(helper.make_tensor_value_info(name, kind, ["N"]))


def _node(kind: str, inputs: list[str], *outputs: str, **attributes: Any) -> NodeProto:
    return helper.make_node(kind, list(map(_named, inputs)), list(map(_named, outputs)), **attributes)


def _named(name: str) -> str:
    """So that no name of the network's is taken."""
    return name if name in (EMBEDDINGS, DISTANCE, NONE_OF_THESE) else f"novelty.{name}"


def run_onnx(path: Path, batches: list[np.ndarray]) -> list[dict[str, np.ndarray]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return [dict(zip(names, session.run(names, {IMAGES: images}), strict=True)) for images in batches]
