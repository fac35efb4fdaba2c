"""stages/preprocessing/, against torchvision's own transforms."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets, transforms
from torchvision.transforms import functional as TF

from stages.ground.errors import ProjectError
from stages.preprocessing.inputs import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, to_input
from stages.preprocessing.splits import list_split
from stages.preprocessing.squares import read_square, read_squares
from stages.recipes.variant import Augment
from stages.training.augmentation import to_augmented_input
from tests.drawing import draw_picture, draw_split

LOOK = Preprocessing(resize=48, crop=40)
SMALL = Preprocessing(resize=32, crop=32)


def save_noise(path: Path, height: int, width: int, **options: object) -> Path:
    pixels = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("size", [(48, 48), (40, 63), (77, 51), (200, 90), (33, 34), (500, 375)])
def test_input_is_that_of_resize_center_crop_and_normalize(tmp_path: Path, size: tuple[int, int]) -> None:
    path = save_noise(tmp_path / "a.png", *size)
    expected = transforms.Compose(
        [
            transforms.Resize(48),
            transforms.CenterCrop(40),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )(Image.open(path))
    assert np.allclose(to_input(read_square(path, LOOK)[None], LOOK)[0], expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(40, 200), (200, 40), (61, 60), (5, 250)])
def test_padded_all_of_a_picture_is_in_the_middle_of_what_is_nothing_to_the_network(
    tmp_path: Path, height: int, width: int
) -> None:
    path, look = save_noise(tmp_path / "a.png", height, width), Preprocessing(48, 40, fit="pad")
    square = read_square(path, look)
    size = (round(40 * width / max(height, width)), round(40 * height / max(height, width)))
    resized = np.asarray(Image.open(path).resize(size, Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    top, left = (40 - size[1]) // 2, (40 - size[0]) // 2
    inner = (slice(None), slice(top, top + size[1]), slice(left, left + size[0]))
    assert square.shape == (3, 40, 40)
    assert np.array_equal(square[inner], resized)
    margin = np.ones((3, 40, 40), bool)
    margin[inner] = False
    seen = to_input(square[None], look)[0]
    assert np.abs(seen[margin]).max() < 0.01
    assert np.abs(seen[~margin]).max() > 0.5


@pytest.mark.parametrize(("height", "width"), [(40, 200), (200, 40), (33, 34)])
def test_squashed_all_of_a_picture_is_the_square(tmp_path: Path, height: int, width: int) -> None:
    path, look = save_noise(tmp_path / "a.png", height, width), Preprocessing(48, 40, fit="squash")
    expected = transforms.Compose(
        [transforms.Resize((40, 40)), transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)]
    )(Image.open(path))
    assert np.allclose(to_input(read_square(path, look)[None], look)[0], expected.numpy(), atol=1e-5)


def test_files_are_those_of_torchvisions_image_folder(tmp_path: Path) -> None:
    draw_split(tmp_path, 12)
    listed, expected = list_split(tmp_path), datasets.ImageFolder(str(tmp_path))
    assert listed.classes == expected.classes == ["discs", "squares"]
    assert [str(path) for path in listed.files] == [path for path, _ in expected.samples]
    assert listed.labels.tolist() == expected.targets


def test_folders_within_a_class_belong_to_it_and_those_of_systems_do_not(tmp_path: Path) -> None:
    draw_split(tmp_path, 1)
    draw_picture(tmp_path / "discs/deeper/one.png", "discs", 9)
    (tmp_path / "discs/._discs.0.png").write_text("macOS's")
    draw_picture(tmp_path / ".ipynb_checkpoints/1.png", "discs", 9)
    draw_picture(tmp_path / "discs/.ipynb_checkpoints/1.png", "discs", 9)
    names = [path.relative_to(tmp_path).as_posix() for path in list_split(tmp_path).files]
    assert names == ["discs/deeper/one.png", "discs/discs.0.png", "squares/squares.0.png"]


@pytest.mark.parametrize("workers", [1, 3])
def test_squares_come_in_order_whatever_the_number_of_workers(tmp_path: Path, workers: int) -> None:
    draw_split(tmp_path, 5)
    files = list_split(tmp_path).files
    batches = list(read_squares(files, SMALL, 4, workers, progress=False))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert np.array_equal(np.concatenate(batches), np.stack([read_square(path, SMALL) for path in files]))


def test_an_exif_rotation_is_honoured(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, :20] = 255  # light on the left, so on top once turned
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    square = read_square(tmp_path / "turned.png", Preprocessing(40, 40))
    assert square[0, :20].min() == 255
    assert square[0, 20:].max() == 0


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no picture")
    with pytest.raises(ProjectError, match=r"broken\.jpg: not a whole picture, 10 bytes"):
        list(read_squares([path], SMALL, 4, 2, progress=False))


def augmented(squares: torch.Tensor, augment: Augment, images: list[int], **at: int) -> torch.Tensor:
    return to_augmented_input(squares, LOOK, augment, at.get("seed", 0), at.get("epoch", 1), images)


@pytest.fixture
def squares(tmp_path: Path) -> torch.Tensor:
    noise = [read_square(save_noise(tmp_path / f"{side}.png", side, side), LOOK) for side in (50, 60, 70)]
    return torch.from_numpy(np.stack(noise))


def test_augmentation_follows_from_seed_epoch_and_image_alone(squares: torch.Tensor) -> None:
    augment = Augment(min_scale=0.3, flip=True)
    batch = augmented(squares, augment, [4, 5, 6])
    assert torch.equal(batch[1:2], augmented(squares[1:2], augment, [5]))
    for change in ({"seed": 1}, {"epoch": 2}):
        assert not torch.allclose(batch, augmented(squares, augment, [4, 5, 6], **change), atol=0.1)
    assert not torch.allclose(batch[:1], augmented(squares[:1], augment, [7]), atol=0.1)


def test_without_crop_or_flip_the_whole_square_is_seen(squares: torch.Tensor) -> None:
    seen = augmented(squares, Augment(min_scale=1, flip=False), [0, 1, 2])
    whole = TF.resize(squares.float(), [40, 40], antialias=False)
    expected = TF.normalize(whole / 255, IMAGENET_MEAN, IMAGENET_STD)
    assert torch.allclose(seen, expected, atol=1e-4)


def test_flips_mirror_half_of_the_images(squares: torch.Tensor) -> None:
    still, images = augmented(squares[:1], Augment(min_scale=1, flip=False), [0])[0], list(range(200))
    seen = augmented(squares[:1].expand(200, -1, -1, -1), Augment(min_scale=1, flip=True), images)
    mirrored = [torch.allclose(image, still.flip(-1), atol=1e-4) for image in seen]
    assert all(was or torch.allclose(image, still, atol=1e-4) for was, image in zip(mirrored, seen, strict=True))
    assert 70 < sum(mirrored) < 130


def test_crops_cover_the_share_of_the_area_that_was_asked_for() -> None:
    """A square whose pixels say where they are shows how far each crop reaches."""
    ramp = torch.arange(48, dtype=torch.uint8).expand(48, 48)
    place = torch.stack([ramp, ramp.T, ramp])[None]
    look = Preprocessing(48, 40, (0, 0, 0), (1, 1, 1))
    images = list(range(300))
    seen = to_augmented_input(place.expand(300, -1, -1, -1), look, Augment(min_scale=0.25, flip=False), 0, 1, images)
    across, down = (seen * 255)[:, 0, 20], (seen * 255)[:, 1, :, 20]
    width, height = ((line[:, -1] - line[:, 0]) / 39 * 40 / 48 for line in (across, down))
    area, ratio = width * height, width / height
    assert 0.2 < area.min() < 0.3
    assert area.max() > 0.9
    assert ratio.min() > 0.7
    assert ratio.max() < 1.4
    assert across.min() < 4
    assert across.max() > 44


def test_crops_may_be_smaller_than_the_networks_own_and_never_larger() -> None:
    """The same part of the image, in fewer pixels."""
    square = torch.arange(48, dtype=torch.uint8).expand(1, 3, 48, 48)
    whole, small, large = (
        to_augmented_input(square, LOOK, Augment(min_scale=0.5, flip=True, crop=crop), 0, 1, [0])
        for crop in (None, 32, 64)
    )
    assert [images.shape[-1] for images in (whole, small, large)] == [40, 32, 40]
    assert torch.allclose(TF.resize(whole, [32, 32]), small, atol=0.02)
