"""Tar files in S3, as a server on 127.0.0.1 has it: stages/ground/places.py and s3fs."""

import importlib.util
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.adding.tar_files import add_place
from scripts.shards import write_shards
from stages import arrange
from stages.ground import paths, places
from stages.ground.errors import ProjectError
from stages.ground.places import open_place
from stages.ground.shards import open_file
from stages.preprocessing.splits import list_splits
from tests.conftest import PROJECT, to_yaml
from tests.drawing import draw_data_set

BUCKET = "s3://pictures"
NAME = "tars"
needs_s3 = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("s3fs", "moto"))) and not os.environ.get("REQUIRE_S3"),
    reason="s3fs and moto are not installed",
)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3(endpoint: str, in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """A client; pictures/tars/{train,val}/*.tar are those of drawn/, and a project has them."""
    import s3fs

    surroundings = {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }  # fmt: skip
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "FSSPEC_S3_ANON"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(places, "WAITS", (0, 0))
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    draw_data_set(in_folder / "drawn")
    write_shards(in_folder / "drawn", in_folder / "tars", 30_000)
    files.mkdir(BUCKET)
    files.put("tars", f"{BUCKET}/tars", recursive=True)
    settle(train=[f"{BUCKET}/tars/train/*.tar"], val=[f"{BUCKET}/tars/val/val-{{000000..000002}}.tar"])
    yield files
    files.rm(BUCKET, recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


def settle(**shards: list[str]) -> None:
    params = {"datasets": {NAME: {"shards": shards}}, "runtime": {"progress": False}}
    Path("params.yaml").write_text(to_yaml(params))


def refused(place: str) -> str:
    with pytest.raises(ProjectError) as error:
        open_place(place).read(1)
    line = str(error.value)
    assert "\n" not in line
    return line


@needs_s3
def test_tar_files_in_s3_are_read_by_parts(s3, in_folder: Path) -> None:
    arrange.main(NAME)
    assert not list(paths.images(NAME).rglob("*.tar"))
    drawn = list_splits(Path("drawn"))
    for split, listed in list_splits(paths.images(NAME)).items():
        for path, same in zip(listed.files, drawn[split].files, strict=True):
            with open_file(path) as file:
                assert file.read() == same.read_bytes()


@needs_s3
def test_they_are_added_by_their_folder(s3) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        Path(name).write_bytes((PROJECT / name).read_bytes())
    add_place("mine", f"{BUCKET}/tars", {}, {})
    arrange.main("mine")
    assert {split: len(of.files) for split, of in list_splits(paths.images("mine")).items()} == {"train": 16, "val": 10}
    with pytest.raises(ProjectError, match=f"^{BUCKET}x/tars cannot be read: FileNotFoundError"):
        add_place("other", f"{BUCKET}x/tars", {}, {})
    with pytest.raises(ProjectError, match=rf"^{BUCKET}/none cannot be read: FileNotFoundError"):
        add_place("other", f"{BUCKET}/none", {}, {})


@needs_s3
def test_what_else_lies_there_has_a_line_and_names_like_patterns_are_refused(
    s3, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        Path(name).write_bytes((PROJECT / name).read_bytes())
    s3.pipe_file(f"{BUCKET}/tars/train/a.tar.gz", b"x")
    s3.call_s3("put_object", Bucket="pictures", Key="tars/train/", Body=b"")  # as consoles make a folder
    add_place("mine", f"{BUCKET.replace('s3', 's3a')}/tars", {}, {})
    assert "left out: 1 files, each no .tar file (train/a.tar.gz)\n" in capsys.readouterr().out
    assert (paths.raw("mine") / "tar_files.txt").read_text().startswith("s3a://pictures/tars/train/train-000000.tar\n")
    s3.pipe_file(f"{BUCKET}/tars/train/train-[0].tar", b"x")
    type(s3).clear_instance_cache()
    with pytest.raises(ProjectError, match=r"^s3://pictures/tars/train/train-\[0\]\.tar: names with"):
        add_place("other", f"{BUCKET}/tars", {}, {})


@needs_s3
def test_a_bucket_or_a_key_that_is_not_there_is_named(s3) -> None:
    for place in ("s3://nobodys/a.tar", f"{BUCKET}/tars/none.tar"):
        assert refused(place).startswith(f"{place} cannot be read: FileNotFoundError")
    settle(train=[f"{BUCKET}/none/*.tar"], val=[f"{BUCKET}/tars/val/*.tar"])
    with pytest.raises(ProjectError, match=rf"datasets.tars.shards: {re.escape(BUCKET)}/none/\*.tar: nothing"):
        arrange.main(NAME)


@needs_s3
def test_a_tar_file_that_goes_or_changes_meanwhile_is_named(s3) -> None:
    import s3fs

    arrange.main(NAME)
    first, last = (list_splits(paths.images(NAME))["train"].files[number] for number in (0, -1))
    place = f"{BUCKET}/tars/train/{first.parts[3]}"
    s3.pipe_file(place, b"x" * s3.size(place))
    with pytest.raises(ProjectError, match=f"^{place} cannot be read: FileExpired"):  # one process has listed it
        open_file(first)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(ProjectError, match=f"^{place}: .* is not what it was when it was indexed"):
        open_file(first)
    gone = f"{BUCKET}/tars/train/{last.parts[3]}"
    s3.rm(gone)
    with pytest.raises(ProjectError, match=f"^{gone} cannot be read: FileNotFoundError"):
        open_file(last)


@needs_s3
def test_without_credentials_it_says_which_there_are(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    s3fs.S3FileSystem.clear_instance_cache()
    said = refused(f"{BUCKET}/tars/train/train-000000.tar")
    assert "NoCredentialsError: Unable to locate credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in said


def test_without_s3fs_what_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("fsspec.registry")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    assert refused("s3://pictures/a.tar") == (
        "s3://pictures/a.tar: Install s3fs to access S3; pip install what it names, or copy the files to a folder"
    )


def test_s3fs_is_of_fsspecs_version_which_is_pinned() -> None:
    [pinned] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["s3"]
    assert f"$(patsubst s3,{pinned}," in (PROJECT / "Makefile").read_text()
    assert f"\n{pinned.replace('s3fs', 'fsspec')}\n" in (PROJECT / "requirements.lock").read_text()
