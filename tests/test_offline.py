"""`make repro` on a machine that reaches no address, and the image set that comes with the repository."""

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from stages.pictures.picture import open_picture
from tests.conftest import MODEL, PROJECT, Project
from tests.finished import call

NOWHERE = "http://127.0.0.1:1"  # where nothing listens
SHIPPED = "sign_digits"
DIGITS = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}


@pytest.fixture
def offline(small_project: Project, tmp_path: Path) -> Project:
    """A clone of the small project, with its results and nothing of its data.

    The weights of a further network, resnet18, are out of reach; so are the images of a further data set that has
    results, `far`.
    """
    project = Project(tmp_path / "clone")
    subprocess.run(["git", "clone", "-q", small_project.folder, project.folder], check=True)
    project.edit_params(
        lambda params: params["models"].update(resnet18=params["models"][MODEL] | {"urls": [f"{NOWHERE}/resnet18.pth"]})
    )
    project.edit_params(lambda params: params["downloads"].update(far={"urls": [f"{NOWHERE}/far.zip"]}))
    project.edit_params(lambda params: params["datasets"].update(far={}))
    for folder in ("metrics", "plots"):
        shutil.copytree(project.folder / folder / "mobilenet_v2/shapes", project.folder / folder / "mobilenet_v2/far")
    project.commit()
    return project


@pytest.mark.slow
def test_without_a_network_all_that_is_here_is_rebuilt_and_the_rest_stands_untouched(offline: Project) -> None:
    committed = offline.files("metrics", "plots")
    said = offline.run("sh", "-c", "python -m scripts.repro; echo status $?")
    answer = r"mobilenet_v2 on shapes, frozen: \d of 10 wrong, accuracy \d\.\d+ \(.*\)\n"
    first, rest = re.split(
        rf"\nThe last layer alone, on the val images, with its 95 % interval:\n  {answer}\n"
        r"Now the rest of mobilenet_v2 on shapes; all layers take a minute or less on two cores, in \w+\n\n",
        said,
    )
    assert "evaluate@mobilenet_v2-shapes-frozen" in first
    assert "unfrozen':" not in first
    assert "train@mobilenet_v2-shapes-unfrozen" in rest
    assert "train@mobilenet_v2-shapes-frozen':" not in rest
    end = said[said.index("done  ") :]
    assert (
        re.sub("float32|bfloat16", "…", end)
        == f"""\
done         mobilenet_v2 on shapes: plots/mobilenet_v2/shapes-figures/comparison.png
not reached  resnet18 on shapes: there are no results of it
not reached  mobilenet_v2 on far: its results stand untouched; they are not of the present settings and code
not reached  resnet18 on far: there are no results of it

Why:
  weights@resnet18: resnet18.pth is not to be had: {NOWHERE}/resnet18.pth: could not connect, or the connection broke.
  download@far: far.zip is not to be had: {NOWHERE}/far.zip: could not connect, or the connection broke.
Check the network, or put the file into a folder and name that folder in the environment variable DATA_MIRROR
status 0
"""
    )
    assert offline.files("metrics", "plots") == committed
    assert offline.run("git", "status", "--porcelain") == ""

    strict = offline.run("sh", "-c", "STRICT=1 python -m scripts.repro; echo status $?")
    assert "To rebuild: resnet18 on shapes, mobilenet_v2 on far, resnet18 on far.\n" in strict
    assert strict.endswith("status 1\n")
    assert offline.files("metrics", "plots") == committed


def test_where_nothing_can_be_rebuilt_that_is_an_error(offline: Project) -> None:
    for name in ("params.yaml", "dvc.lock"):
        path = offline.folder / name
        path.write_text(path.read_text().replace("data/embedded/shapes.zip", f"{NOWHERE}/shapes.zip"))
    said = offline.run("sh", "-c", "python -m scripts.repro; echo status $?")
    assert "not reached  mobilenet_v2 on shapes: its results stand untouched\n" in said
    assert "Results on the val images" not in said
    assert said.endswith("\n\nNothing could be rebuilt here.\nstatus 1\n")


def test_results_that_lack_a_variant_are_said_to(offline: Project) -> None:
    offline.edit_params(lambda params: params["variants"].update(new=params["variants"]["frozen"]))
    offline.edit_params(lambda params: params["downloads"]["shapes"].update(urls=[f"{NOWHERE}/shapes.zip"]))
    said = offline.run("python", "-m", "scripts.repro", check=False)
    assert (
        "not reached  mobilenet_v2 on shapes: its results stand untouched, but for new, of which there are none;"
        " they are not of the present settings and code\n"
    ) in said


@pytest.fixture
def shipped(in_folder: Path) -> Path:
    """The project's own parameters, manifests and embedded archive, in an empty folder: the archive."""
    shutil.copytree(PROJECT / "data/manifests", "data/manifests")
    shutil.copytree(PROJECT / "data/embedded", "data/embedded")
    shutil.copyfile(PROJECT / "params.yaml", "params.yaml")
    return Path(f"data/embedded/{SHIPPED}.zip")


def test_the_embedded_images_are_those_of_the_manifest(shipped: Path) -> None:
    assert call(f"download {SHIPPED}") == call(f"arrange {SHIPPED}") == 0
    images = sorted(Path(f"data/{SHIPPED}").rglob("*.jpg"))
    assert Counter(path.parts[2] for path in images) == {"train": 474, "val": 462, "test": 452}
    assert {path.parent.name for path in images} == DIGITS
    assert {open_picture(path).size for path in images} == {(100, 100)}


@pytest.mark.parametrize("stage", ["download ants_bees", "download cats_dogs", "weights resnet18"])
def test_the_projects_own_addresses_are_only_out_of_reach_behind_a_proxy_that_is_gone(
    shipped: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REPRO_ERRORS_FILE", "errors")
    assert call(stage) == 1
    record = json.loads(Path("errors").read_text())
    assert record["unreachable"]
    assert record["reason"].count("the proxy that the environment names cannot be reached, or refused") == 1


def test_no_students_images_are_in_two_splits() -> None:
    folder = PROJECT / "data/manifests"
    splits = dict(line.split() for line in (folder / f"{SHIPPED}.sha256").read_text().splitlines())
    students = dict(line.split() for line in (folder / f"{SHIPPED}.groups").read_text().splitlines())
    assert set(splits) == set(students)
    of_student: dict[str, set[str]] = {}
    for digest, student in students.items():
        of_student.setdefault(student, set()).add(splits[digest].partition("/")[0])
    assert len(of_student) == 147
    assert all(len(of) == 1 for of in of_student.values())


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[: len(data) // 2], "not a zip file that can be unpacked"),
        (lambda data: b"", "not a zip file that can be unpacked"),
        (lambda data: b"version https://git-lfs.github.com/spec/v1\n", "not a zip file that can be unpacked"),
        (lambda data: data.replace(b"\xff\xd9", b"\xff\xd8"), "not a zip file that can be unpacked"),
        (None, "no such file"),
    ],
    ids=["cut off", "empty", "a pointer", "other bytes", "gone"],
)
def test_a_damaged_embedded_archive_is_one_line_and_a_failure(
    shipped: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, damage, reason: str
) -> None:
    monkeypatch.setenv("REPRO_ERRORS_FILE", "errors")
    if damage:
        shipped.write_bytes(damage(shipped.read_bytes()))
    else:
        shipped.unlink()
    assert call(f"download {SHIPPED}") == 1
    said = capsys.readouterr().err
    assert re.fullmatch(
        rf"error: sign_digits\.zip is not to be had: {shipped}: {reason}.*\. Put the right file there; git checkout"
        r" brings back one of the repository's own\n",
        said,
    )
    assert json.loads(Path("errors").read_text())["unreachable"] is False
    assert not Path(f"data/raw/{SHIPPED}").exists()
