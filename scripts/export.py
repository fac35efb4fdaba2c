"""Write a trained model as a file for other programs: ONNX, or torch.export's pt2.

MODEL is a file that stages.train made. The exported network takes `images`, (N, 3, crop, crop) float32 with any N, each
prepared as the metadata say: the shorter side resized to `resize` pixels (bilinear, antialiased), of that the middle
square of `crop` pixels, RGB in 0..1, then (x - mean) / std by channel. It gives `probabilities`, (N, classes) float32.
The metadata are `network`, and as JSON `classes` (in the order of the output), `resize`, `crop`, `mean` and `std`: of
ONNX the model's own metadata, in a pt2 file the extra file metadata.json.

What was written is run on drawn images, and kept only if it agrees with MODEL within 0.0001.

Exit status: 0 written, 1 not, 2 wrong arguments, 130 interrupted.
"""

import argparse
import copy
import importlib.util
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from stages.common.cli import end_at_ctrl_c, one_line_errors
from stages.common.errors import ProjectError
from stages.common.files import written_whole

if TYPE_CHECKING:  # imported where they are used, since that takes seconds
    from torch import Tensor
    from torch.export import ExportedProgram

    from stages.common.classifier import Classifier

SUFFIXES = {"onnx": ".onnx", "torch.export": ".pt2"}
TOLERANCE = 1e-4  # of a probability
DRAWN = 16  # images


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", type=Path)
    parser.add_argument("--to", choices=SUFFIXES, default="onnx", help="onnx if not given")
    parser.add_argument("--output", metavar="FILE", type=Path, help="MODEL's name with .onnx or .pt2 if not given")
    arguments = parser.parse_args()
    output = arguments.output or arguments.model.with_suffix(SUFFIXES[arguments.to])
    with one_line_errors():
        difference = export(arguments.model, arguments.to, output)
        print(f"{output}: within {difference:.0e} of the model's own probabilities, on {DRAWN} drawn images")


def export(model: Path, form: str, output: Path) -> float:
    """Write `model` to `output` as `onnx` or `torch.export`; the largest difference of a probability.

    Raises:
        ProjectError: nothing was written: a package is missing, `model` is none, `output` is in the way, or what was
            to be written disagrees.
    """
    if form == "onnx":
        require("onnxscript", "onnxruntime")
    if output.is_dir() or (output.exists() and output.samefile(model)):
        raise ProjectError(f"{output} is a folder, or the model itself: name another file with --output")
    end_at_ctrl_c()
    from stages.common.classifier import Classifier
    from stages.common.images import to_input

    signal.signal(signal.SIGINT, signal.default_int_handler)  # from here on there is something to clean up
    classifier = Classifier.load(model)
    squares = draw_squares(classifier.preprocessing.resize)
    images, expected = to_input(squares, classifier.preprocessing), classifier.logits(squares).softmax(1)
    write, run = (write_onnx, run_onnx) if form == "onnx" else (write_pt2, run_pt2)
    with written_whole(output) as part:
        write(trace(classifier), metadata(classifier), part)
        given = run(part, [images, images[:1]])
        difference = max((given[0] - expected).abs().max().item(), (given[1] - expected[:1]).abs().max().item())
        if not difference <= TOLERANCE:
            raise ProjectError(
                f"{output} was not written: a probability differed by {difference:.2g} from that of {model};"
                f" expected {TOLERANCE:g} at most"
            )
    return difference


def require(*packages: str) -> None:
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        raise ProjectError(f"not installed: {' and '.join(missing)}; run make env, or pip install {' '.join(missing)}")


def draw_squares(side: int) -> "Tensor":
    """Smooth blots of colour, the same each time: (DRAWN, 3, side, side) uint8"""
    import torch
    from torch.nn import functional as F

    coarse = torch.rand(DRAWN, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    return (F.interpolate(coarse, size=side, mode="bilinear") * 255).round().to(torch.uint8)


def trace(classifier: "Classifier") -> "ExportedProgram":
    """The network and a softmax after it, for any number of images."""
    import torch
    from torch import nn

    network = nn.Sequential(copy.deepcopy(classifier.network), nn.Softmax(dim=1))
    network.to(memory_format=torch.contiguous_format)  # pt2 warns of channels last
    images = torch.zeros(2, 3, classifier.preprocessing.crop, classifier.preprocessing.crop)
    program = torch.export.export(network, (images,), dynamic_shapes=({0: torch.export.Dim("N")},))
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)  # which holds this machine's paths
    return program


def metadata(classifier: "Classifier") -> dict[str, str]:
    look = classifier.preprocessing
    numbers = {"resize": look.resize, "crop": look.crop, "mean": look.mean, "std": look.std}
    values = {"classes": classifier.classes, **numbers}
    return {"network": classifier.name} | {key: json.dumps(value) for key, value in values.items()}


def write_onnx(program: "ExportedProgram", properties: dict[str, str], path: Path) -> None:
    """By torch's own exporter, in the opset that it recommends."""
    import torch

    written = torch.onnx.export(
        program,
        input_names=["images"],
        output_names=["probabilities"],
        dynamic_shapes=({0: "N"},),
        verbose=False,
    )
    assert written is not None
    written.model.metadata_props.update(properties)
    written.save(path)


def run_onnx(path: Path, batches: "list[Tensor]") -> "list[Tensor]":
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [torch.from_numpy(session.run(["probabilities"], {"images": images.numpy()})[0]) for images in batches]


def write_pt2(program: "ExportedProgram", properties: dict[str, str], path: Path) -> None:
    import torch

    with path.open("wb") as file:
        torch.export.save(program, file, extra_files={"metadata.json": json.dumps(properties)})


def run_pt2(path: Path, batches: "list[Tensor]") -> "list[Tensor]":
    import torch

    with path.open("rb") as file, torch.inference_mode():
        network = torch.export.load(file).module()
        return [network(images) for images in batches]


if __name__ == "__main__":
    main()
