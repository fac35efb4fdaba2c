"""Names in any script: drawn by a font of this machine that has their letters, else called by a number."""

import unicodedata
from collections.abc import Sequence

import matplotlib
from matplotlib.font_manager import FontEntry, fontManager, get_font
from matplotlib.ft2font import FaceFlags

FAMILY = "DejaVu Sans"  # comes with matplotlib, as does the next
LAST_RESORT = "Last Resort"  # has a box for each letter there is


def drawable(names: Sequence[str]) -> dict[str, str]:
    """How each name is to be drawn; from now on, figures use the fonts that it takes.

    A name that no font can draw whole is "class 3", if it is the third.
    """
    fonts = [FAMILY]
    lacking = letters(names) - glyphs(FAMILY)
    for entry in others() if lacking else ():
        if found := lacking & glyphs_of(entry):
            fonts.append(entry.name)
            lacking -= found
    matplotlib.rcParams["font.family"] = fonts
    return {name: f"class {n}" if letters([name]) & lacking else name for n, name in enumerate(names, start=1)}


def note(shown: dict[str, str]) -> str | None:
    """What to say of names that are drawn by numbers."""
    numbered = [f"{number} is {name}" for name, number in shown.items() if name != number]
    if not numbered:
        return None
    return (
        f"note: no font of this machine has the letters of {len(numbered)} classes' names, which are numbers in the"
        f" figures: {', '.join(numbered)}. A font such as Noto Sans (CJK for Chinese, Japanese and Korean) has them"
    )


def letters(names: Sequence[str]) -> set[int]:
    """All that shows of them, as Unicode's numbers."""
    return {ord(c) for name in names for c in name if unicodedata.category(c) not in ("Cf", "Zs")}


def glyphs(family: str) -> set[int]:
    return next(glyphs_of(entry) for entry in fontManager.ttflist if is_plain(entry) and entry.name == family)


def others() -> list[FontEntry]:
    """This machine's fonts, in the same order each time."""
    plain = (entry for entry in fontManager.ttflist if is_plain(entry) and not entry.name.startswith(LAST_RESORT))
    return sorted(plain, key=lambda entry: entry.name)


def is_plain(entry: FontEntry) -> bool:
    return entry.style == "normal" and entry.variant == "normal" and entry.weight in (400, "normal", "regular")


def glyphs_of(entry: FontEntry) -> set[int]:
    """None of fonts that are pictures, as those of coloured emoji: matplotlib cannot draw them."""
    try:
        font = get_font(entry.fname)
    except (OSError, RuntimeError):
        return set()
    return set(font.get_charmap()) if FaceFlags.SCALABLE in font.face_flags else set()
