"""The README's numbers are those of the metrics files."""

from itertools import product

import pytest

from scripts.results import BEGIN, END, between_marks, results_table
from stages.common.params import load_params
from tests.conftest import PROJECT


def test_readme_shows_the_results_of_the_metrics_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    readme = (PROJECT / "README.md").read_text()
    params = load_params()
    table = results_table(product(params.models, params.datasets))
    assert "| mobilenet_v2 | cats_dogs | unfrozen |" in table
    assert readme == between_marks(readme, table, BEGIN, END), "the README's table is old: run make readme"


def test_only_what_is_between_the_marks_is_replaced() -> None:
    assert between_marks(f"a\n{BEGIN}old\n{END}b\n", "new\n", BEGIN, END) == f"a\n{BEGIN}\nnew\n\n{END}b\n"
