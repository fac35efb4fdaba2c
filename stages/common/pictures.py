"""Which files are pictures."""

from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


def is_picture(path: Path) -> bool:
    """By its name: a picture's suffix, in any letter case, and not hidden (macOS archives hold ._NAME.jpg)."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def find_pictures(folder: Path) -> list[Path]:
    """All pictures below `folder`, sorted."""
    return sorted(path for path in folder.rglob("*") if is_picture(path) and path.is_file())
