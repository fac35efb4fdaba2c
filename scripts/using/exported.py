"""An ONNX file of scripts/export.py, used as a Classifier is. It needs onnxruntime, and neither torch nor onnx."""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import onnxruntime
from PIL import Image
from pydantic import BaseModel, Field, ValidationError

from scripts.using.names import DISTANCE, NONE_OF_THESE, PROBABILITIES
from stages.ground.errors import ProjectError
from stages.ground.params import Channels, Fit, Interpolation, Pixels, Spreads
from stages.models.classifier import BATCH, Prediction
from stages.models.graph import IMAGES
from stages.pictures.picture import Values
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.squares import File, read_ahead, to_square

ERROR = 3  # of onnxruntime's levels of logging: no warnings


class _Metadata(BaseModel):
    """What scripts/export.py writes, and is needed here."""

    network: str
    classes: Annotated[list[str], Field(min_length=1)]
    resize: Pixels
    crop: Pixels
    mean: Channels
    std: Spreads
    values: Values | None
    fit: Fit
    interpolation: Interpolation
    threshold: float | None

    @property
    def preprocessing(self) -> Preprocessing:
        look = (tuple(self.mean), tuple(self.std), self.values, self.fit, self.interpolation)
        return Preprocessing(self.resize, self.crop, *look)


@dataclass(frozen=True)
class Exported:
    session: onnxruntime.InferenceSession
    network: str
    classes: list[str]
    preprocessing: Preprocessing
    threshold: float | None

    @classmethod
    def load(cls, path: Path) -> Self:
        """
        Raises:
            ProjectError: the file is not one that scripts.export wrote.
            OSError: the system does not let it be read.
        """
        path.open("rb").close()  # for the system's own words
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERROR
        try:
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            told = _metadata(session.get_modelmeta().custom_metadata_map)
            _check_outputs(session, told)
        except Exception as error:  # onnxruntime's own kinds are not public
            reason = " ".join(str(error).split())
            raise ProjectError(f"{path} is not an ONNX file that scripts.export wrote: {reason}") from error
        return cls(session, told.network, told.classes, told.preprocessing, told.threshold)

    def __call__(self, picture: Image.Image) -> Prediction:
        """Of what stages.pictures.picture.read_picture gives"""
        return self._predict(to_square(picture, self.preprocessing))

    def stream(
        self, files: Iterable[File], workers: int = 2
    ) -> Iterator[tuple[File, Prediction | ProjectError | OSError]]:
        """As Classifier.stream has it."""
        with closing(read_ahead(files, self.preprocessing, BATCH, workers)) as squares:
            for file, square in squares:
                outcome: Prediction | ProjectError | OSError
                try:
                    outcome = self._predict(square.result())
                except (ProjectError, OSError) as error:
                    outcome = error
                yield file, outcome

    def _predict(self, square: np.ndarray) -> Prediction:
        outputs = [output.name for output in self.session.get_outputs()]
        answers = self.session.run(outputs, {IMAGES: to_input(square[None], self.preprocessing)})
        of = dict(zip(outputs, (answer[0].tolist() for answer in answers), strict=True))
        table = dict(zip(self.classes, of[PROBABILITIES], strict=True))
        label = max(table, key=table.__getitem__)
        return Prediction(label, table[label], table, of.get(NONE_OF_THESE), of.get(DISTANCE), self.threshold)


def _metadata(properties: dict[str, str]) -> _Metadata:
    try:
        told = {key: value if key == "network" else json.loads(value) for key, value in properties.items()}
        return _Metadata.model_validate(told)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ValueError(f"its metadata: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error


def _check_outputs(session: onnxruntime.InferenceSession, told: _Metadata) -> None:
    shapes = {output.name: output.shape for output in session.get_outputs()}
    novelty = () if told.threshold is None else (DISTANCE, NONE_OF_THESE)
    if set(shapes) != {PROBABILITIES, *novelty} or shapes[PROBABILITIES][1:] != [len(told.classes)]:
        raise ValueError(f"its outputs are {shapes}")
