"""stages/features.py: embeddings are what the last layer of the whole, frozen network gets."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stages import features
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_table
from stages.models.features import Embedded, Features
from stages.models.pretrained import Pretrained
from stages.networks.network import last_layer_name, load_pretrained
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.splits import list_split
from stages.preprocessing.squares import read_square
from tests.drawing import draw_split
from tests.finished import DATA, MODEL

LOOK = Preprocessing(resize=36, crop=32)  # of tests/finished.py


def test_embeddings_are_the_last_layers_input(finished_project: Path) -> None:
    network = load_pretrained(Pretrained.read(paths.weights(MODEL), MODEL)).eval()
    seen = []
    network.get_submodule(last_layer_name(network)).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    written = Features.read(paths.features(MODEL, DATA))
    for split, of in written.splits.items():
        listed = list_split(paths.images(DATA) / split)
        assert [str(paths.images(DATA) / file) for file in of.files] == list(map(str, listed.files))
        assert of.labels.tolist() == listed.labels.tolist()
        squares = np.stack([read_square(path, LOOK) for path in listed.files])
        with torch.inference_mode():
            network(torch.from_numpy(to_input(squares, LOOK)))
        assert of.embeddings.dtype == np.float32
        assert np.allclose(of.embeddings, seen.pop().numpy(), atol=1e-5 * np.abs(of.embeddings).max())
    assert list(written.splits) == ["train", "val"]
    assert written.classes == ["discs", "squares"]


def test_test_images_are_among_them_and_what_they_are_of_is_said(
    finished_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = Features.read(paths.features(MODEL, DATA))
    draw_split(paths.images(DATA) / "test", 2, first=50)
    features.main(MODEL, DATA)
    written = Features.read(paths.features(MODEL, DATA))
    assert len(written.splits["test"].embeddings) == 4
    assert "test: 4 images, 1280 features each" in capsys.readouterr().out
    assert written.backbone == without.backbone
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("crop: 32", "crop: 33"))
    with pytest.raises(ProjectError, match="of images of 32 pixels, not 33; run dvc repro"):  # weights@MODEL first
        features.main(MODEL, DATA)


def test_the_table_has_train_and_val_in_the_plane_of_train(finished_project: Path) -> None:
    train = np.array([[-3, 0, 0], [3, 0, 0], [0, -1, 0], [0, 1, 0]], np.float32)
    val = np.array([[2, -0.5, 9]], np.float32)  # the third dimension, in which train does not vary, is not shown
    splits = {
        "train": Embedded(list("wxyz"), train, np.array([0, 0, 1, 1])),
        "val": Embedded(["v"], val, np.array([1])),
    }
    rows = features.projected(Features("drawn", ["a", "b"], splits))
    assert [(row["split"], row["label"]) for row in rows] == [*[("train", of) for of in "aabb"], ("val", "b")]
    assert [[row["x"], row["y"]] for row in rows] == [[-3, 0], [3, 0], [0, -1], [0, 1], [2, -0.5]]
    assert (rows[0]["x_share"], rows[0]["y_share"]) == pytest.approx((0.9, 0.1))
    assert list(read_table(paths.embeddings(MODEL, DATA))[0]) == list(rows[0])
