"""scripts/card.py: what a model card says, of a model in its project and of one that is alone."""

import hashlib
import io
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from scripts import card
from scripts.card import write_card
from scripts.export import export
from scripts.using.origin import LICENCES
from stages.ground.errors import ProjectError
from stages.ground.files import read_table, write_json
from stages.models.classifier import Classifier
from stages.models.model_file import ModelFile
from tests.conftest import PROJECT
from tests.finished import DATA, MODEL
from tests.models import draw_foreign, small_model, telling_model

PATH = Path(f"models/{MODEL}/{DATA}/frozen.safetensors")


@pytest.fixture
def locked(finished_project: Path) -> Path:
    """The finished project with a dvc.lock as DVC writes it, and a study."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    known = {"path": str(PATH), "hash": "md5", "md5": hashlib.md5(PATH.read_bytes()).hexdigest()}
    of = {"variants.frozen": params["variants"]["frozen"], "seed": params["seed"]}
    stages = {
        f"arrange@{DATA}": {"params": {"params.yaml": {f"datasets.{DATA}": params["datasets"][DATA]}}},
        f"train@{MODEL}-{DATA}-frozen": {"params": {"params.yaml": of}, "outs": [known]},
        f"evaluate@{MODEL}-{DATA}-frozen": {"deps": [dict(known)]},
    }
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    spread = {"trials": 7, "accuracy": 0.75, "percentile_2.5": 0.5, "percentile_97.5": 1.0}
    ways = {"frozen": spread, "probe": spread | {"sentence": "x on shapes: it is open whether probe is better"}}
    write_json(Path(f"study/{MODEL}/{DATA}/verdicts.json"), ways)
    Path("data/licences.tsv").write_text(f"dataset\tlicence\tsource\n{DATA}\tCC0-1.0\tdrawn here\n")
    return finished_project


def front_of(text: str) -> dict:
    return yaml.safe_load(text.split("---\n")[1])


def test_it_has_what_the_projects_files_say_of_the_very_file(locked: Path) -> None:
    path = write_card(PATH, PATH)
    text, metrics = path.read_text(), yaml.safe_load(Path(f"metrics/{MODEL}/{DATA}/frozen.json").read_text())
    assert path == PATH.with_suffix(".md")
    right = metrics["images"] - metrics["mistakes"]
    interval = f"{metrics['accuracy_low']:.3f} to {metrics['accuracy_high']:.3f}"
    assert f"| val | {right} of {metrics['images']} | {metrics['accuracy']:.4f} | {interval} |" in text
    assert re.search(r"\| all \| 8 \| 6 \|", text), "images of the manifest"
    [recipe] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert yaml.safe_load(recipe) == yaml.safe_load(Path("params.yaml").read_text())["variants"]["frozen"]
    assert "over 7 trials with other splits and seeds the mean val accuracy\nwas 0.7500, 95 %" in text
    assert "- x on shapes: it is open whether probe is better.\n" in text
    assert "- doubtful labels: " in text
    assert "- of the pretrained weights: MIT\n- of the images: CC0-1.0 (drawn here)\n" in text
    assert "Images that had no say" in text
    front = front_of(text)
    assert (front["license"], front["pipeline_tag"]) == ("mit", "image-classification")
    [result] = front["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "accuracy", "value": metrics["accuracy"]}]


def test_of_each_pinned_data_set_something_is_known_of_its_licence() -> None:
    rows = read_table(PROJECT / LICENCES, ("dataset", "licence", "source"))
    pinned = {path.stem for path in (PROJECT / "data/manifests").glob("*.sha256")}
    assert pinned <= {row["dataset"] for row in rows}
    assert [row for row in rows if not (row["licence"] and row["source"].startswith("https://"))] == []


def test_a_copy_elsewhere_is_known_by_its_bytes(locked: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "mine.safetensors"
    copy.parent.mkdir()
    shutil.copyfile(PATH, copy)
    assert f"# {DATA}, {MODEL}, frozen\n" in write_card(copy, copy).read_text()


def test_numbers_of_another_file_of_that_name_are_not_taken(locked: Path) -> None:
    file = ModelFile.read(PATH)
    file.bias[0] += 0.5
    file.write(PATH)
    text = write_card(PATH, PATH).read_text()
    assert "Only this file was at hand" in text
    assert "no evaluation of this file is at hand" in text
    assert "0." not in text.partition("## How good it is")[2].partition("**None")[0]


def test_without_an_evaluation_of_the_file_its_numbers_are_not_known(locked: Path) -> None:
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    lock["stages"][f"evaluate@{MODEL}-{DATA}-frozen"]["deps"][0]["md5"] = 32 * "0"
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    text = write_card(PATH, PATH).read_text()
    assert "Not known: no evaluation of this file is at hand." in text
    assert "trainable: head" in text


def test_a_file_alone_gives_a_card_that_says_what_is_not_known(in_folder: Path) -> None:
    small_model(Path("small.safetensors"))
    text = write_card(Path("small.safetensors"), Path("small.safetensors")).read_text()
    assert sorted(path.name for path in in_folder.iterdir()) == ["small.md", "small.safetensors"]
    assert "# small.safetensors\n" in text
    assert "discs, größere Quadrate, squares" in text
    for line in (
        "Not known: no evaluation of this file is at hand.",
        "Not known: there is no study of it.",
        "- of the images: not stated",
        "The recipe is not known.",
        "It cannot say that a picture is of none of its classes",
    ):
        assert line in text
    assert "model-index" not in front_of(text)


@pytest.mark.parametrize(
    ("licence", "expected"),
    [(None, {"license": "unknown"}), ("Own, v2", {"license": "other", "license_name": "Own, v2"})],
)
def test_licences_that_hugging_face_does_not_know(in_folder: Path, licence: str | None, expected: dict) -> None:
    path = small_model(Path("small.safetensors"))
    replace(ModelFile.read(path), licence=licence).write(path)
    text = write_card(path, path).read_text()
    assert expected.items() <= front_of(text).items()
    assert f"- of the pretrained weights: {licence or 'not stated'}\n" in text


def test_names_are_text_not_markup(in_folder: Path) -> None:
    path = small_model(Path("small.safetensors"))
    replace(ModelFile.read(path), classes=["a|b", "<b>", "_c_"]).write(path)
    assert "a\\|b, \\<b\\>, \\_c\\_." in write_card(path, path).read_text()


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_lines_for_onnxruntime_run_and_give_the_models_answer(in_folder: Path, fit: str) -> None:
    path, exported = telling_model(Path("telling.safetensors"), Path("known")), Path("telling.onnx")
    file = ModelFile.read(path)
    replace(file, preprocessing=replace(file.preprocessing, fit=fit)).write(path)
    export(path, "onnx", exported)
    text = write_card(path, exported).read_text()
    assert front_of(text)["library_name"] == "onnx"
    [lines] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    draw_foreign(Path("foreign.png"))
    for picture in ("foreign.png", "known/discs.0.png"):
        said = io.StringIO()
        with redirect_stdout(said):
            exec(lines.replace("photo.jpg", picture), {})
        expected = Classifier.load(path)(picture)
        label, probability = said.getvalue().splitlines()[0].rsplit(" ", 1)
        assert label == expected.label
        assert float(probability) == pytest.approx(expected.probability, abs=1e-2)
        assert said.getvalue().splitlines()[1] == f"none of these: {expected.none_of_these}"


def test_of_torch_exports_it_says_how_they_are_loaded(in_folder: Path) -> None:
    path = small_model(Path("small.safetensors"))
    text = write_card(path, Path("small.pt2")).read_text()
    assert 'torch.export.load("small.pt2").module()' in text
    assert front_of(text)["library_name"] == "pytorch"


def test_the_command_writes_anew_what_it_wrote_and_nothing_else(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_model(Path("small.safetensors"))
    monkeypatch.setattr(sys, "argv", ["card", "small.safetensors", "--output", "CARD.md"])
    for _ in range(2):
        card.main()
        assert capsys.readouterr().out == "CARD.md\n"
    Path("CARD.md").write_text("mine")
    with pytest.raises(SystemExit, match="1"):
        card.main()
    assert capsys.readouterr().err == "error: CARD.md is in the card's way, and was not made by scripts.card: move it\n"
    assert Path("CARD.md").read_text() == "mine"


BROKEN: dict[str, Callable[[], object]] = {
    "half": lambda: Path("dvc.lock").write_text("schema: ["),
    "none": lambda: Path("dvc.lock").write_text("schema: '2.0'"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_lock_is_one_line(in_folder: Path, how: str) -> None:
    path = small_model(Path("small.safetensors"))
    BROKEN[how]()
    with pytest.raises(ProjectError, match=r"^dvc\.lock is not whole: git checkout HEAD dvc\.lock"):
        write_card(path, path)
