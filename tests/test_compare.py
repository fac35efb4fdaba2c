"""stages/compare.py: the comparison, by hand."""

import json
from pathlib import Path

import pytest

from stages import compare
from stages.audit import Finding
from stages.ground import paths
from stages.ground.files import read_table, write_json, write_table
from stages.statistics.inference import described
from tests.conftest import PROJECT
from tests.results import write_findings

PARAMS = (PROJECT / "params.yaml").read_text()
RIGHT = {"frozen": "1111100011", "unfrozen": "1111111110"}  # 7 and 9 of 10; three only unfrozen, one only frozen


@pytest.fixture
def cell(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Two variants evaluated by hand, and a third one's files that params.yaml no longer names."""
    (in_folder / "params.yaml").write_text(PARAMS)
    for variant, right in {**RIGHT, "old": "0000000000"}.items():
        place = ("mobilenet_v2", "mine", variant)
        numbers = {"accuracy": right.count("1") / 10, "accuracy_low": 0.4, "accuracy_high": 0.9}
        write_json(paths.metrics(*place), {"images": 10, **numbers})
        answers = [
            {"file": f"val/a/{n}.png", "label": "a", "prediction": "a" if mark == "1" else "b"}
            for n, mark in enumerate(right)
        ]
        write_table(paths.predictions(*place), answers)
        rows = [(epoch, split, 1 / epoch, 0.9, 0.01) for epoch in (1, 2, 3) for split in ("train", "val")]
        names = ("epoch", "split", "loss", "accuracy", "lr")
        write_table(paths.history(*place), [dict(zip(names, row, strict=True)) for row in rows])
    findings = [
        Finding("label", 2.0, "val/a/5.png", "val", "a", suggested="b"),
        Finding("copy", 1.0, "val/a/0.png", "val", "a", "train/a/0.png", "train", "a", copies=3),
        Finding("copy", 1.0, "val/a/1.png", "val", "a", "test/a/1.png", "test", "a", copies=4),
        Finding("outlier", 5.0, "val/a/2.png", "val", "a"),
    ]
    write_findings("mobilenet_v2", "mine", findings)
    return "mobilenet_v2", "mine"


def without_clean(numbers: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in numbers.items() if not name.startswith("clean_")}


def test_doubtful_val_images_are_left_out_beside_the_usual_accuracy(cell: tuple[str, str]) -> None:
    """Of 10 images one is a copy of a train image, and one has a wrong label; 8 are left."""
    compare.main(*cell)
    metrics = json.loads(paths.comparison_metrics(*cell).read_text())["mobilenet_v2-mine"]
    clean = {name: value for name, value in metrics["frozen"].items() if name.startswith("clean_")}
    assert clean == {
        "clean_images": 8,
        "clean_accuracy": 0.75,  # 7 of 10, without one that was right and one that was wrong
        "clean_accuracy_low": 0.4093,
        "clean_accuracy_high": 0.9285,
    }
    assert metrics["unfrozen"]["clean_accuracy"] == 0.875
    assert metrics["frozen"]["accuracy"] == 0.7


def test_a_copy_of_a_copy_of_a_train_image_is_doubtful_too(cell: tuple[str, str]) -> None:
    pairs = [
        Finding("copy", 1.0, "val/a/0.png", "val", "a", "train/a/0.png", "train", "a", copies=3),
        Finding("copy_within", 1.0, "val/a/0.png", "val", "a", "val/a/1.png", "val", "a", copies=3),
        Finding("copy_within", 1.0, "val/a/2.png", "val", "a", "val/a/3.png", "val", "a", copies=5),
    ]
    write_findings(*cell, pairs)
    assert compare.doubtful_images(*cell) == {"val/a/0.png", "val/a/1.png", "train/a/0.png"}


def test_where_all_are_doubtful_there_is_no_such_accuracy(
    cell: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_findings(*cell, [Finding("label", 2.0, f"val/a/{number}.png", "val", "a") for number in range(10)])
    compare.main(*cell)
    metrics = json.loads(paths.comparison_metrics(*cell).read_text())["mobilenet_v2-mine"]
    assert metrics["frozen"]["clean_images"] == 0
    assert "clean_accuracy" not in metrics["frozen"]
    assert "no val image is without a copy that trains or a doubtful label" in capsys.readouterr().out


def test_variants_are_compared_with_the_first_on_the_same_images(cell: tuple[str, str]) -> None:
    compare.main(*cell)
    metrics = json.loads(paths.comparison_metrics(*cell).read_text())
    assert {name: without_clean(of) for name, of in metrics["mobilenet_v2-mine"].items()} == {
        "frozen": {"accuracy": 0.7, "accuracy_low": 0.4, "accuracy_high": 0.9},
        "unfrozen": {
            "accuracy": 0.9,
            "accuracy_low": 0.4,
            "accuracy_high": 0.9,
            "accuracy_difference": 0.2,
            "p_value": 0.625,  # 2 * (1 + 4) / 2**4
        },
    }


def test_curves_are_a_long_table_in_the_order_of_params(cell: tuple[str, str]) -> None:
    compare.main(*cell)
    rows = read_table(paths.curves(*cell))
    assert list(rows[0]) == ["variant", "split", "epoch", "loss", "accuracy"]
    assert [row["variant"] for row in rows] == ["frozen"] * 6 + ["unfrozen"] * 6


def test_the_line_under_a_variants_name_has_the_digits_of_the_metrics() -> None:
    numbers = {"accuracy": 0.9412, "accuracy_low": 0.892, "accuracy_high": 0.9687}
    assert described(numbers) == "accuracy 0.9412 (0.892 to 0.969)"
    against = numbers | {"accuracy_difference": -0.0065, "p_value": 0.1797}
    assert described(against) == "accuracy 0.9412 (0.892 to 0.969)\ndifference -0.0065, p = 0.18"


def test_the_first_variant_of_params_is_the_baseline(cell: tuple[str, str], in_folder: Path) -> None:
    swapped = PARAMS.replace("  unfrozen:", "  x:").replace("  frozen:", "  unfrozen:").replace("  x:", "  frozen:")
    swapped = swapped.replace("variant: frozen", "variant: unfrozen")
    (in_folder / "params.yaml").write_text(swapped)
    compare.main(*cell)
    numbers = json.loads(paths.comparison_metrics(*cell).read_text())["mobilenet_v2-mine"]
    assert list(numbers) == ["unfrozen", "frozen"]
    assert numbers["frozen"]["accuracy_difference"] == -0.2
