"""stages/download.py: which archives are unpacked, and what of them; what is refused leaves nothing behind."""

import hashlib
import re
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stages.datasets.archive import unpack_pictures
from stages.download import main
from stages.ground.errors import ProjectError
from tests.conftest import PROJECT

PICTURES = {"data/train/ants/1.jpg": b"an ant", "data/val/bees/2.PNG": b"a bee"}
Files = dict[str, bytes]


def pack(archive: Path, files: Files) -> str:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return str(archive)


def write_params(folder: Path, urls: list[str], dataset: dict | None = None, runtime: dict | None = None) -> None:
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params |= {"downloads": {"insects": {"urls": urls}}, "datasets": {"insects": dataset or {}}}
    params["runtime"] |= runtime or {}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def write_manifest(folder: Path, files: Files) -> None:
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()]
    (folder / "data/manifests").mkdir(parents=True)
    (folder / "data/manifests/insects.sha256").write_text("".join(lines))


def files_in(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_pictures_are_unpacked_into_the_archives_own_folders(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(in_folder, [pack(in_folder / "a.zip", PICTURES)])
    main("insects")
    assert files_in(in_folder / "data") == {f"raw/insects/{name}": content for name, content in PICTURES.items()}
    assert capsys.readouterr().out == "data/raw/insects: 2 pictures\n"


def test_an_archive_is_fetched_from_an_address(in_folder: Path, server: Callable[[Path], str]) -> None:
    pack(in_folder / "served/a.zip", PICTURES)
    write_params(in_folder, [f"{server(in_folder / 'served')}/a.zip"])
    main("insects")
    assert files_in(in_folder / "data/raw/insects") == PICTURES


@pytest.mark.parametrize(
    "name",
    [
        "readme.txt", "a/script.py", "a/jpg", "a/",
        "a/._1.jpg", "a/.hidden.jpg", "a\\._1.jpg",
        "__MACOSX/a/1.jpg", "__MACOSX/a/._1.jpg", "__MACOSX\\a\\1.jpg",
    ],
)  # fmt: skip
def test_nothing_but_pictures_is_unpacked(in_folder: Path, name: str) -> None:
    unpack_pictures(Path(pack(in_folder / "a.zip", {name: b"", **PICTURES})), in_folder / "out")
    assert files_in(in_folder / "out") == PICTURES
    assert {path.name for path in (in_folder / "out").iterdir()} == {"data"}


def test_names_in_windows_way_are_unpacked_into_folders(in_folder: Path) -> None:
    unpack_pictures(Path(pack(in_folder / "a.zip", {"data\\ants\\1.jpg": b"1"})), in_folder / "out")
    assert files_in(in_folder / "out") == {"data/ants/1.jpg": b"1"}


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "webp", "bmp", "tif", "tiff", "gif"])
def test_every_kind_of_picture_is_unpacked(in_folder: Path, suffix: str) -> None:
    unpack_pictures(Path(pack(in_folder / "a.zip", {f"a/1.{suffix}": b"1"})), in_folder / "out")
    assert files_in(in_folder / "out") == {f"a/1.{suffix}": b"1"}


@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg", "a/../../evil.jpg", "..\\a\\evil.jpg", "a\\..\\..\\evil.jpg",
        "{folder}/evil.jpg", "\\evil.jpg", "C:/evil.jpg", "C:evil.jpg", "C:\\evil.jpg",
    ],
)  # fmt: skip
def test_a_member_that_points_outside_is_refused_and_nothing_is_written_anywhere(in_folder: Path, name: str) -> None:
    name = name.format(folder=in_folder)
    archive = pack(in_folder / "a.zip", {**PICTURES, name: b"evil"})
    write_params(in_folder, [archive])
    before = files_in(in_folder)
    with pytest.raises(ProjectError, match=r"a\.zip: its member '.*evil\.jpg' points outside its folder; "):
        main("insects")
    assert files_in(in_folder) == before
    assert list((in_folder / "data/raw").iterdir()) == []


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a/CON.jpg"], "its member 'a/CON.jpg' has a name that not every system can write"),
        (["a/\t.jpg"], "its member 'a/\\t.jpg' has a name that not every system can write"),
        (["a/1.jpg", "A/1.JPG"], "its members 'a/1.jpg' and 'A/1.JPG' would be one file"),
        (["a/1.jpg", "a\\1.jpg"], "its members 'a/1.jpg' and 'a\\\\1.jpg' would be one file"),
    ],
)
def test_members_that_not_every_system_can_write_are_refused(in_folder: Path, names: list[str], problem: str) -> None:
    archive = pack(in_folder / "a.zip", {**PICTURES, **dict.fromkeys(names, b"1")})
    with pytest.raises(ProjectError, match=f"^{re.escape(problem)}; nothing was unpacked$"):
        unpack_pictures(Path(archive), in_folder / "out")
    assert not (in_folder / "out").exists()


def test_a_link_is_refused(in_folder: Path) -> None:
    link = zipfile.ZipInfo("a/1.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(in_folder / "a.zip", "w") as zipped:
        zipped.writestr(link, "/etc/passwd")
    with pytest.raises(ProjectError, match=r"^its member 'a/1\.jpg' is a link; nothing was unpacked$"):
        unpack_pictures(in_folder / "a.zip", in_folder / "out")


def test_an_encrypted_picture_is_refused(in_folder: Path) -> None:
    def set_flags(content: bytearray) -> None:
        content[6] |= 1  # in the first member's own header …
        content[content.index(b"PK\x01\x02") + 8] |= 1  # … and in the archive's list

    archive = pack(in_folder / "a.zip", {"a/1.jpg": b"1"})
    edit(archive, set_flags)
    with pytest.raises(ProjectError, match=r"^its member 'a/1\.jpg' is encrypted; nothing was unpacked$"):
        unpack_pictures(Path(archive), in_folder / "out")


def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused(in_folder: Path) -> None:
    """A few kilobytes can unpack to terabytes; what is no picture does not count, since it is not unpacked."""
    archive = pack(in_folder / "a.zip", {"a/1.jpg": bytes(1000), "a/1.txt": bytes(10**6)})
    for limit, whole in ((999, False), (1000, True)):
        write_params(in_folder, [archive], runtime={"unpack_limit_gib": limit / 2**30})
        if whole:
            main("insects")
        else:
            with pytest.raises(ProjectError, match=r"more than runtime\.unpack_limit_gib \(9.*e-07\) in params\.yaml"):
                main("insects")
            assert list((in_folder / "data/raw").iterdir()) == []


def edit(archive: str, change: Callable[[bytearray], object]) -> None:
    content = bytearray(Path(archive).read_bytes())
    change(content)
    Path(archive).write_bytes(content)


def set_unknown_compression(content: bytearray) -> None:
    content[8] = content[content.index(b"PK\x01\x02") + 10] = 77


def spoil_checksum(content: bytearray) -> None:
    content[14] = content[content.index(b"PK\x01\x02") + 16] = content[14] ^ 1


def spoil_compressed(content: bytearray) -> None:
    content[content.index(b"1.jpg") + len(b"1.jpg")] |= 6  # of block type 3, which there is not


def cut_in_half(content: bytearray) -> None:
    del content[len(content) // 2 :]


def replace_by_page(content: bytearray) -> None:
    content[:] = b"<html>Sign in</html>"


BROKEN = (bytearray.clear, cut_in_half, replace_by_page, spoil_checksum, spoil_compressed,
          set_unknown_compression)  # fmt: skip


@pytest.mark.parametrize("change", BROKEN)
def test_a_broken_archive_is_refused_and_the_next_place_is_taken(in_folder: Path, change) -> None:
    broken, whole = pack(in_folder / "x/a.zip", PICTURES), pack(in_folder / "y/a.zip", PICTURES)
    edit(broken, change)
    write_params(in_folder, [broken])
    refused = (
        r"x/a\.zip: (not a zip file that can be unpacked \(.+\)|its member .* is packed in another way than by deflate)"
    )
    with pytest.raises(ProjectError, match=refused):
        main("insects")
    assert list((in_folder / "data/raw").iterdir()) == []
    write_params(in_folder, [broken, whole])
    main("insects")
    assert files_in(in_folder / "data") == {f"raw/insects/{name}": content for name, content in PICTURES.items()}


def test_an_archive_without_pictures_is_refused(in_folder: Path) -> None:
    write_params(in_folder, [pack(in_folder / "a.zip", {"a/": b"", "a/1.txt": b"1", "a/._1.jpg": b"2"})])
    with pytest.raises(ProjectError, match=r"a\.zip: no pictures among its 2 files; left out: 1 files and"):
        main("insects")
    assert list((in_folder / "data/raw").iterdir()) == []


def test_by_its_manifest_a_wrong_archive_is_refused_and_the_next_place_is_taken(in_folder: Path) -> None:
    write_manifest(in_folder, {"train/ants/1.jpg": b"an ant", "val/bees/2.PNG": b"a bee"})
    wrong = pack(in_folder / "x/a.zip", PICTURES | {"data/val/bees/2.PNG": b"a wasp", "data/more.jpg": b"more"})
    write_params(in_folder, [wrong], {"manifest": "insects.sha256"})
    reason = r"1 of the 2 images in data/manifests/insects\.sha256 are missing or changed: val/bees/2\.PNG"
    with pytest.raises(ProjectError, match=rf"x/a\.zip: {reason}\. Put the right file there"):
        main("insects")
    assert list((in_folder / "data/raw").iterdir()) == []
    write_params(in_folder, [wrong, pack(in_folder / "y/a.zip", PICTURES)], {"manifest": "insects.sha256"})
    main("insects")
    assert files_in(in_folder / "data/raw") == {f"insects/{name}": content for name, content in PICTURES.items()}


def test_what_was_there_is_replaced_whole_or_not_touched(in_folder: Path) -> None:
    old, left = in_folder / "data/raw/insects/old.jpg", in_folder / "data/raw/.insects.part/left.jpg"
    for path in (old, left):  # a run before; another that was cut off
        path.parent.mkdir(parents=True)
        path.write_bytes(path.name.encode())
    write_params(in_folder, ["nowhere/a.zip", pack(in_folder / "a.zip", {"a.txt": b""})])
    with pytest.raises(
        ProjectError, match=r"nowhere/a\.zip: no such file; .*/a\.zip: no pictures among its 1 files; left out: 1 files"
    ):
        main("insects")
    assert files_in(in_folder / "data/raw") == {"insects/old.jpg": b"old.jpg"}
    write_params(in_folder, [pack(in_folder / "a.zip", PICTURES)])
    main("insects")
    assert files_in(in_folder / "data/raw") == {f"insects/{name}": content for name, content in PICTURES.items()}


def test_a_name_that_has_no_download_is_answered_with_those_that_have(in_folder: Path) -> None:
    write_params(in_folder, ["a.zip"])
    with pytest.raises(ProjectError, match=r"^params\.yaml: downloads has no entry 'birds'; it has: insects$"):
        main("birds")
