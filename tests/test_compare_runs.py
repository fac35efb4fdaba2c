"""make compare and make table: two runs side by side, and all experiments in one table."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scripts import compare, table
from scripts.compare import flat
from scripts.reporting.revision import Revision
from scripts.table import WIDTH, Run, block, pieces
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import write_json, write_table
from stages.statistics.inference import mcnemar_exact

CELL = ("net", "set", "frozen")


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def write_run(lr: float, right: str, more: str = "") -> None:
    """A run with this learning rate; `right` has a 1 for each val image whose answer is right."""
    Path("params.yaml").write_text(
        f"seed: 0\nmodels: {{net: {{}}}}\ndatasets: {{set: {{}}}}\nvariants:\n  frozen: {{lr: {lr}, epochs: 2}}\n{more}"
    )
    rows = [
        {"file": f"val/a/{number}.png", "label": "a", "prediction": "a" if digit == "1" else "b"}
        for number, digit in enumerate(right)
    ]
    write_table(paths.predictions(*CELL), rows)


@pytest.fixture
def project(in_folder: Path) -> Path:
    """Two commits and an experiment, and something else in the workspace."""
    git("init", "-q", "-b", "main")
    write_run(0.1, "1111100000")
    git("add", ".")
    git("commit", "-qm", "first")
    git("tag", "one")
    write_run(0.2, "1111011111", "extra: {deep: [1, 2]}\n")
    git("commit", "-qam", "second")
    write_run(0.3, "1111111111")
    git("commit", "-qam", "an experiment")
    git("update-ref", "refs/exps/ab/cdef/tried-it", "HEAD")
    git("reset", "-q", "--hard", "HEAD~1")
    write_run(0.4, "0000000000")
    return in_folder


@pytest.fixture
def said(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["compare", *arguments])
        compare.main()
        return capsys.readouterr().out

    return run


def test_settings_that_differ_and_images_that_turned_over_are_shown(said: Callable[..., str]) -> None:
    told = said("one", "HEAD")
    assert "  variants.frozen.lr: 0.1 -> 0.2\n" in told
    assert "  extra.deep: absent -> [1, 2]\n" in told
    assert "epochs" not in told
    assert "net set frozen: 0.5000 -> 0.9000 of 10 val images, +40.0 points\n" in told
    p_value = mcnemar_exact([True] * 5 + [False] * 5, [True] * 4 + [False] + [True] * 5)
    assert f"McNemar's p = {p_value:.2g}\n" in told
    assert "  right to wrong: 1\n    val/a/4.png\n  wrong to right: 5\n" in told
    assert "Figures, one above the other: dvc plots diff one HEAD\n" in told


def test_experiments_and_the_workspace_are_revisions_too(said: Callable[..., str]) -> None:
    told = said("tried-it", "workspace")
    assert "variants.frozen.lr: 0.3 -> 0.4" in told
    assert "net set frozen: 1.0000 -> 0.0000" in told
    assert "    and 5 more (ALL=1 names them)\n" in told
    assert "val/a/9.png" not in told
    assert "val/a/9.png" in said("tried-it", "workspace", "--all")


def test_without_names_it_is_what_was_changed_since_the_last_commit(said: Callable[..., str]) -> None:
    assert "variants.frozen.lr: 0.2 -> 0.4" in said()


def test_runs_that_are_the_same_are_counted(said: Callable[..., str]) -> None:
    told = said("HEAD", "main")
    assert "params.yaml: no setting differs\n" in told
    assert "1 model has the same val images right in both.\n" in told


def test_other_val_images_are_counted_and_not_compared(said: Callable[..., str]) -> None:
    write_run(0.4, "11111000001111")
    told = said("one", "workspace")
    assert "0.5000 -> 0.5000 of 10 val images" in told
    assert "4 val images are in one of them alone" in told


def test_a_model_of_one_side_is_named(said: Callable[..., str]) -> None:
    paths.predictions(*CELL).unlink()
    assert "net set frozen: only in A\n" in said("one", "workspace")


def test_what_is_no_revision_is_one_line(project: Path) -> None:
    with pytest.raises(ProjectError, match=r"^'nothing': expected a commit, a branch, a tag, an experiment's name"):
        Revision.of("nothing")


def test_an_option_of_git_is_no_revision(project: Path) -> None:
    with pytest.raises(ProjectError, match="expected a commit"):
        Revision.of("--all")


def test_settings_are_flat_down_to_their_ends() -> None:
    assert dict(flat({"a": {"b": 1, "c": {}}, "d": [1]})) == {"a.b": 1, "a.c": {}, "d": [1]}


def told(name: str, lr: float, accuracy: float, state: str = "") -> dict:
    return {
        "rev": name if name == "workspace" else "0123456789" * 4,
        "name": None if name == "workspace" else name,
        "data": {
            "params": {"params.yaml": {"data": {"variants": {"frozen": {"lr": lr, "epochs": 2}}}}},
            "metrics": {
                "metrics/net/set/frozen.json": {"data": {"accuracy": accuracy, "loss": 1}},
                "metrics/net/set.json": {"data": {"net-set": {}}},
            },
        },
    }


def test_a_table_shows_what_differs_from_where_an_experiment_began() -> None:
    start = told("main", 0.1, 0.9)
    start["experiments"] = [
        {"revs": [told("better", 0.2, 0.95)], "executor": {"state": "Success"}},
        {"revs": [told("waiting", 0.3, 0.9)], "executor": {"state": "Queued"}},
    ]
    lines = table.table([told("workspace", 0.1, 0.9), start])
    assert lines == [
        "workspace       no setting differs                        no accuracy differs",
        "",
        "main, and the experiments that began from it",
        "better          variants.frozen.lr 0.2                    net set frozen 0.9500 (+5.0)",
        "waiting         variants.frozen.lr 0.3",
        "queued",
    ]


def test_a_table_without_experiments_says_how_to_make_one() -> None:
    assert table.table([told("workspace", 0.1, 0.9), told("main", 0.1, 0.9)])[-1].startswith("  none yet: dvc exp run")


def test_an_experiment_that_failed_says_so() -> None:
    failed = {"rev": "a" * 40, "name": "bad", "error": {"type": "X", "msg": "no such stage"}}
    assert block(Run.of(failed), Run.of(told("main", 0.1, 0.9))) == ["bad", "failed: no", "  such stage"]


def test_no_line_is_wider_than_a_terminal() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        words = ["x" * int(rng.integers(1, 60)) for _ in range(5)]
        assert all(len(piece) <= 40 for piece in pieces(" ".join(words), 40))
    wide = told("a-very-long-name-of-an-experiment", 0.123456789, 0.5)
    wide["data"]["params"]["params.yaml"]["data"]["study"] = {"a" * 30: {"b" * 30: list(range(40))}}
    assert max(map(len, block(Run.of(wide), Run.of(told("main", 0.1, 0.9))))) <= WIDTH


def test_what_dvc_refuses_is_one_line(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["table"])
    with pytest.raises(ProjectError, match=r"^dvc exp show: ERROR: you are not inside of a DVC repository"):
        table.main()


def test_groups_widen_the_interval_and_other_metrics_are_shown(said: Callable[..., str]) -> None:
    narrow = said("one", "HEAD")
    write_json(paths.groups("set"), {f"val/a/{number}.png": str(number // 2) for number in range(10)})
    assert said("one", "HEAD") != narrow
    for right, loss in (("1111000000", 0.5), ("0000000000", 0.25)):
        write_run(1.0, right)
        write_json(paths.metrics(*CELL), {"accuracy": 0.5, "loss": loss, "ece": 0.1, "test_accuracy": loss})
        git("add", ".")
        git("commit", "-qm", right)
    assert "  loss 0.5 -> 0.25, test_accuracy 0.5 -> 0.25\n" in said("HEAD~1", "HEAD")


def test_a_name_of_two_experiments_is_refused(project: Path) -> None:
    git("update-ref", "refs/exps/ab/other/tried-it", "HEAD")
    with pytest.raises(
        ProjectError, match=r"^'tried-it' is the name of 2 experiments: [0-9a-f]{40}, [0-9a-f]{40}; take"
    ):
        Revision.of("tried-it")


def test_long_settings_are_cut_with_a_mark(said: Callable[..., str]) -> None:
    write_run(0.4, "1", f"long: [{', '.join(['1'] * 50)}]\n")
    [line] = [line for line in said("one", "workspace").splitlines() if "long" in line]
    assert line.endswith(" …")
    assert len(line) < 100


def test_commits_without_experiments_are_passed_over() -> None:
    first, second, third = (told(name, 0.1, 0.9) for name in ("first", "second", "third"))
    second["experiments"] = [{"revs": [told("tried", 0.2, 0.95)], "executor": None}]
    lines = "\n".join(table.table([told("workspace", 0.1, 0.9), first, second, third]))
    assert "second, and the experiments" in lines
    assert "first, and" not in lines
    assert "third" not in lines


def test_only_commits_that_experiments_began_from_are_asked_for(project: Path) -> None:
    first = git("rev-parse", "one")
    git("update-ref", f"refs/exps/{first[:2]}/{first[2:]}/a", "HEAD")
    git("update-ref", f"refs/exps/{first[:2]}/{first[2:]}/b", "HEAD")
    assert table.beginnings() == ["HEAD", first]
