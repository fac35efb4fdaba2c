"""A finished model by its file's name: the project's own, or an export of it as ONNX."""

from pathlib import Path

from scripts.using.exported import Exported
from stages.ground.errors import ProjectError
from stages.models.classifier import Classifier

Finished = Classifier | Exported


def load(path: str | Path) -> Finished:
    """
    Raises:
        ProjectError: no finished model, or one that torch alone can run.
        OSError: the system does not let it be read.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        return Exported.load(path)
    if path.suffix == ".pt2":
        raise ProjectError(f"{path}: torch.export's files run in torch; use the model's own file, or export it as ONNX")
    return Classifier.load(path)


def network_of(finished: Finished) -> str:
    return finished.file.network if isinstance(finished, Classifier) else finished.network
