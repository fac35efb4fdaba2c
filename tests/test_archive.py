"""stages/datasets/archive.py: hostile and damaged zip files are refused, and nothing is written outside."""

import errno
import re
import shutil
import stat
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import download
from stages.datasets.archive import GIB, unpack_pictures
from stages.ground.errors import ProjectError
from stages.pictures.kinds import SUFFIXES
from tests.conftest import PROJECT

Member = str | zipfile.ZipInfo


def pack(archive: Path, *members: Member, content: bytes = b"picture", method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write the members under just these names, which zipfile by itself would mend."""
    with warnings.catch_warnings(), zipfile.ZipFile(archive, "w") as zipped:
        warnings.simplefilter("ignore", UserWarning)  # of names that come twice
        for member in members:
            info = zipfile.ZipInfo()
            info.filename = member if isinstance(member, str) else member.filename
            info.external_attr = 0 if isinstance(member, str) else member.external_attr
            zipped.writestr(info, content, method)
    return archive


def everything(folder: Path) -> dict[str, bytes | None]:
    """{path: content} of all files and folders below."""
    paths = sorted(folder.rglob("*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None for path in paths}


def check_refused(archive: Path, problem: str, unpacked: bool = False, limit_gib: float = 10) -> None:
    """`unpack_pictures` says this, and so does the stage, which leaves nothing behind.

    `unpacked`: the problem shows only as the data are read.
    """
    top = archive.parent
    before = everything(top)
    with pytest.raises(ProjectError, match=f"^{problem}$"):
        unpack_pictures(archive, top / "inner/out", limit_gib)
    after = everything(top)
    assert {path for path in after if not unpacked or not (path + "/").startswith("inner/")} == set(before)
    shutil.rmtree(top / "inner", ignore_errors=True)
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params |= {"downloads": {"insects": {"urls": [str(archive)]}}, "datasets": {"insects": {}}}
    params["runtime"] = {"unpack_limit_gib": limit_gib}
    (top / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(
        ProjectError, match=f"a\\.zip is not to be had: .*a\\.zip: {problem}\\. Put the right file there"
    ):
        download.main("insects")
    assert set(everything(top)) - {"params.yaml", "data", "data/raw"} == set(before)


def damage(archive: Path, change: Callable[[bytearray], object]) -> Path:
    content = bytearray(archive.read_bytes())
    change(content)
    archive.write_bytes(content)
    return archive


def set_in_headers(content: bytearray, offset: int, value: bytes) -> None:
    """At this place of the first member's own header, and at the same one of its entry in the archive's list."""
    listed = content.index(b"PK\x01\x02") + 2
    for start in (offset, listed + offset):
        content[start : start + len(value)] = value


FLAGS, METHOD, SIZE = 6, 8, 22  # where they are in a header


@pytest.mark.parametrize(
    "name",
    [
        "/evil.jpg", "\\evil.jpg", "//host/share/evil.jpg", "\\\\host\\share\\evil.jpg", "{folder}/evil.jpg",
        "../evil.jpg", "..\\evil.jpg", "a/../../evil.jpg", "a\\..\\..\\evil.jpg", "a\\../..\\evil.jpg", "a/../evil.jpg",
        "C:/evil.jpg", "C:\\evil.jpg", "C:evil.jpg", "a/C:/evil.jpg", "a/1.txt:evil.jpg",
    ],
)  # fmt: skip
def test_a_member_that_points_outside_is_refused(in_folder: Path, name: str) -> None:
    name = name.format(folder=in_folder)
    archive = pack(in_folder / "a.zip", "a/1.jpg", name)
    shown = re.escape(f"{name!r:.90}")
    check_refused(archive, f"its member {shown} points outside its folder; nothing was unpacked")


@pytest.mark.parametrize(
    "name",
    [
        "CON.jpg", "nul.png", "aux/1.jpg", "a/COM1.tar.jpg", "a/lpt¹.jpg", "Con .jpg", "CONIN$.gif", "a\\prn\\1.jpg",
        "a./1.jpg", "a /1.jpg", ".../1.jpg", "a/.. /1.jpg",
        "a/\n.jpg", "a/\x1b[2J.jpg", "a/\x7f.jpg", "a/\x85.jpg", "a/\u2028.jpg", "a\r/1.jpg",
        "x" * 252 + ".jpg", "é" * 126 + ".jpg", "folder/" * 150 + "1.jpg",
    ],
)  # fmt: skip
def test_a_name_that_not_every_system_can_write_is_refused(in_folder: Path, name: str) -> None:
    archive = pack(in_folder / "a.zip", "a/1.jpg", name)
    shown = re.escape(f"{name!r:.90}")
    check_refused(archive, f"its member {shown} has a name that not every system can write; nothing was unpacked")


@pytest.mark.parametrize(
    "name",
    [
        "console.jpg", "com10.jpg", "auxiliary/1.jpg", "nul1.png", "a.con.jpg", "a..b/1.jpg", "a/1...jpg",
        " a b/ c.jpg", "one\xa0word.jpg", "screenshot at 1.00\u202fPM.png", "👩\u200d👧.jpg", "日本/蟻.jpg",
        "-rf.jpg", "~/1.jpg", "%2e%2e/1.jpg", "$HOME.jpg", "what?.jpg", "x" * 251 + ".jpg", "folder/" * 100 + "1.jpg",
    ],
)  # fmt: skip
def test_an_unusual_name_is_no_reason_to_refuse(in_folder: Path, name: str) -> None:
    unpack_pictures(pack(in_folder / "a.zip", name), in_folder / "out")
    assert (in_folder / "out" / name).read_bytes() == b"picture"
    assert len([path for path in (in_folder / "out").rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a/1.jpg", "a/1.jpg"),
        ("a/1.jpg", "a/1.JPG"),
        ("ants/1.jpg", "Ants/1.jpg"),
        ("a/1.jpg", "a\\1.jpg"),
        ("./a//1.jpg", "a/./1.jpg"),
        ("\u00e9.jpg", "e\u0301.jpg"),  # é in one character, or in two, as macOS writes it
        ("\u00c9.jpg", "e\u0301.jpg"),
    ],
)
def test_members_that_would_be_one_file_are_refused(in_folder: Path, first: str, second: str) -> None:
    archive = pack(in_folder / "a.zip", "a/0.jpg", first, second)
    names = re.escape(f"{first!r} and {second!r}")
    check_refused(archive, f"its members {names} would be one file; nothing was unpacked")


@pytest.mark.parametrize("names", [("a.jpg", "a.jpg/1.jpg"), ("A.JPG/b/1.jpg", "a.jpg")])
def test_a_member_that_would_be_anothers_folder_is_refused(in_folder: Path, names: tuple[str, str]) -> None:
    file, below = sorted(names, key=len)
    archive = pack(in_folder / "a.zip", *names)
    check_refused(archive, f"its member {file!r} would be the folder of {below!r}; nothing was unpacked")


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


def test_a_picture_that_is_a_link_is_refused(in_folder: Path) -> None:
    archive = pack(in_folder / "a.zip", "a/1.jpg", link("a/2.jpg"), content=b"/etc/passwd")
    check_refused(archive, r"its member 'a/2\.jpg' is a link; nothing was unpacked")


def test_a_link_does_not_lead_other_members_outside(in_folder: Path) -> None:
    outside = in_folder / "outside"
    outside.mkdir()
    unpack_pictures(pack(in_folder / "a.zip", link("a"), "a/1.jpg", content=bytes(outside)), in_folder / "out")
    assert everything(outside) == {}
    assert not (in_folder / "out/a").is_symlink()
    assert (in_folder / "out/a/1.jpg").is_file()


def test_an_encrypted_picture_is_refused(in_folder: Path) -> None:
    archive = pack(in_folder / "a.zip", "a/1.jpg")
    damage(archive, lambda content: set_in_headers(content, FLAGS, b"\1"))
    check_refused(archive, r"its member 'a/1\.jpg' is encrypted; nothing was unpacked")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 9, 99])
def test_a_picture_that_is_not_packed_by_deflate_is_refused(in_folder: Path, method: int) -> None:
    archive = pack(in_folder / "a.zip", "a/1.jpg")
    damage(archive, lambda content: set_in_headers(content, METHOD, bytes([method])))
    check_refused(archive, r"its member 'a/1\.jpg' is packed in another way than by deflate; nothing was unpacked")


def test_more_than_the_limit_is_refused_before_anything_is_written(in_folder: Path) -> None:
    archive = pack(in_folder / "a.zip", "a/1.jpg", "a/2.jpg", content=bytes(600))
    problem = (
        r"it unpacks to 0\.0 GiB, more than runtime\.unpack_limit_gib \(1e-06\) in params\.yaml allows;"
        " raise that if you trust it"
    )
    check_refused(archive, problem, limit_gib=1e-6)


def test_the_limit_is_on_the_pictures_and_may_be_reached(in_folder: Path) -> None:
    with zipfile.ZipFile(in_folder / "a.zip", "w") as zipped:
        zipped.writestr("a/1.jpg", bytes(1024))
        zipped.writestr("a/notes.txt", bytes(5000))
    unpack_pictures(in_folder / "a.zip", in_folder / "out", 1024 / GIB)
    assert everything(in_folder / "out") == {"a": None, "a/1.jpg": bytes(1024)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_that_is_more_than_it_says_is_refused_and_not_written_whole(in_folder: Path, method: int) -> None:
    archive = pack(in_folder / "a.zip", "1.jpg", content=bytes(100_000), method=method)
    damage(archive, lambda content: set_in_headers(content, SIZE, (10).to_bytes(4, "little")))
    with pytest.raises(ProjectError, match=r"^not a zip file that can be unpacked \(Bad CRC-32 for file '1\.jpg'\)$"):
        unpack_pictures(archive, in_folder / "out")
    assert (in_folder / "out/1.jpg").stat().st_size <= 10
    shutil.rmtree(in_folder / "out")
    check_refused(archive, r"not a zip file that can be unpacked \(Bad CRC-32 for file '1\.jpg'\)", unpacked=True)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_that_is_less_than_it_says_is_taken_if_its_checksum_is_right(in_folder: Path, method: int) -> None:
    archive = pack(in_folder / "a.zip", "1.jpg", content=b"whole", method=method)
    damage(archive, lambda content: set_in_headers(content, SIZE, (5000).to_bytes(4, "little")))
    unpack_pictures(archive, in_folder / "out")
    assert (in_folder / "out/1.jpg").read_bytes() == b"whole"


def two_pictures(archive: Path) -> bytearray:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a/1.jpg", bytes(range(90)))
        zipped.writestr("a/2.jpg", b"picture " * 20)
    return bytearray(archive.read_bytes())


def test_a_zip_file_that_is_cut_off_is_refused_wherever_that_is(in_folder: Path) -> None:
    whole = two_pictures(in_folder / "a.zip")
    for length in range(len(whole)):
        (in_folder / "a.zip").write_bytes(whole[:length])
        with pytest.raises(ProjectError, match=r"^not a zip file that can be unpacked \(.+\)$"):
            unpack_pictures(in_folder / "a.zip", in_folder / "out")
    assert everything(in_folder).keys() == {"a.zip"}
    check_refused(in_folder / "a.zip", r"not a zip file that can be unpacked \(.+\)")


@pytest.mark.parametrize("change", [1, 128, 255])
def test_damage_of_any_byte_is_refused_or_harms_no_picture(in_folder: Path, change: int) -> None:
    """Names and dates have no checksum; pictures have."""
    whole = two_pictures(in_folder / "a.zip")
    refused = 0
    for place in range(len(whole)):
        (in_folder / "a.zip").write_bytes(whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :])
        try:
            unpack_pictures(in_folder / "a.zip", in_folder / "out")
        except ProjectError:
            refused += 1
        else:
            contents = {path.read_bytes() for path in (in_folder / "out").rglob("*") if path.is_file()}
            assert contents <= {bytes(range(90)), b"picture " * 20}
        shutil.rmtree(in_folder / "out", ignore_errors=True)
    assert everything(in_folder).keys() == {"a.zip"}
    assert refused > len(whole) / 3


def test_damaged_data_are_refused(in_folder: Path) -> None:
    archive = pack(in_folder / "a.zip", "1.jpg", content=b"picture", method=zipfile.ZIP_STORED)
    damage(archive, lambda content: content.__setitem__(content.index(b"picture"), 0))
    check_refused(archive, r"not a zip file that can be unpacked \(Bad CRC-32 for file '1\.jpg'\)", unpacked=True)


def test_a_member_before_the_archives_beginning_is_refused(in_folder: Path) -> None:
    def move_list(content: bytearray) -> None:
        content[content.index(b"PK\5\6") + 16] += 1  # what is before the list is one byte shorter than it should be

    archive = damage(pack(in_folder / "a.zip", "1.jpg"), move_list)
    check_refused(archive, r"not a zip file that can be unpacked \(.+\)", unpacked=True)


def test_a_name_that_cannot_be_read_is_refused(in_folder: Path) -> None:
    archive = pack(in_folder / "a.zip", "é.jpg")
    archive.write_bytes(archive.read_bytes().replace("é".encode(), b"\xff\xff"))
    check_refused(archive, r"not a zip file that can be unpacked \('utf-8' codec can't decode .+\)")


def test_a_member_without_a_name_is_no_picture(in_folder: Path) -> None:
    def make_name_a_comment(content: bytearray) -> None:
        listed = content.index(b"PK\1\2")
        content[listed + 28], content[listed + 32] = 0, 1

    archive = damage(pack(in_folder / "a.zip", "x", "1.jpg"), make_name_a_comment)
    unpack_pictures(archive, in_folder / "out")
    assert everything(in_folder / "out") == {"1.jpg": b"picture"}


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"PK\x03\x04", b"<!DOCTYPE html><html>Sign in</html>", bytes(5000), b"\x89PNG\r\n\x1a\n"],
    ids=["nothing", "two bytes", "a header", "web page", "zeros", "picture"],
)
def test_what_is_no_zip_file_is_refused(in_folder: Path, content: bytes) -> None:
    (in_folder / "a.zip").write_bytes(content)
    what = "(File is not a zip file|empty, .*|nothing but zeros, .*|a web page, not the file itself: download it anew)"
    check_refused(in_folder / "a.zip", rf"not a zip file that can be unpacked \({what}\)")


def test_another_kind_of_archive_is_refused(in_folder: Path) -> None:
    (in_folder / "1.jpg").write_bytes(b"picture")
    with tarfile.open(in_folder / "a.zip", "w") as archive:
        archive.add(in_folder / "1.jpg", "1.jpg")
    check_refused(in_folder / "a.zip", r"not a zip file that can be unpacked \(an archive: unpack it first\)")


def test_an_archive_without_pictures_is_refused(in_folder: Path) -> None:
    for names in ([], ["a/", "a/notes.txt", "a/.hidden.jpg", "__MACOSX/1.jpg", "1.jpg.", "1.jpg "]):
        files = sum(not name.endswith("/") for name in names)
        check_refused(pack(in_folder / "a.zip", *names), f"no pictures among its {files} files(; left out: .*)?")
        (in_folder / "params.yaml").unlink()
        shutil.rmtree(in_folder / "data")


def test_a_full_disk_is_no_fault_of_the_archive(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        unpack_pictures(pack(in_folder / "a.zip", "1.jpg"), in_folder / "out")


PIECES = st.sampled_from(
    ["a", "A", "b.jpg", ".jpg", ".PNG", "/", "/", "\\", ".", "..", "../", " ", "CON", "aux", "C:", "é", "e\u0301", "ß",
     "ss", "\n", "\0", "\u202e", "x" * 100, "y" * 260, "__MACOSX/", "~", "?"]
)  # fmt: skip
NAMES = st.one_of(st.lists(PIECES, min_size=1, max_size=6).map("".join), st.text(min_size=1))


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(names=st.lists(st.one_of(NAMES.map(lambda name: f"{name}.jpg"), NAMES), min_size=1, max_size=5))
def test_whatever_the_members_are_called_their_files_are_in_the_folder_or_they_are_refused(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as top:
        archive, out = Path(top, "a.zip"), Path(top, "inner/out")
        with warnings.catch_warnings(), zipfile.ZipFile(archive, "w") as zipped:
            warnings.simplefilter("ignore", UserWarning)
            for number, name in enumerate(names):
                info = zipfile.ZipInfo()
                info.filename = name
                zipped.writestr(info, str(number))
        try:
            unpack_pictures(archive, out)
        except ProjectError:
            assert not out.exists()
            return
        files = [path for path in out.rglob("*") if path.is_file()]
        assert len({path.read_text() for path in files}) == len(files) > 0
        assert all(path.suffix.lower() in SUFFIXES for path in files)
        assert {path.name for path in Path(top).iterdir()} == {"a.zip", "inner"}
        assert {path.name for path in out.parent.iterdir()} == {"out"}
