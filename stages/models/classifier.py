"""A trained network with all that is needed to use it: its one file is enough, and torch is not needed.

classifier = Classifier.load("models/mobilenet_v2/ants_bees/frozen.safetensors")
classifier("photo.jpg").label
for file, outcome in classifier.stream(Path("photos").glob("*.jpg")):
    ...
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from stages.ground.errors import ProjectError
from stages.models.backbone import Backbone
from stages.models.model_file import ModelFile
from stages.pictures.picture import decoders, to_picture
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.squares import File, read_ahead, to_square
from stages.statistics.scores import softmax

BATCH = 32  # pictures that are decoded, and answered, at once


@dataclass(frozen=True)
class Prediction:
    label: str  # the most probable class
    probability: float  # of that class, 0..1
    probabilities: dict[str, float]  # of every class, in the order of the network's outputs
    none_of_these: bool | None = None  # looks like no class; None where the model's file cannot tell
    distance: float | None = None  # how unlike the train images it is: 0 is usual, 1 hardly is
    threshold: float | None = None  # of distances: what is above it looks like no class


@dataclass(frozen=True)
class Classifier:
    file: ModelFile
    backbone: Backbone

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> Self:
        """`device` is runtime.device's: cuda, cpu, or auto.

        Raises:
            ProjectError: the file is not one that stages.train wrote.
        """
        path = Path(path)
        file = ModelFile.read(path)
        try:
            return cls(file, Backbone(file.graph, file.tensors, device))
        except ProjectError as error:
            raise ProjectError(f"{path} is not a model that stages.train made: {error}") from error

    @property
    def classes(self) -> list[str]:
        return self.file.classes

    @property
    def preprocessing(self) -> Preprocessing:
        return self.file.preprocessing

    def __call__(self, image: str | Path | Image.Image) -> Prediction:
        """
        Raises:
            ProjectError, OSError: the picture cannot be read.
        """
        if isinstance(image, Image.Image):
            try:
                with decoders(1):
                    square = to_square(to_picture(image, self.preprocessing.values), self.preprocessing)
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
        with closing(read_ahead(files, self.preprocessing, BATCH, workers)) as squares:
            while batch := [(file, _outcome(square)) for file, square in islice(squares, BATCH)]:
                readable = [square for _, square in batch if isinstance(square, np.ndarray)]
                predictions = iter(self._predict(np.stack(readable)) if readable else ())
                for file, square in batch:
                    yield file, next(predictions) if isinstance(square, np.ndarray) else square

    def _predict(self, squares: np.ndarray) -> list[Prediction]:
        embeddings = self.embeddings(squares)
        rows, told = softmax(self.answers(embeddings)).tolist(), self.novelties(embeddings)
        tables = [dict(zip(self.classes, row, strict=True)) for row in rows]
        labels = [max(table, key=table.__getitem__) for table in tables]
        return [
            Prediction(label, table[label], table, *novelty)
            for label, table, novelty in zip(labels, tables, told, strict=True)
        ]

    def novelties(self, embeddings: np.ndarray) -> list[tuple[bool, float, float] | tuple[()]]:
        """(N, D) -> for each whether it is none of the classes, its distance, and the threshold, where they are known

        It tells pictures of something entirely different; a class that is much like these mostly passes as one of them
        (docs/none_of_these.md).
        """
        novelty = self.file.novelty
        if novelty is None:
            return [() for _ in embeddings]
        threshold = novelty.threshold
        return [(distance > threshold, distance, threshold) for distance in novelty.distances(embeddings).tolist()]

    def logits(self, squares: np.ndarray) -> np.ndarray:
        """(N, 3, side, side) uint8 -> (N, classes) float32"""
        return self.answers(self.embeddings(squares))

    def embeddings(self, squares: np.ndarray) -> np.ndarray:
        """(N, 3, side, side) uint8 -> (N, D) float32, what the last layer gets"""
        return self.backbone.embeddings(to_input(squares, self.preprocessing))

    def answers(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, classes) float32, logits"""
        logits: np.ndarray = embeddings @ self.file.weight.T + self.file.bias
        return logits

    def look(self, square: np.ndarray, answer: int) -> np.ndarray | None:
        """How much each place of an image speaks for the class numbered `answer`: class activation mapping.

        Zhou et al., "Learning deep features for discriminative localization", CVPR 2016. Where an embedding is the mean
        of the last activation over all places, it is Grad-CAM (Selvaraju et al., ICCV 2017) without a gradient; what
        speaks against the class counts as nothing.

        Args:
            square: (3, side, side) uint8.

        Returns:
            (h, w) float32, 0 to 1, coarser than the image, where 1 is the place that speaks most; all 0 if none does.
            None where the network's last layers are others: see stages/networks/gradcam.py.
        """
        if not self.backbone.has_places:
            return None
        places = self.backbone.places(to_input(square[None], self.preprocessing))[0]
        heat = np.tensordot(self.file.weight[answer], places, 1).clip(min=0)
        over_maximum: np.ndarray = heat / max(heat.max(), np.finfo(heat.dtype).tiny)
        return over_maximum


def _outcome(square: Future[np.ndarray]) -> np.ndarray | ProjectError | OSError:
    try:
        return square.result()
    except (ProjectError, OSError) as error:
        return error
