"""A trained network with all that is needed to use it: its one file is enough.

classifier = Classifier.load("models/mobilenet_v2/ants_bees/frozen.pt")
classifier("photo.jpg").label
for file, outcome in classifier.stream(Path("photos").glob("*.jpg")):
    ...
"""

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Self

import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor, nn

from stages.common.errors import ProjectError
from stages.common.images import File, Preprocessing, middle_square, read_ahead, to_input
from stages.common.network import build, new_last_layer, set_last_layer
from stages.common.params import NetworkName, Pixels
from stages.common.pictures import decoders, to_picture
from stages.common.tensors import load_tensors, save_tensors

BATCH = 32  # images that the network sees at once
Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Prediction:
    label: str  # the most probable class
    probability: float  # of that class, 0..1
    probabilities: dict[str, float]  # of every class, in the order of the network's outputs


class ModelFile(BaseModel):
    """What a model's file must hold; other keys are passed over."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    network: NetworkName
    classes: Annotated[list[str], Field(min_length=1)]
    resize: Pixels
    crop: Pixels
    mean: Channels
    std: Channels
    precision: str = "not recorded"  # by an earlier version
    state_dict: dict[str, Tensor]

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.crop > self.resize:
            raise ValueError(f"crop ({self.crop}) is above resize ({self.resize})")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two of its classes have one name")
        if not all(map(math.isfinite, self.mean)) or not all(0 < value < math.inf for value in self.std):
            raise ValueError(f"images cannot be normalized by mean {self.mean} and std {self.std}")
        if not all(tensor.isfinite().all() for tensor in self.state_dict.values()):
            raise ValueError("some of its weights are not finite")
        return self


@dataclass(frozen=True)
class Classifier:
    """
    Computes in float32 whatever the network was trained in: bfloat16 and TF32 round so coarsely that an image's
    probabilities would depend on the device, and on the other images of its batch.

    The file is a dict that `torch.load(path, weights_only=True)` reads: network (torchvision's name), classes
    (names, in the order of the outputs), resize, crop, mean, std, precision (that it was trained in), state_dict
    (torchvision's names).
    """

    network: nn.Module
    name: str
    classes: list[str]
    preprocessing: Preprocessing
    precision: str  # that it was trained in: bfloat16 or float32

    def save(self, path: Path) -> None:
        content: dict[str, object] = {
            "network": self.name,
            "classes": self.classes,
            **asdict(self.preprocessing),
            "precision": self.precision,
            "state_dict": {name: tensor.cpu().contiguous() for name, tensor in self.network.state_dict().items()},
        }
        save_tensors(path, content)

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Self:
        """
        Raises:
            ProjectError: the file is not one that save() wrote.
        """
        path = Path(path)
        try:
            content = ModelFile.model_validate(load_tensors(path))
            network = build(content.network)
            set_last_layer(network, new_last_layer(network, len(content.classes)))
            network.load_state_dict(content.state_dict)
        except (ValidationError, RuntimeError) as error:
            raise ProjectError(f"{path} is not a model that stages.train made: {_first_problem(error)}") from error
        network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        preprocessing = Preprocessing(content.resize, content.crop, content.mean, content.std)
        return cls(network, content.network, content.classes, preprocessing, content.precision)

    def __call__(self, image: str | Path | Image.Image) -> Prediction:
        """
        Raises:
            ProjectError, OSError: the picture cannot be read.
        """
        if isinstance(image, Image.Image):
            try:
                with decoders(1):
                    square = middle_square(to_picture(image), self.preprocessing.resize)
            except ProjectError:
                raise
            except Exception as error:  # decoders raise nearly anything on damaged data
                raise ProjectError(f"not a whole picture: {error}") from error
            return self._predict(square[None])[0]
        [(_, outcome)] = self.stream([str(image)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def stream(
        self, files: Iterable[File], workers: int = 2
    ) -> Iterator[tuple[File, Prediction | ProjectError | OSError]]:
        """Yield each file with its prediction, or with the error if it cannot be read, in the order of `files`.

        No more than two batches of images are in memory, nor asked for before their use; `workers` threads decode.
        """
        with closing(read_ahead(files, self.preprocessing.resize, BATCH, workers)) as squares:
            while batch := [(file, _outcome(square)) for file, square in islice(squares, BATCH)]:
                readable = [square for _, square in batch if isinstance(square, Tensor)]
                predictions = iter(self._predict(torch.stack(readable)) if readable else ())
                for file, square in batch:
                    yield file, next(predictions) if isinstance(square, Tensor) else square

    def _predict(self, squares: Tensor) -> list[Prediction]:
        rows = self.logits(squares).softmax(1).tolist()
        tables = [dict(zip(self.classes, row, strict=True)) for row in rows]
        return [Prediction(label := max(table, key=table.__getitem__), table[label], table) for table in tables]

    @torch.inference_mode()
    def logits(self, squares: Tensor) -> Tensor:
        """(N, 3, resize, resize) uint8 -> (N, classes) float32, on the CPU"""
        device = next(self.network.parameters()).device
        with (
            torch.autocast(device.type, enabled=False),
            torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False, fp32_precision="ieee"),
        ):
            logits: Tensor = self.network(to_input(squares.to(device), self.preprocessing))
        return logits.cpu()


def _outcome(square: Future[Tensor]) -> Tensor | ProjectError | OSError:
    try:
        return square.result()
    except (ProjectError, OSError) as error:
        return error


def _first_problem(error: ValidationError | RuntimeError) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        return f"{key}{': ' if key else ''}{problem['msg'].removeprefix('Value error, ')}"
    return "its state_dict does not fit its network"
