"""The pages of the documentation, made ready for a site: README.md first, then those of docs/.

They are written to be read where they lie, by their relative links. On the site README.md is the first page, and the
pages of docs/ stand beside it; what else they link to, such as figures, is copied to its own place below.
"""

import os
import re
import shutil
from pathlib import Path

from stages.ground.errors import ProjectError

FIRST = Path("README.md")
FOLDER = Path("docs")
LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?P<to>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
CODE = re.compile(r"(^```.*?^```$|``.+?``|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    return [FIRST, *sorted(FOLDER.glob("*.md"))]


def prepare(folder: Path) -> None:
    """Write all pages, and copies of the files that they link to, into `folder`, which is emptied.

    Raises:
        ProjectError: where a link leads to no file of the project.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for page in pages():
        text, linked = for_the_site(page.read_text(encoding="utf-8"), page)
        (folder / place(page)).parent.mkdir(parents=True, exist_ok=True)
        (folder / place(page)).write_text(text, encoding="utf-8")
        for file in linked:
            (folder / place(file)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / place(file))


def place(file: Path) -> Path:
    """Where a file of the project is, below the site's folder of sources."""
    if file == FIRST:
        return Path("index.md")
    return file.relative_to(FOLDER) if file.parent == FOLDER else file


def for_the_site(text: str, page: Path) -> tuple[str, set[Path]]:
    """A page with its links as they are there, and the files that it links to that are no pages."""
    linked: set[Path] = set()

    def link(found: re.Match[str]) -> str:
        if "://" in found["to"]:
            return found[0]
        file = Path(os.path.normpath(page.parent / found["to"]))
        if file.is_absolute() or ".." in file.parts or not file.is_file():
            raise ProjectError(f"{page}: a link leads to {found['to']}, which is no file of the project")
        if file not in pages():
            linked.add(file)
        to = os.path.relpath(place(file), place(page).parent)
        return f"{found['text']}({Path(to).as_posix()}{found['anchor'] or ''})"

    parts = CODE.split(text)  # what is code stands at the odd places
    return "".join(part if number % 2 else LINK.sub(link, part) for number, part in enumerate(parts)), linked
