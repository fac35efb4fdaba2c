"""Names of classes and files: which can be used everywhere, and which look the same to a person."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

LONGEST_NAME = 255  # bytes
DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in "123456789¹²³"
}
ALIKE = str.maketrans("аеорсухіјѕԁһԛԝαορυνικτχ", "aeopcyxijsdhqwaopuviktx")  # small Cyrillic and Greek letters

VARIANTS = {chr(code) for code in range(0xFE00, 0xFE10)}  # of how the letter before is drawn, such as with colour
QUOTES = dict.fromkeys("\u2018\u2019\u00b4`", "'")


def is_portable(name: str) -> bool:
    """Whether a file or folder of this name gets just this name everywhere; Windows drops dots and spaces at its end,
    and takes AUX.jpg for a device."""
    device = name.partition(".")[0].rstrip(" ").upper() in DEVICES
    control = any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name)
    return not device and not control and not name.endswith((".", " ")) and len(name.encode()) <= LONGEST_NAME


def one_place(path: PurePosixPath) -> PurePosixPath:
    """The same for all paths that some system takes for one: by letter case, or by how an accent is written."""
    return PurePosixPath(unicodedata.normalize("NFC", unicodedata.normalize("NFD", str(path)).casefold()))


def class_problem(name: str) -> str | None:
    """Why `name` cannot be the name of a class: of a folder, of a line in tables and of a mark in figures."""
    if not name.strip():
        return "empty labels"
    if "\udc80" <= max(name) <= "\udcff":
        return "names that are not in UTF-8"
    if name.startswith(".") or set(name) & set('/\\:*?"<>|') or not is_portable(name) or name != name.strip():
        return "labels that cannot be a folder's name on every system"
    return None


def look(name: str) -> str:
    """The same for all names that a person takes for one.

    By letter case and width, how accents, dashes and quotes are written, letters of other scripts that look alike,
    marks that do not show, and what stands between words.
    """
    shown = "".join(
        c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf" and c not in VARIANTS
    )
    plain = "".join("-" if unicodedata.category(c) == "Pd" else QUOTES.get(c, c) for c in shown)
    return re.sub(r"(?<=\w)[\s_.-]+(?=\w)|[\s_]+", " ", plain.casefold().translate(ALIKE)).strip(" ") or plain


def alike(names: Iterable[str]) -> list[str]:
    """Those of `names` that look the same: "Cat and cat", …"""
    looks: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        looks[look(name)].append(name)
    return [" and ".join(_shown(name) for name in same) for same in looks.values() if len(same) > 1]


def _shown(name: str) -> str:
    """In ASCII where that tells more than the letters do."""
    return name if name.isascii() and "  " not in name else f"{name} ({ascii(name)[1:-1]})"
