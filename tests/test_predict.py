"""scripts/predict.py: the command that uses a model."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest

from scripts.export import export
from scripts.predict import predict
from stages.ground.errors import ProjectError
from stages.models.classifier import BATCH, Classifier
from tests.conftest import PROJECT, clean_environment
from tests.drawing import draw_picture
from tests.models import CLASSES, draw_foreign, draw_formats, small_model, telling_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("model") / "small.safetensors")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw_formats(tmp_path_factory.mktemp("pictures"))


def start(*arguments: object) -> subprocess.Popen[bytes]:
    """The command itself, in a folder without params.yaml."""
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.predict", *map(os.fspath, arguments)],
        env=clean_environment() | {"PYTHONPATH": os.fspath(PROJECT), "PYTHONUNBUFFERED": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_the_table_names_file_class_and_probability(
    model: Path, pictures: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{path.parent}/./{path.name}" for path in pictures]
    assert predict(str(model), names, as_json=False) == 0
    header, *rows = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert header == ["file", "class", "probability", "none_of_these"]
    classifier = Classifier.load(model)
    assert [row[0] for row in rows] == names, "as given"
    for name, label, probability, none_of_these in rows:
        assert (label, none_of_these) == (classifier(name).label, "unknown"), "by a model that cannot tell"
        assert float(probability) == pytest.approx(classifier(name).probability, abs=1e-4)


def test_a_json_line_has_the_probability_of_every_class(
    model: Path, pictures: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    predict(str(model), map(str, pictures), as_json=True)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    classifier = Classifier.load(model)
    assert [row["file"] for row in rows] == list(map(str, pictures))
    for row in rows:
        assert list(row) == [
            "file", "class", "probability", "none_of_these", "distance", "threshold", "probabilities",
        ]  # fmt: skip
        assert row["none_of_these"] is row["distance"] is row["threshold"] is None, "by a model that cannot tell"
        assert row["probabilities"] == pytest.approx(classifier(row["file"]).probabilities, abs=1e-5)
        assert (row["class"], row["probability"]) == max(row["probabilities"].items(), key=lambda item: item[1])


def test_a_foreign_picture_is_none_of_these_beside_what_it_would_have_been(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = telling_model(tmp_path / "telling.safetensors", tmp_path / "known")
    names = [str(draw_foreign(tmp_path / "foreign.png")), str(tmp_path / "known/discs.0.png")]
    assert predict(str(model), names, as_json=False) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[3] for row in rows] == ["yes", "no"]
    assert rows[0][1] in CLASSES
    assert predict(str(model), names, as_json=True) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = [Classifier.load(model)(name) for name in names]
    for answer, of in zip(answers, expected, strict=True):
        assert (answer["none_of_these"], answer["threshold"]) == (of.none_of_these, pytest.approx(of.threshold))
        assert answer["distance"] == pytest.approx(of.distance, abs=1e-4)
        assert list(answer["probabilities"]) == CLASSES
    assert [answer["none_of_these"] for answer in answers] == [True, False]


def test_a_folder_stands_for_the_pictures_in_it_and_below(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("b.png", "a/c.JPG", "a/d/e.png"):
        draw_picture(tmp_path / name.lower(), "discs", 0)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    assert predict(str(model), [str(tmp_path), f"{tmp_path}/empty", ""], as_json=False) == 1
    said = capsys.readouterr()
    found = [line.split("\t")[0] for line in said.out.splitlines()[1:]]
    assert found == [f"{tmp_path}/{name}" for name in ("a/c.jpg", "a/d/e.png", "b.png")]
    assert said.err == (
        f"{tmp_path}: left out: 1 files that are no pictures (1 .txt)\n"
        f"error: {tmp_path}/empty: a folder without pictures\nerror: : a folder without pictures\n"
    )


def test_lines_come_while_files_are_still_being_named(
    model: Path, pictures: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    printed = 0

    def names() -> Iterator[str]:
        nonlocal printed
        for _ in range(3 * BATCH):
            yield str(pictures[0])
        printed = len(capsys.readouterr().out.splitlines())

    assert predict(str(model), names(), as_json=False) == 0
    assert printed > BATCH


def test_names_are_read_from_stdin(
    model: Path, pictures: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = os.fsencode(f"{pictures[0]}\n\n{pictures[1]}\n-\n{pictures[2]}")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(lines)))
    assert predict(str(model), ["-"], as_json=False) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()[1:]] == list(map(str, pictures[:3]))


def test_each_unreadable_file_is_one_line_and_the_others_follow(
    model: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two\nlines.png").write_text("no picture")
    names = [f"{tmp_path}/two\nlines.png", str(pictures[0]), "none.png", "nul\0l", "x" * 300, str(pictures[1])]
    assert predict(str(model), names, as_json=True) == 1
    said = capsys.readouterr()
    assert [json.loads(line)["file"] for line in said.out.splitlines()] == list(map(str, pictures[:2]))
    assert said.err.splitlines() == [
        f"error: {tmp_path}/two lines.png: not a whole picture, 10 bytes",
        "error: none.png: No such file or directory",
        "error: 'nul\\x00l': no file's name (embedded null byte)",
        f"error: {'x' * 300}: File name too long",
    ]


def test_what_is_no_model_is_an_error_before_any_name_is_read(pictures: list[Path]) -> None:
    with pytest.raises(ProjectError, match=r"plain\.png is not a whole file of tensors"):
        predict(str(next(path for path in pictures if path.name == "plain.png")), iter(()), as_json=False)


def test_the_command_takes_options_anywhere_and_broken_names(model: Path, tmp_path: Path) -> None:
    draw_picture(tmp_path / "one.png", "discs", 0)
    broken = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    Path(os.fsdecode(broken)).write_bytes((tmp_path / "one.png").read_bytes())
    with start(model, broken, "--json", "-", tmp_path / "none.png") as command:
        out, err = command.communicate(broken + b"\n")
    assert [json.loads(line)["file"] for line in out.splitlines()] == 2 * [os.fsdecode(broken)]
    assert set(json.loads(out.splitlines()[0])["probabilities"]) == set(CLASSES)
    assert err.decode() == f"error: {tmp_path}/none.png: No such file or directory\n"
    assert command.returncode == 1


def test_the_table_has_the_very_bytes_of_a_broken_name_and_its_reader_may_leave(model: Path, tmp_path: Path) -> None:
    draw_picture(tmp_path / "one.png", "discs", 0)
    broken = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    Path(os.fsdecode(broken)).write_bytes((tmp_path / "one.png").read_bytes())
    with start(model, *20 * BATCH * [broken]) as command:
        assert command.stdout.readline() == b"file\tclass\tprobability\tnone_of_these\n"
        assert command.stdout.readline().startswith(broken + b"\t")
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == -signal.SIGPIPE


def test_lines_arrive_while_stdin_is_open_and_ctrl_c_is_status_130(model: Path, pictures: list[Path]) -> None:
    with start(model) as command:
        command.stdin.write((2 * BATCH + 1) * os.fsencode(f"{pictures[0]}\n"))
        command.stdin.flush()
        for _ in range(BATCH + 1):  # the header, and all of the first batch
            command.stdout.readline()
        command.send_signal(signal.SIGINT)
        assert command.communicate() == (b"", b"")
    assert command.returncode == 130


def test_wrong_arguments_are_status_2() -> None:
    with start("--nothing") as command:
        assert command.communicate()[1].startswith(b"usage: python -m scripts.predict")
    assert command.returncode == 2


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("telling")
    return telling_model(folder / "telling.safetensors", folder / "known")


@pytest.mark.parametrize("which", ["model", "telling"])
def test_an_onnx_file_gives_the_same_lines(
    which: str, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    source, exported = request.getfixturevalue(which), tmp_path / "moved.onnx"
    export(source, "onnx", exported)
    (tmp_path / "notes.txt").write_text("no picture")
    foreign = draw_foreign(tmp_path / "foreign.png")
    names = [*map(str, pictures), "none.png", str(tmp_path / "notes.txt"), str(foreign)]
    for as_json in (False, True):
        said = []
        for path in (source, exported):
            assert predict(str(path), names, as_json) == 1
            said.append(capsys.readouterr())
        assert said[0].err == said[1].err
        of_model, of_export = (of.out.splitlines() for of in said)
        if not as_json:
            assert of_model == of_export
            assert of_export[-1].endswith("\tyes" if which == "telling" else "\tunknown")
        for line, expected in zip(of_export, of_model, strict=True) if as_json else ():
            found, wanted = json.loads(line), json.loads(expected)
            assert list(found) == list(wanted)
            assert [found[key] for key in ("file", "class", "none_of_these")] == [
                wanted[key] for key in ("file", "class", "none_of_these")
            ]
            assert found["probabilities"] == pytest.approx(wanted["probabilities"], abs=2e-6)
            assert (found["distance"], found["threshold"]) == (
                pytest.approx(wanted["distance"], abs=1e-4),
                pytest.approx(wanted["threshold"]),
            )


def test_an_onnx_file_of_another_program_and_a_file_of_torch_export_are_one_line(model: Path, tmp_path: Path) -> None:
    exported = tmp_path / "small.onnx"
    export(model, "onnx", exported)
    plain = onnx.load(exported)
    del plain.metadata_props[:]
    onnx.save(plain, tmp_path / "plain.onnx")
    with pytest.raises(
        ProjectError, match=r"plain\.onnx is not an ONNX file that scripts\.export wrote: its metadata:"
    ):
        predict(str(tmp_path / "plain.onnx"), iter(()), as_json=False)
    told = {entry.key: entry.value for entry in onnx.load(exported).metadata_props}
    onnx.helper.set_model_props(plain, told | {"classes": '["one"]'})
    onnx.save(plain, tmp_path / "other.onnx")
    with pytest.raises(ProjectError, match=r"other\.onnx is not .*: its outputs are"):
        predict(str(tmp_path / "other.onnx"), iter(()), as_json=False)
    (tmp_path / "cut.onnx").write_bytes(exported.read_bytes()[:1000])
    with pytest.raises(ProjectError, match=r"cut\.onnx is not an ONNX file"):
        predict(str(tmp_path / "cut.onnx"), iter(()), as_json=False)
    with pytest.raises(OSError, match="No such file"):
        predict(str(tmp_path / "none.onnx"), iter(()), as_json=False)
    with pytest.raises(ProjectError, match=r"x\.pt2: torch\.export's files run in torch; use the model's own file"):
        predict("x.pt2", iter(()), as_json=False)


@pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
def test_it_imports_nothing_heavy(model: Path, pictures: list[Path], tmp_path: Path, suffix: str) -> None:
    path = model
    if suffix == "onnx":
        path = tmp_path / "small.onnx"
        export(model, "onnx", path)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "scripts.predict", path, pictures[0]],
        env=clean_environment() | {"PYTHONPATH": os.fspath(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 2
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert {"onnxruntime", "numpy"} <= imported
    assert (
        imported & {"torch", "torchvision", "timm", "dvc", "matplotlib", "onnx", "pandas", "sklearn", "requests"}
        == set()
    )


@pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
def test_onnxruntime_keeps_no_number_of_the_machine_to_report_by(
    model: Path, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path, kept = model, tmp_path / "temporary"
    if suffix == "onnx":
        path = tmp_path / "small.onnx"
        export(model, "onnx", path)
    kept.mkdir()
    monkeypatch.setenv("TMPDIR", str(kept))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)  # which this process has
    with start(path, pictures[0]) as command:
        assert command.communicate()[1] == b""
    assert list(kept.iterdir()) == []
