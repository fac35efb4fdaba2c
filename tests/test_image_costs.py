"""scripts/measuring/image_costs.py: what an image costs by core and by GPU."""

from pathlib import Path

import pytest

from scripts.measuring import image_costs
from scripts.measuring.image_costs import OF_GPUS, Costs, main, million_table
from stages.ground.errors import ProjectError
from tests.finished import DATA, MODEL


def test_decoding_features_and_training_are_each_timed(
    finished_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(image_costs, "IMAGES", 8)
    main(DATA, [MODEL])
    tables = capsys.readouterr().out
    row = next(line for line in tables.splitlines() if line.startswith(f"| {MODEL} "))
    decode, embed, train = map(float, row.split("|")[2:5])
    assert min(decode, embed) > 0
    assert train > embed
    assert tables.count("not published") == 3  # of images of another size


def test_a_million_takes_hours_of_cores_and_of_gpus() -> None:
    known, unknown = Costs(3.6, 7.2, 36, OF_GPUS["mobilenet_v2"]), Costs(3.6, 7.2, 36, None)
    lines = million_table({"known": known, "unknown": unknown}).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines[2:]]
    assert cells[0] == ["1.0", "2.0", "10.0", "0.024", "0.120", "42"]
    assert cells[1] == ["1.0", "2.0", "10.0", *3 * ["not published"]]


def test_a_network_that_there_is_not_is_named(finished_project: Path) -> None:
    with pytest.raises(ProjectError, match="nothing"):
        main(DATA, ["nothing"])
