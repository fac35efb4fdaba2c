"""The README's numbers are those of the metrics files."""

import json
import re
import shutil
from itertools import product
from pathlib import Path

import pytest

from scripts.results import BEGIN, BEGIN_VERDICTS, END, END_VERDICTS, between_marks, results_table, verdicts
from stages.ground import paths
from stages.settings import load_params
from tests.conftest import PROJECT
from tests.results import write_results


def test_readme_shows_the_results_of_the_metrics_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    readme = (PROJECT / "README.md").read_text()
    params = load_params()
    table = results_table(product(params.models, params.datasets))
    assert re.search(r"^\| mobilenet_v2 +\| cats_dogs +\| unfrozen +\| \w+ +\| \d+ of 500 ", table, re.M)
    assert readme == between_marks(readme, table, BEGIN, END), "the README's table is old: run make readme"


def test_readme_opens_with_what_the_study_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    readme, params = (PROJECT / "README.md").read_text(), load_params()
    told = verdicts(product(params.models, params.datasets))
    assert re.search(r"^- mobilenet_v2 on sign_digits: finetuned .* frozen, .*\.$", told, re.M)
    assert re.search(r"^\| mobilenet_v2 +\| sign_digits +\| frozen +\| 100 ", told, re.M)
    old = "what the README says of the study is old: run make readme"
    assert readme == between_marks(readme, told, BEGIN_VERDICTS, END_VERDICTS), old


def test_where_the_study_has_not_run_nothing_is_said(in_folder: Path) -> None:
    assert verdicts([("mobilenet_v2", "shapes")]) == "\nno results yet\n"


def test_the_table_says_what_each_model_was_trained_in(in_folder: Path) -> None:
    shutil.copyfile(PROJECT / "params.yaml", "params.yaml")
    write_results("mobilenet_v2", "shapes", ["a", "b"], ["frozen", "unfrozen"])
    path = paths.metrics("mobilenet_v2", "shapes", "unfrozen")
    assert results_table([("mobilenet_v2", "shapes")]).count("| float32    |") == 2
    for precision, shown in (("bfloat16", "bfloat16"), (None, "not recorded")):
        content = json.loads(path.read_text()) | {"precision": precision}
        path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
        line = results_table([("mobilenet_v2", "shapes")]).splitlines()[-1]
        assert [cell.strip() for cell in line.split("|")][3:5] == ["unfrozen", shown]


def test_only_what_is_between_the_marks_is_replaced() -> None:
    assert between_marks(f"a\n{BEGIN}old\n{END}b\n", "new\n", BEGIN, END) == f"a\n{BEGIN}\nnew\n\n{END}b\n"
