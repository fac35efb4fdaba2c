"""Names: every one that is allowed works to the end of the graph, in tables, figures, DVC, Git and on the page."""

import subprocess
from pathlib import Path

import matplotlib
import pytest
import yaml

from scripts import page
from stages.datasets.names import alike, class_problem, look
from stages.figures import glyphs
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_table
from stages.settings import load_params
from tests.conftest import PROJECT, Project, clean_environment
from tests.drawing import draw_picture
from tests.finished import MODEL, call

NASTY = [
    "$$", "$x^2$", "_hidden", "-rf", "a b", "a,b", "a;b", "a'b", "a.part", "work", "nan", "null", "True", "1.0", "1e5",
    "#1", "%s", "100%", "{}", "${x}", "=1+1", "&amp;", "class 3", "é", "кот", "قط", "猫", "😀", "x" * 120,
]  # fmt: skip
CELL = (MODEL, "nasty", "frozen")


@pytest.fixture
def nasty(finished_project: Path) -> Path:
    """The finished project, with another data set whose classes have such names."""
    for number, name in enumerate(NASTY):
        for split, count in (("train", 2), ("val", 1)):
            for n in range(count):
                draw_picture(paths.raw("nasty") / split / name / f"{n}.png", "discs", 10 * number + len(split) + n)
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["datasets"] = {"nasty": {}}
    params["downloads"] = {}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    return finished_project


def test_nasty_names_of_classes_go_through_the_whole_graph(nasty: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stages = ["arrange nasty", f"features {MODEL} nasty", f"train {' '.join(CELL)}", f"evaluate {' '.join(CELL)}"]
    stages += [f"learning_curve {MODEL} nasty", f"audit {MODEL} nasty", f"compare {MODEL} nasty"]
    stages += [f"explain {' '.join(CELL)}", f"draw {MODEL} nasty"]
    assert [call(stage) for stage in stages] == [0] * 9
    output, errors = capfd.readouterr()
    assert errors == ""  # no font's warnings, either
    assert {row["label"] for row in read_table(paths.predictions(*CELL))} == set(NASTY)
    assert {row["class"] for row in read_table(paths.recall(*CELL))} == set(NASTY)
    assert ("class 28 is 猫" in output) == (ord("猫") not in all_glyphs())
    html = page.render([page.read_cell(MODEL, "nasty", load_params())], "")
    assert html.count("&amp;amp;") >= 2


def all_glyphs() -> set[int]:
    return glyphs.glyphs(glyphs.FAMILY).union(*map(glyphs.glyphs_of, glyphs.others()))


def test_a_name_whose_letters_no_font_has_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glyphs, "others", lambda: [])
    shown = glyphs.drawable(["cat", "猫", "é b", "猫 2"])
    assert shown == {"cat": "cat", "猫": "class 2", "é b": "é b", "猫 2": "class 4"}
    said = glyphs.note(shown)
    assert said is not None
    assert said.startswith(
        "note: no font of this machine has the letters of 2 classes' names, which are numbers in the "
    )
    assert "class 2 is 猫, class 4 is 猫 2." in said
    assert glyphs.note({"cat": "cat"}) is None


def test_another_font_is_used_where_it_has_the_letters() -> None:
    letter = "\u1d81"  # which STIX has, and DejaVu Sans has not; both come with matplotlib
    assert glyphs.drawable([f"a{letter}"]) == {f"a{letter}": f"a{letter}"}
    family = matplotlib.rcParams["font.family"]
    assert family[0] == glyphs.FAMILY
    assert len(family) == 2
    glyphs.drawable(["a"])
    assert matplotlib.rcParams["font.family"] == [glyphs.FAMILY]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Cat", "cat"), ("a b", "a_b"), ("a-b", "a  b"), ("caf\u00e9", "cafe\u0301"), ("\u0441at", "cat"),
        ("ca\u200bt", "cat"), ("t-shirt", "t\u2013shirt"),
        ("o'neil", "o\u2019neil"), ("\u2764", "\u2764\ufe0f"), ("\uff43at", "cat"), ("stra\u00dfe", "STRASSE"),
        ("\u03bfx", "ox"),
    ],
)  # fmt: skip
def test_names_that_a_person_takes_for_one(name: str, other: str) -> None:
    assert look(name) == look(other)
    assert len(alike([name, other, "quite another"])) == 1


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("cat", "cats"),
        ("0", "O"),
        ("e", "\u00e9"),
        ("1", "l"),
        ("a+", "a"),
        ("-1", "1"),
        ("-", "_"),
        ("Muller", "M\u00fcller"),
    ],
)
def test_names_that_differ(name: str, other: str) -> None:
    assert alike([name, other]) == []


@pytest.mark.parametrize(
    "name", ["", " ", ".x", "..", "a/b", "a\\b", "a:b", "a\tb", "a\nb", "con", "a ", "a.", "\udcff"]
)
def test_names_that_no_class_can_have(name: str) -> None:
    assert class_problem(name)


@pytest.mark.parametrize("name", NASTY)
def test_names_that_a_class_can_have(name: str) -> None:
    assert class_problem(name) is None


@pytest.mark.parametrize("name", ["work", "part", "plots"])
def test_git_and_dvc_pass_over_no_results_of_such_names(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path)
    for file in (".gitignore", ".dvcignore"):
        (tmp_path / file).write_bytes((PROJECT / file).read_bytes())
    project.run("git", "init", "-q")
    results = [
        paths.metrics(MODEL, name, name),
        paths.history(MODEL, name, name),
        paths.comparison_metrics(MODEL, name),
    ]
    results += [
        paths.curves(MODEL, name),
        paths.variant_figure(MODEL, name, name, "mistakes"),
        Path(f"data/raw/{name}.dvc"),
    ]
    ignored = subprocess.run(["git", "check-ignore", *results], cwd=tmp_path, text=True, capture_output=True)
    assert ignored.stdout == ""
    project.run("dvc", "init", "-q")
    kept = [paths.images(name) / f"train/{name}/1.png", paths.images(name) / f"train/x.{name}/1.png"]
    ignored = subprocess.run(
        ["dvc", "check-ignore", *kept], cwd=tmp_path, env=clean_environment(), text=True, capture_output=True
    )
    assert ignored.stdout == ""


@pytest.mark.parametrize("name", ["con", "nul", "com1"])
def test_no_data_set_is_called_as_a_device_of_windows(in_folder: Path, name: str) -> None:
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params["datasets"][name] = {}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ProjectError, match=rf"datasets\.{name}: Windows cannot write a file of this name"):
        load_params()
