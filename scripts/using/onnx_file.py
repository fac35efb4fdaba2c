"""A finished model as one ONNX file for other programs: its graph, its weights and, at its end, probabilities."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from stages.models.graph import EMBEDDINGS, IMAGES, PREFIX
from stages.models.model_file import ModelFile

PROBABILITIES = "probabilities"


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
    helper.set_model_props(model, properties)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def run_onnx(path: Path, batches: list[np.ndarray]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [session.run([PROBABILITIES], {IMAGES: images})[0] for images in batches]
