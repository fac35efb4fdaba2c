"""scripts/reporting/graph.py: what `dvc status` means for a cell; what DVC really says is in test_repro.py."""

import pytest

from scripts.reporting.graph import Cell, Changes

CELL = Cell("mobilenet_v2", "shapes")
GONE = {"changed deps": {"data/shapes": "deleted"}}


@pytest.mark.parametrize(
    ("stage", "needed"),
    [
        ("download@shapes", True),
        ("arrange@other", False),
        ("weights@mobilenet_v2", True),
        ("weights@resnet18", False),
        ("train@mobilenet_v2-shapes-frozen", True),
        ("train@mobilenet_v2-other-frozen", False),
        ("compare@resnet18-shapes", False),
        ("someones@mobilenet_v2-shapes", False),
        ("someones", False),
    ],
)
def test_a_cell_needs_the_stages_of_its_network_and_its_data_set(stage: str, needed: bool) -> None:
    assert CELL.needs(stage) is needed
    assert Changes({stage: [GONE]}).of(CELL) == ([stage.partition("@")[0]] if needed else [])


def test_kinds_of_stages_come_once_and_in_the_graphs_order() -> None:
    stages = ("compare@mobilenet_v2-shapes", "train@mobilenet_v2-shapes-a", "train@mobilenet_v2-shapes-b")
    assert Changes({stage: [GONE] for stage in stages}).of(CELL) == ["train", "compare"]


@pytest.mark.parametrize(
    ("changes", "outdated"),
    [
        ([GONE, {"changed outs": {"models/a.pt": "not in cache"}}], False),
        ([GONE, {"changed deps": {"stages/heads": "modified"}}], True),
        ([{"changed deps": {"data/shapes": "deleted", "params.yaml": {"seed": "modified"}}}], True),
        ([{"changed deps": {"params.yaml": "new"}}], True),
        ([{"changed outs": {"metrics/a.json": "modified"}}], True),
        (["changed command"], True),
    ],
    ids=["only missing", "code", "a setting", "never run", "edited by hand", "the command"],
)
def test_results_are_outdated_by_what_differs_and_not_by_what_is_missing(changes: list, outdated: bool) -> None:
    assert Changes({"train@mobilenet_v2-shapes-frozen": changes}).outdate(CELL) is outdated
    assert not Changes({"train@resnet18-shapes-frozen": changes}).outdate(CELL)
