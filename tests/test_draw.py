"""stages/draw.py: figures out of tables, and nothing else."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages import draw, explain
from stages.audit import Finding
from stages.figures.mistakes import enlarged
from stages.figures.published import published_accuracies
from stages.ground import paths
from stages.ground.files import read_json, read_table, write_json, write_table
from tests.finished import DATA, MODEL
from tests.results import write_findings

CELL = draw.Cell(MODEL, DATA, {"frozen": {"trainable": "head", "epochs": 1}})
OF_CELL, OF_VARIANT = (
    {"accuracy", "audit", "comparison", "embeddings", "learning_curve"},
    {"embeddings", "mistakes", "reliability"},
)


def test_every_figure_is_drawn_from_tables_alone(finished_project: Path) -> None:
    for folder in ("data", "features", "models", "weights", "plots/mobilenet_v2/shapes-figures"):
        shutil.rmtree(folder)
    draw.main(MODEL, DATA)
    folder = paths.figures(MODEL, DATA)
    names = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.png")}
    assert names == OF_CELL | {f"frozen/{name}" for name in OF_VARIANT}
    assert {paths.figure(MODEL, DATA, name) for name in OF_CELL} <= set(folder.rglob("*.png"))
    assert {paths.variant_figure(MODEL, DATA, "frozen", name) for name in OF_VARIANT} <= set(folder.rglob("*.png"))


def test_what_an_earlier_run_drew_of_a_variant_that_is_gone_goes_too(finished_project: Path) -> None:
    old = paths.variant_figure(MODEL, DATA, "old", "mistakes")
    old.parent.mkdir()
    old.touch()
    draw.main(MODEL, DATA)
    assert not old.parent.exists()


def test_embeddings_are_the_points_of_the_table_with_rings_around_mistakes(finished_project: Path) -> None:
    rows = read_table(paths.trained_embeddings(MODEL, DATA, "frozen"))
    rows[0]["wrong"], *_ = "1", *(row.update(wrong="0") for row in rows[1:])
    write_table(paths.trained_embeddings(MODEL, DATA, "frozen"), rows)
    [axes] = draw.trained_embeddings(CELL, "frozen").axes
    drawn = np.concatenate([points.get_offsets() for points in axes.collections[:-1]])
    assert sorted(drawn.tolist()) == sorted([float(row["x"]), float(row["y"])] for row in rows)
    assert axes.collections[-1].get_offsets().tolist() == [[float(rows[0]["x"]), float(rows[0]["y"])]]
    assert f"{100 * float(rows[0]['x_share']):.0f} %" in axes.get_xlabel()
    figure = draw.embeddings(CELL)
    assert figure.get_suptitle() == "mobilenet_v2 on shapes: what the frozen network sees"
    points = sum(len(points.get_offsets()) for points in figure.axes[0].collections)
    assert points == len(read_table(paths.embeddings(MODEL, DATA)))


def test_the_sheet_has_a_heading_for_each_kind_and_pairs_side_by_side(finished_project: Path) -> None:
    folder = paths.audit(MODEL, DATA)
    shutil.rmtree(folder)
    copy = ("val/discs/a.png", "val", "discs", "train/discs/b.png", "train", "discs")
    findings = [
        Finding("copy", 0.97, *copy),
        *(Finding("label", 3 - n / 10, f"val/discs/{n}.png", "val", "discs", suggested="squares") for n in range(13)),
    ]
    write_findings(MODEL, DATA, findings)
    for name in ["1", "1-partner", *map(str, range(2, 14))]:
        Image.new("RGB", (160, 120), "red").save(folder / f"{name}.png")
    sheet = draw.audit(CELL)
    told = [text.get_text() for text in sheet.texts]
    assert "Copies: a picture of one split is in another as well: all 1" in told
    assert "Doubtful labels: by all other images, another class is likelier: the first 12 of 13" in told
    assert "discs (0.97) val/discs/a.png\ntrain/discs/b.png" in told
    assert told.count("discs: squares?\n0.png") == 1
    assert len(sheet.axes) == 2 + 12
    places = [axes.get_position() for axes in sheet.axes]
    assert places[0].y0 == places[1].y0
    assert abs(places[0].x1 - places[1].x0) < 0.01
    assert all(0 <= place.x0 < place.x1 <= 1 and 0 <= place.y0 < place.y1 <= 1 for place in places)
    assert len({(round(place.x0, 3), round(place.y0, 3)) for place in places}) == len(places)


def test_names_of_files_that_no_font_has_are_marked(finished_project: Path) -> None:
    shutil.rmtree(paths.audit(MODEL, DATA))
    write_findings(MODEL, DATA, [Finding("empty", 0.01, "val/discs/\u732b\tb.png", "val", "discs")])
    Image.new("RGB", (160, 120), "red").save(paths.audit(MODEL, DATA) / "1.png")
    assert "discs (0.01)\n??b.png" in [text.get_text() for text in draw.audit(CELL).texts]


def test_long_paths_as_of_tar_files_fit_below_their_pictures(finished_project: Path) -> None:
    shutil.rmtree(paths.audit(MODEL, DATA))
    pair = ("train/train-000001.tar/discs/discs.123456.png", "train", "discs")
    write_findings(MODEL, DATA, [Finding("copy", 0.9, "val/val-000002.tar/discs/discs.8.png", "val", "discs", *pair)])
    for name in ("1", "1-partner"):
        Image.new("RGB", (160, 120), "red").save(paths.audit(MODEL, DATA) / f"{name}.png")
    shown = "discs (0.90) val/…002.tar/discs/discs.8.png\ntrain/…in-000001.tar/discs/discs.123456.png"
    assert shown in [text.get_text() for text in draw.audit(CELL).texts]
    assert draw.shortened("val/val-000002.tar/discs/discs.8.png", 3) == "val/…/discs.8.png"


def test_a_sheet_without_findings_is_a_line_of_text(finished_project: Path) -> None:
    write_findings(MODEL, DATA, [])
    assert draw.audit(CELL).texts[1].get_text() == "Nothing to look at was found"


def test_no_mistakes_are_a_line_of_text(finished_project: Path) -> None:
    folder = paths.mistakes(MODEL, DATA, "frozen")
    write_table(folder / "mistakes.tsv", [], ("number", *explain.COLUMNS))
    metrics = read_json(paths.metrics(MODEL, DATA, "frozen"))
    write_json(paths.metrics(MODEL, DATA, "frozen"), metrics | {"mistakes": 0})
    assert draw.mistakes(CELL, "frozen").texts[0].get_text() == "No mistakes on the val images"


def test_a_mistake_is_shown_with_where_the_network_looked_if_that_is_known(finished_project: Path) -> None:
    folder = paths.mistakes(MODEL, DATA, "frozen")
    row = {"number": 1, "label": "discs", "prediction": "squares", "probability": 0.75}
    Image.new("RGB", (32, 32), "red").save(folder / "1.png")
    Image.fromarray(np.array([[0, 255], [0, 0]], np.uint8)).save(folder / "1-heat.png")
    mistake = draw.to_mistake(row, folder, {})
    assert mistake.image.shape == (32, 32, 3)
    assert (mistake.label, mistake.prediction, mistake.probability) == ("discs", "squares", 0.75)
    assert np.unravel_index(mistake.heat.argmax(), (32, 32))[1] > 16
    (folder / "1-heat.png").unlink()
    assert draw.to_mistake(row, folder, {}).heat is None


def test_a_heat_map_is_enlarged_to_the_picture() -> None:
    heat = np.array([[0, 0.5], [0, 0]], np.float32)
    larger = enlarged(heat, 8)
    assert larger.shape == (8, 8)
    assert (larger.max(), larger[0, 7], larger[7, 0]) == (1, 1, 0)
    assert np.array_equal(enlarged(np.zeros((2, 2), np.float32), 4), np.zeros((4, 4)))


def test_both_figures_get_the_published_accuracies(finished_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr(draw, "published_accuracies", lambda *_: {"frozen": 0.9})
    for name in ("draw_comparison", "draw_accuracy"):
        drawn = getattr(draw, name)
        monkeypatch.setattr(draw, name, lambda *given, drawn=drawn: shown.append(given[-1]) or drawn(*given))
    list(draw.figures(CELL))
    assert shown == [{"frozen": 0.9}] * 2


def test_published_accuracies_are_found_by_network_data_set_and_what_is_trained() -> None:
    variants = {"frozen": "head", "slow": "head", "unfrozen": "all"}
    assert published_accuracies("resnet18", "ants_bees", variants) == {
        "frozen": 0.948,
        "slow": 0.948,
        "unfrozen": 0.922,
    }
    assert published_accuracies("resnet18", "cats_dogs", {"unfrozen": "all"}) == {"unfrozen": 0.974}
    assert published_accuracies("mobilenet_v2", "ants_bees", variants) == {}
    assert published_accuracies("resnet18", "mine", variants) == {}
