"""stages/pictures/picture.py and arrange's checks: which pictures are refused, and what becomes of the others."""

import io
import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from stages import arrange
from stages.ground.errors import ProjectError
from stages.ground.runtime import Runtime
from stages.pictures import picture as pictures
from stages.pictures.listing import find_pictures
from stages.pictures.picture import Values, open_picture
from tests.conftest import PROJECT
from tests.drawing import draw_picture, draw_split

COLOURS = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
RAW = Path("data/raw/shapes")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def drawn(kind: str, **options: object) -> bytes:
    return encoded(Image.fromarray(COLOURS), kind, **options)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def pixels(path: Path) -> np.ndarray:
    image = open_picture(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def grey(*values: int) -> list[list[list[int]]]:
    """One row of grey pixels, as RGB."""
    return [[[value] * 3 for value in values]]


def close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    """On average over the pixels; photographs' formats lose some."""
    return found.shape == expected.shape and np.abs(found.astype(float) - expected).mean() < tolerance


@pytest.mark.parametrize(
    "content",
    [
        b"no picture",
        b"\1" + bytes(99),
        drawn("JPEG")[: len(drawn("JPEG")) // 2],
        drawn("PNG")[: len(drawn("PNG")) // 2],
        drawn("PNG")[:50],
        drawn("GIF")[: len(drawn("GIF")) // 2],
        drawn("WEBP")[: len(drawn("WEBP")) // 2],
        drawn("BMP")[:-100],
        drawn("TIFF")[:-100],
        drawn("PNG").replace(b"IDAT", b"IDAT\0", 1),
    ],
    ids=[
        "text", "zeros", "half a JPEG", "half a PNG", "a PNG's header", "half a GIF", "half a WebP",
        "most of a BMP", "most of a TIFF", "a spoiled PNG",
    ],
)  # fmt: skip
def test_what_is_not_a_whole_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "1.jpg", content)
    with pytest.raises(ProjectError, match=rf"^{path}: not a whole picture, {len(content)} bytes$"):
        open_picture(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_damage_anywhere_is_a_picture_or_refused_and_nothing_else(tmp_path: Path, kind: str) -> None:
    content = drawn(kind)
    path = tmp_path / "1.jpg"
    with pictures.decoders(1):
        for place in range(0, len(content), max(1, len(content) // 250)):
            for changed in (content[:place], content[:place] + b"\xff\x00" + content[place + 2 :]):
                path.write_bytes(changed)
                try:
                    assert open_picture(path).mode == "RGB"
                except ProjectError:
                    continue


@pytest.mark.parametrize("error", [IndexError, MemoryError, RuntimeError, struct.error, TypeError, zlib.error])
def test_whatever_a_decoder_raises_names_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """All of these come from Pillow for one damaged file or another."""

    def fail(*_: object) -> None:
        raise error("of the decoder")

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ProjectError, match=r"1\.png: not a whole picture, 1 bytes"):
        open_picture(write(tmp_path / "1.png", b"x"))


@pytest.mark.parametrize(
    ("name", "error"),
    [("none.png", FileNotFoundError), (".", IsADirectoryError), ("a" * 300, OSError), ("a\0b", ProjectError)],
)
def test_a_file_that_cannot_be_opened_is_another_error(tmp_path: Path, name: str, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        open_picture(tmp_path / name)
    assert "not a whole picture" not in str(raised.value)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_refused(tmp_path: Path, kind: str) -> None:
    frames = [Image.fromarray(np.roll(COLOURS, shift, 1)) for shift in range(3)]
    path = write(tmp_path / "1.jpg", encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    with pytest.raises(ProjectError, match=rf"^{path}: animated, with 3 frames; expected a still picture$"):
        open_picture(path)


@pytest.mark.parametrize("kind", ["EPS", "PCX", "ICO"])
def test_a_format_that_is_none_of_photographs_is_refused(tmp_path: Path, kind: str) -> None:
    """To decode EPS, Pillow runs Ghostscript on it: not with a file that nobody vouches for."""
    path = write(tmp_path / "1.jpg", drawn(kind))
    with pytest.raises(ProjectError, match=rf"^{path}: in the format {kind}; expected one of AVIF, BMP, GIF, JPEG"):
        open_picture(path)


def test_floating_point_numbers_are_refused(tmp_path: Path) -> None:
    """Between 0 and 1, say, they would all be black."""
    path = write(tmp_path / "1.tif", encoded(Image.new("F", (9, 9), 0.5), "TIFF"))
    with pytest.raises(ProjectError, match=rf"^{path}: of floating point numbers, and nothing says which of them are"):
        open_picture(path)


def test_a_picture_of_too_many_pixels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 36 // 2 - 1)
    path = write(tmp_path / "1.png", drawn("PNG"))
    with pytest.raises(ProjectError, match=rf"^{path}: Image size \(864 pixels\) exceeds limit of 862 pixels, "):
        open_picture(path)


def test_a_picture_of_just_as_many_pixels_as_may_be_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow refuses twice as many as it warns of: 179 million, more than most phones' cameras have."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 36 // 2)
    with pictures.decoders(1):
        assert open_picture(write(tmp_path / "1.png", drawn("PNG"))).size == (36, 24)


@pytest.mark.parametrize("suffix", [".jpg", ".gif", ".tiff", ".png"])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_what_a_file_holds_counts_and_not_its_suffix(tmp_path: Path, kind: str, suffix: str) -> None:
    assert np.array_equal(pixels(write(tmp_path / f"1{suffix}", drawn(kind))), COLOURS)


def test_pictures_are_found_by_their_suffix_and_hidden_files_are_not(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/c.webp", "a/.hidden.png", "._b.jpg", "notes.txt", "jpg"):
        write(tmp_path / name, b"")
    (tmp_path / "folder.png").mkdir()
    assert find_pictures(tmp_path) == [tmp_path / "a/c.webp", tmp_path / "b.JPG"]


def test_a_still_gif_is_fine(tmp_path: Path) -> None:
    flat = Image.new("RGB", (9, 9), (255, 0, 0))
    assert (pixels(write(tmp_path / "1.gif", encoded(flat, "GIF"))) == (255, 0, 0)).all()


def test_a_still_webp_is_fine(tmp_path: Path) -> None:
    assert np.array_equal(pixels(write(tmp_path / "1.webp", drawn("WEBP", lossless=True))), COLOURS)


@pytest.mark.parametrize("kind", ["TIFF", "MPO"])
def test_of_several_pages_the_first_is_the_picture(tmp_path: Path, kind: str) -> None:
    """Cameras and phones put smaller copies after it."""
    flat = Image.new("RGB", (36, 24), (200, 30, 60))
    content = encoded(flat, kind, save_all=True, append_images=[Image.new("RGB", (9, 6), "white")])
    assert Image.open(io.BytesIO(content)).n_frames == 2
    assert close(pixels(write(tmp_path / "1.jpg", content)), np.asarray(flat), 2)


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert close(pixels(write(tmp_path / "1.jpg", encoded(red, "JPEG"))), np.full((16, 16, 3), (255, 0, 0)), 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path, kind: str) -> None:
    values = np.array([[0, 257, 300, 25700, 32768, 65535]], dtype=np.uint16)
    path = write(tmp_path / "1.png", encoded(Image.fromarray(values), kind))
    assert pixels(path).tolist() == grey(0, 1, 1, 100, 128, 255)


def test_sixteen_bits_of_the_other_byte_order_are_scaled_too(tmp_path: Path) -> None:
    image = Image.frombytes("I;16B", (3, 1), struct.pack(">3H", 0, 25700, 65535))
    assert pixels(write(tmp_path / "1.tif", encoded(image, "TIFF"))).tolist() == grey(0, 100, 255)


def test_grey_and_black_and_white_are_the_same_in_three_colours(tmp_path: Path) -> None:
    values = Image.fromarray(np.array([[0, 100, 255]], dtype=np.uint8))
    assert pixels(write(tmp_path / "grey.png", encoded(values, "PNG"))).tolist() == grey(0, 100, 255)
    one_bit = values.point(lambda value: value > 50, "1")
    assert pixels(write(tmp_path / "bits.png", encoded(one_bit, "PNG"))).tolist() == grey(0, 255, 255)


def test_transparency_shows_white(tmp_path: Path) -> None:
    """Whatever colour lies unseen below it."""
    rgba = np.array([[[9, 99, 0, 0], [9, 99, 0, 255], [0, 0, 0, 51]]], dtype=np.uint8)
    assert pixels(write(tmp_path / "rgba.png", encoded(Image.fromarray(rgba), "PNG"))).tolist() == [
        [[255, 255, 255], [9, 99, 0], [204, 204, 204]]
    ]
    la = np.array([[[9, 0], [9, 255], [0, 51]]], dtype=np.uint8)
    assert pixels(write(tmp_path / "la.png", encoded(Image.fromarray(la), "PNG"))).tolist() == grey(255, 9, 204)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
@pytest.mark.parametrize("of", ["one colour", "each colour"])
def test_transparency_of_a_palette_shows_white(tmp_path: Path, kind: str, of: str) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([9, 99, 0, 0, 0, 255, 0, 0, 0])
    image.putdata([0, 1, 2])
    transparency = 0 if of == "one colour" or kind == "GIF" else bytes([0, 255, 51])
    last = 204 if isinstance(transparency, bytes) else 0
    path = write(tmp_path / "1.png", encoded(image, kind, transparency=transparency))
    assert pixels(path).tolist() == [[[255, 255, 255], [0, 0, 255], [last] * 3]]


def test_a_transparent_colour_without_a_palette_shows_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[[9, 99, 0], [1, 2, 3]]], dtype=np.uint8))
    path = write(tmp_path / "1.png", encoded(image, "PNG", transparency=(9, 99, 0)))
    assert pixels(path).tolist() == [[[255, 255, 255], [1, 2, 3]]]


def oriented(orientation: object) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


TURNS = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: image[::-1].transpose(1, 0, 2),  # a quarter clockwise
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: lambda image: image[:, ::-1].transpose(1, 0, 2),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_is_turned_as_its_exif_data_say(tmp_path: Path, kind: str, orientation: int) -> None:
    blocks = COLOURS.repeat(4, 0).repeat(4, 1)  # so that JPEG keeps them
    options = {"quality": 100} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    content = encoded(Image.fromarray(blocks), kind, exif=oriented(orientation), **options)
    assert close(pixels(write(tmp_path / "1.jpg", content)), TURNS[orientation](blocks), 30 if kind == "JPEG" else 0.01)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_that_was_turned_is_not_turned_again(tmp_path: Path, kind: str) -> None:
    opened = open_picture(write(tmp_path / "1.jpg", drawn(kind, exif=oriented(6))))
    assert np.array_equal(pictures.to_picture(opened), opened)


@pytest.mark.parametrize("mode", ["I;16", "P", "LA", "CMYK"])
def test_pictures_of_every_mode_are_turned(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (30, 20))
    path = write(tmp_path / "1.tif", encoded(image, "JPEG" if mode == "CMYK" else "PNG", exif=oriented(6)))
    assert pixels(path).shape == (30, 20, 3)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path: Path, orientation: int) -> None:
    content = drawn("PNG", exif=oriented(orientation))
    assert np.array_equal(pixels(write(tmp_path / "1.png", content)), COLOURS)


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0garbage",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
        b"Exif\0\0MM\0*\xff\xff\xff\xff\0\1",
        b"Exif\0\0MM\0*\0\0\0\x08\0\1" + struct.pack(">HHIHH", 0x0112, 5, 1, 0, 0),
        b"Exif\0\0II*\0" + oriented(6).tobytes()[10:20],
    ],
    ids=["nothing", "garbage", "too many entries", "entries elsewhere", "a wrong type", "cut off"],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_corrupt_exif_data_are_no_reason_to_refuse(tmp_path: Path, kind: str, exif: bytes) -> None:
    path = write(tmp_path / "1.jpg", drawn(kind, exif=exif))
    with pictures.decoders(1):
        assert close(pixels(path), np.asarray(Image.open(path)), 0.01)


@pytest.mark.parametrize("tag", [0x0100, 0x011A], ids=["width", "resolution"])
def test_other_corrupt_exif_data_do_not_keep_a_picture_from_being_turned(tmp_path: Path, tag: int) -> None:
    """Text in place of a number: Pillow's exif_transpose fails on it, as it writes the data anew."""
    entries = sorted([(0x0112, 3, 1, b"\0\6\0\0"), (tag, 2, 3, b"ab\0\0")])
    block = b"".join(struct.pack(">HHI4s", *entry) for entry in entries)
    path = write(tmp_path / "1.jpg", drawn("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\2" + block + bytes(4)))
    with pictures.decoders(1):
        assert open_picture(path).size == (24, 36)


def arrange_shapes(**settings: object) -> None:
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params |= {"downloads": {}, "datasets": {"shapes": settings}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    arrange.main("shapes")


@pytest.mark.parametrize(
    ("values", "expected"),
    [(None, (0, 16, 255)), (Values(0, 4095), (0, 255, 255)), (Values(-5, 65535), (0, 16, 255))],
)
def test_more_than_eight_bits_are_brought_to_eight_by_the_range_that_is_given(
    tmp_path: Path, values: Values | None, expected: tuple[int, ...]
) -> None:
    content = encoded(Image.fromarray(np.array([[0, 4096, 65535]], np.uint16)), "TIFF")
    picture = open_picture(write(tmp_path / "1.tif", content), values)
    assert np.asarray(picture).tolist() == grey(*expected)


def test_floating_point_numbers_are_taken_by_a_range(tmp_path: Path) -> None:
    content = encoded(Image.fromarray(np.array([[-1, 0, 0.5, 1, 2, np.nan]], np.float32)), "TIFF")
    picture = open_picture(write(tmp_path / "1.tif", content), Values(0, 1))
    assert np.asarray(picture).tolist() == grey(0, 0, 128, 255, 255, 0)


def test_where_nothing_would_show_the_colours_are_taken_as_they_are(tmp_path: Path) -> None:
    rgba = np.array([[[9, 99, 0, 0], [8, 7, 6, 0]]], np.uint8)
    assert pixels(write(tmp_path / "1.png", encoded(Image.fromarray(rgba), "PNG"))).tolist() == rgba[..., :3].tolist()


def test_a_raw_file_of_a_camera_is_not_taken_for_the_small_picture_in_it(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"1\.NEF: a camera's raw file: develop it to JPEG$"):
        open_picture(write(tmp_path / "1.NEF", drawn("TIFF")))


@pytest.fixture
def two_splits(in_folder: Path) -> Path:
    draw_split(RAW / "train", 4)
    draw_split(RAW / "val", 2, first=4)
    return RAW


def test_all_broken_pictures_of_a_data_set_are_named_in_one_error(two_splits: Path) -> None:
    write(RAW / "train/discs/discs.1.png", b"no picture")
    write(RAW / "val/squares/squares.4.png", b"")
    with pytest.raises(ProjectError) as caught:
        arrange_shapes()
    assert str(caught.value) == (
        f"{RAW}: 2 of 12 pictures cannot be used; take them out, or mend them:"
        f" {RAW}/train/discs/discs.1.png: not a whole picture, 10 bytes;"
        f" {RAW}/val/squares/squares.4.png: empty, as a copy that was cut off or a file that a cloud keeps elsewhere:"
        " have it fetched whole"
    )
    assert not Path("data/shapes").exists()


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_picture_that_also_trains_is_refused_with_both_names(two_splits: Path, split: str) -> None:
    shutil.copytree(RAW / "val", RAW / "test")
    for path in (RAW / "test").rglob("*.png"):
        draw_picture(path, path.parent.name, 50 + int(path.stem[-1]))
    shutil.copy(RAW / "train/discs/discs.1.png", RAW / split / "discs/copy.png")
    with pytest.raises(ProjectError) as caught:
        arrange_shapes()
    both = f"train/discs/discs.1.png is {split}/discs/copy.png"
    assert str(caught.value) == (
        f"{RAW}: 1 pictures are in more than one of train, val and test: {both}. Take one of each out, or set"
        " allow_duplicates: true for this data set"
    )
    assert not Path("data/shapes").exists()
    arrange_shapes(allow_duplicates=True)
    assert Path("data/shapes", split, "discs/copy.png").is_file()


def test_a_picture_that_trains_twice_is_no_leak(two_splits: Path) -> None:
    shutil.copy(RAW / "train/discs/discs.1.png", RAW / "train/discs/copy.png")
    arrange_shapes()
    assert Path("data/shapes/train/discs/copy.png").is_file()


def test_many_leaks_are_counted_and_five_are_named(two_splits: Path) -> None:
    for number in range(4):
        for kind in ("discs", "squares"):
            shutil.copy(RAW / f"train/{kind}/{kind}.{number}.png", RAW / f"val/{kind}/copy.{number}.png")
    with pytest.raises(ProjectError, match="8 pictures are in more than one of") as caught:
        arrange_shapes()
    assert str(caught.value).count(" is val/") == 5


@pytest.mark.parametrize("seed", range(4))
def test_copies_of_a_picture_stay_on_one_side_of_a_split(in_folder: Path, seed: int) -> None:
    draw_split(RAW, 6)
    for kind in ("discs", "squares"):
        for number in range(6):
            for copy in "abc":
                shutil.copy(RAW / kind / f"{kind}.{number}.png", RAW / kind / f"{copy}{number}.png")
    arrange_shapes(val_fraction=0.4, seed=seed)
    sides = [{path.read_bytes() for path in Path("data/shapes", side).rglob("*.png")} for side in ("train", "val")]
    assert sides[0].isdisjoint(sides[1])
    assert [len(side) for side in sides] == [8, 4]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stderr", "shown", "there"), [(Terminal, True, True), (Terminal, False, False), (io.StringIO, True, False)]
)
def test_a_terminal_shows_how_many_images_a_second(
    monkeypatch: pytest.MonkeyPatch, stderr: type[io.StringIO], shown: bool, there: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr())
    assert pictures.of_each([1, 2, 3], lambda picture: -picture, Runtime(progress=shown)) == [-1, -2, -3]
    printed = sys.stderr.getvalue()
    assert ("3/3 [" in printed and " images/s]" in printed) == there
    assert bool(printed) == there
