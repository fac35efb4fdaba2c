"""stages/faults/: planted faults are found, and what is whole is left alone."""

from pathlib import Path

import numpy as np
import pytest
from cleanlab.rank import get_label_quality_scores
from PIL import ExifTags, Image, ImageDraw

from scripts.measuring.planted import COPIES, blank, blurred, flipped, recall_at
from stages.faults.copies import LEAST, MOST, find_copies, joined, likeness
from stages.faults.held_out import held_out_probabilities, whole
from stages.faults.labels import label_inputs, log_margins, suspect_labels
from stages.faults.looks import GREY, Look, Looks, look_at
from stages.faults.outliers import strangeness
from stages.faults.shortcuts import find_shortcuts
from stages.statistics.inference import above_chance

SIZE = (240, 180)


def scene(seed: int) -> Image.Image:
    """Rectangles and discs anywhere, over a slope of colour."""
    rng = np.random.default_rng(seed)
    picture = Image.fromarray(rng.integers(60, 200, (3, 4, 3), np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(9):
        left, top = rng.integers(-20, SIZE[0] - 20), rng.integers(-20, SIZE[1] - 20)
        box = (left, top, left + rng.integers(15, 70), top + rng.integers(15, 70))
        colour = tuple(rng.integers(0, 256, 3).tolist())
        (draw.rectangle if rng.random() < 0.5 else draw.ellipse)([int(side) for side in box], fill=colour)
    return picture


def grey(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("L").resize((GREY, GREY), Image.Resampling.BOX))


def clusters(count: int, classes: int, apart: float = 5.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (N, 40) as a network's last activation has them, of balanced classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return np.abs(rng.normal(0, 1, (count, 40)) + apart * np.eye(classes, 40)[labels]).astype(np.float32), labels


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_told_by_its_details(kind: str) -> None:
    scenes = [scene(seed) for seed in range(12)]
    rng = np.random.default_rng(1)
    originals = np.stack([grey(picture) for picture in scenes])
    copies = np.stack([grey(COPIES[kind](picture, rng)) for picture in scenes])
    assert likeness(originals, copies).min() > 0.75
    assert likeness(copies, originals).min() > 0.75
    assert likeness(originals, np.roll(copies, 1, axis=0)).max() < LEAST


def test_copies_are_found_among_many_also_where_features_see_none() -> None:
    rng, scenes = np.random.default_rng(0), [scene(seed) for seed in range(40)]
    greys = np.stack([grey(of) for of in [*scenes, COPIES["crop of 80 to 95 %"](scenes[3], rng), scenes[5]]])
    embeddings = rng.normal(0, 1, (42, 30)).astype(np.float32)
    embeddings[40] = embeddings[3] + 0.01
    labels = np.append(np.arange(40) % 2, [1, 1])
    found = find_copies(greys, embeddings, labels)
    assert {tuple(pair) for pair in found.pairs.tolist()} == {(3, 40), (5, 41)}
    assert found.pairs[0].tolist() == [5, 41]  # the most alike first
    assert found.border == LEAST


def test_all_copies_of_one_picture_are_one_group() -> None:
    rng, scenes = np.random.default_rng(0), [scene(seed) for seed in range(30)]
    many = [kind(scenes[0], rng) for kind in (COPIES["mirrored"], COPIES["brightness"], COPIES["turned by 3°"])]
    greys = np.stack([grey(of) for of in [*scenes, *many]])
    embeddings = rng.normal(0, 1, (33, 30)).astype(np.float32)
    embeddings[30:] = embeddings[0] + 0.01 * rng.normal(0, 1, (3, 30))
    groups = joined(find_copies(greys, embeddings, np.arange(33) % 2).pairs, np.arange(33))
    assert np.flatnonzero(groups == groups[0]).tolist() == [0, 30, 31, 32]
    assert len(np.unique(groups)) == 30


def test_a_set_of_one_scene_has_a_higher_border() -> None:
    """Where pictures of different classes are alike, more likeness is asked for."""
    base = scene(0)
    pictures = []
    for seed in range(30):
        picture, place = base.copy(), np.random.default_rng(seed).integers(0, 120, 2)
        ImageDraw.Draw(picture).rectangle([int(place[0]), int(place[1]), int(place[0]) + 50, int(place[1]) + 50], "red")
        pictures.append(grey(picture))
    embeddings, labels = clusters(30, 2)
    assert find_copies(np.stack(pictures), embeddings, labels).border == MOST


def test_groups_that_copies_link_are_one() -> None:
    groups = joined(np.array([[0, 3]]), np.array([0, 0, 1, 2, 3]))
    assert groups[0] == groups[1] == groups[3]
    assert len({groups[0], groups[2], groups[4]}) == 3
    alone = joined(np.empty((0, 2), np.int64), np.array([1, 0, 1]))
    assert alone[0] == alone[2] != alone[1]


def test_flipped_labels_come_first() -> None:
    embeddings, labels = clusters(300, 3)
    now, wrong = flipped(labels, seed=0)
    found = suspect_labels(embeddings, now, np.arange(300))
    hit = wrong[found.numbers]
    assert hit[: len(hit) // 2].all()
    assert hit.mean() > 0.8
    assert hit.sum() >= 0.9 * wrong.sum()
    assert (found.suggested[hit] == labels[found.numbers[hit]]).all()
    assert (np.diff(found.scores) <= 0).all()


def test_no_worse_than_cleanlab_on_the_same_probabilities() -> None:
    ours, theirs = [], []
    for seed in range(6):
        embeddings, labels = clusters(300, 3, apart=3.2, seed=seed)
        now, wrong = flipped(labels, seed)
        probabilities = whole(held_out_probabilities(label_inputs(embeddings), now, np.arange(300)))
        ours.append(recall_at(0.8, log_margins(probabilities, now)[0], wrong))
        theirs.append(recall_at(0.8, -get_label_quality_scores(now, probabilities, method="normalized_margin"), wrong))
    assert np.mean(ours) >= np.mean(theirs)
    assert np.mean(ours) > 0.5


def test_an_image_s_group_does_not_speak_for_it() -> None:
    """Ten pictures of one person, all called otherwise: each would confirm the others."""
    embeddings, labels = clusters(200, 2)
    embeddings[:20:2] = embeddings[0] + 0.01
    now, groups = labels.copy(), np.arange(200)
    now[:20:2], groups[:20:2] = 1, 0
    assert set(range(0, 20, 2)) <= set(suspect_labels(embeddings, now, groups).numbers.tolist())
    assert not set(range(0, 20, 2)) <= set(suspect_labels(embeddings, now, np.arange(200)).numbers.tolist())


def test_a_class_of_one_group_is_passed_over() -> None:
    embeddings, labels = clusters(60, 3)
    groups = np.where(labels == 2, 1000, np.arange(60))
    assert not (labels[suspect_labels(embeddings, labels, groups).numbers] == 2).any()


def test_foreign_pictures_are_strange_also_when_they_are_many() -> None:
    own, _ = clusters(400, 2)
    rng = np.random.default_rng(1)
    foreign = np.abs(0.2 * rng.normal(0, 1, (20, 40)) + 5 * np.eye(1, 40, 7)).astype(np.float32)
    labels = np.arange(420) % 2
    scores = strangeness(np.concatenate((own, foreign)), labels)
    assert scores[400:].min() > np.quantile(scores[:400], 0.99)
    assert abs(np.median(scores)) < 0.1


def test_a_small_class_is_not_strange_as_such() -> None:
    own, _ = clusters(400, 2)
    keep = np.r_[0:400:2, 1:30:2]
    scores = strangeness(own[keep], np.arange(400)[keep] % 2)
    assert (scores[200:] > 3).mean() < 0.1


def test_of_a_few_pictures_none_is_strange() -> None:
    own, labels = clusters(19, 2)
    assert not strangeness(own * np.linspace(0, 9, 19, dtype=np.float32)[:, None], labels).any()


def test_a_shortcut_of_a_few_groups_is_not_sure() -> None:
    """Sixty pictures in three bursts: their one look says little."""
    labels, groups = np.repeat([0, 1], [60, 60]), np.r_[np.repeat([0, 1, 2], 20), np.arange(3, 63)]
    looks = [
        Look((100 + 60 * label, 100), 1000, "JPEG", 5.0, (0.5,) * 6, (0.5,) * 12, 0.2, 0.3, np.zeros(1))
        for label in labels.tolist()
    ]
    file, _ = find_shortcuts(Looks.of(looks), labels, groups)
    assert file.accuracy > 0.9
    assert not file.far_above_chance


def saved(picture: Image.Image, path: Path, **how: object) -> Look:
    picture.save(path, **how)
    return look_at(path)


def test_what_a_picture_is_like(tmp_path: Path) -> None:
    picture = scene(0)
    sharp, soft = (
        saved(picture, tmp_path / "a.png"),
        saved(blurred(picture, np.random.default_rng(0)), tmp_path / "b.png"),
    )
    assert soft.blur > sharp.blur + 0.2
    assert sharp.size == SIZE
    assert Looks.of([sharp, soft]).seen.tolist() == 2 * [SIZE[1] / SIZE[0]]
    assert sharp.contrast > 0.1
    assert saved(blank(200, np.random.default_rng(0)), tmp_path / "c.png").contrast < 0.02
    assert np.array_equal(sharp.grey.shape, (GREY, GREY))
    red = Image.new("RGB", (100, 80), (255, 0, 0))
    ImageDraw.Draw(red).rectangle((0, 40, 100, 80), fill=(0, 0, 255))
    look = saved(red, tmp_path / "d.png")
    assert np.allclose(look.colour[:3], (0.5, 0, 0.5), atol=0.02)
    assert np.allclose(look.edges[:6], (1, 0, 0, 0, 0, 1), atol=0.02)  # red at the top, blue at the bottom


def test_a_file_is_looked_at_upright_with_its_camera(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Model] = 6, "Box 1"
    look = saved(scene(0), tmp_path / "a.jpg", exif=exif, quality=50)
    assert look.size == SIZE[::-1]
    assert look.kind == "JPEG Box 1"
    exif[ExifTags.Base.Model] = 1000 * "x"
    assert len(saved(scene(0), tmp_path / "long.jpg", exif=exif).kind) < 80
    assert look.quality > saved(scene(0), tmp_path / "b.jpg", quality=95).quality > 0


def test_a_large_jpeg_is_decoded_smaller_and_its_size_is_kept(tmp_path: Path) -> None:
    look = saved(scene(0).resize((2400, 1800)), tmp_path / "a.jpg")
    assert look.size == (2400, 1800)
    assert np.abs(look.grey.astype(int) - saved(scene(0), tmp_path / "b.png").grey).mean() < 4


def test_classes_that_their_files_tell_apart_are_a_shortcut() -> None:
    rng, labels = np.random.default_rng(0), np.arange(80) % 2

    def look(size: int, red: float) -> Look:
        colour = (red, 0.5, 0.5, 0.1, 0.1, 0.1)
        return Look((size, size), int(rng.integers(900, 1100)), "JPEG", 5.0, colour, (0.5,) * 12, 0.2, 0.3, np.zeros(1))

    by_size = [look(int(rng.integers(100, 120) + 60 * label), float(rng.random())) for label in labels]
    file, colours = find_shortcuts(Looks.of(by_size), labels, np.arange(80))
    assert file.accuracy > 0.95
    assert file.far_above_chance
    assert not colours.far_above_chance
    by_colour = [look(int(rng.integers(100, 120)), 0.3 * rng.random() + 0.6 * label) for label in labels]
    file, colours = find_shortcuts(Looks.of(by_colour), labels, np.arange(80))
    assert colours.far_above_chance
    assert not file.far_above_chance
    assert colours.chance == 0.5


def test_far_above_chance_is_half_of_the_way() -> None:
    assert above_chance(0.76, 0.5)
    assert not above_chance(0.74, 0.5)
    assert above_chance(0.56, 0.1)
    assert not above_chance(0.54, 0.1)
