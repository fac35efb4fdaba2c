"""The documentation as a site that needs no network: work/site/index.html.

`make docs` writes docs/settings.md out of params.yaml and its schema, and has Zensical, the successor of Material for
MkDocs, make HTML of README.md and docs/*.md. A link that leads nowhere, to a page, a heading or a file, is an error.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import documenting
from scripts.documenting.pages import FOLDER, pages, place, prepare
from scripts.documenting.settings import PAGE, settings_page
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.files import written_whole

SOURCES, SITE, CONFIG = (paths.SCRATCH / name for name in ("site-sources", "site", "site.toml"))
OWN = ("site.css", "iframe-worker.js")  # in scripts/documenting/; without the second, pages fetch one from elsewhere
COLOUR = re.compile(r"\x1b\[[\d;]*m")
WARNING = re.compile(r"^Warning: (.+)\n.*\[ (\S+) \]", re.MULTILINE)
CHAPTERS = {  # the pages of docs/ in their order; those that are not named come last
    "Begin": ("start", "images", "experiments"),
    "The ideas": ("ideas", "study", "none_of_these", "audit"),
    "What came out": ("results", "benchmark", "tuning"),
    "Look up": ("settings", "networks", "design", "scale"),
}
# No fonts from elsewhere, and pages that work as files; headings are called as on GitHub.
PROJECT = """\
[project]
site_name = "frozen-or-not"
docs_dir = "{sources}"
site_dir = "{site}"
use_directory_urls = false
extra_css = ["site.css"]
nav = [
{nav}
]

[project.theme]
font = false
features = ["navigation.sections", "navigation.footer", "navigation.top", "search.highlight", "content.code.copy"]

[[project.theme.palette]]
media = "(prefers-color-scheme: light)"
scheme = "default"

[[project.theme.palette]]
media = "(prefers-color-scheme: dark)"
scheme = "slate"

[[project.extra.polyfills]]
path = "iframe-worker.js"

[project.plugins.offline]
[project.plugins.search]

[project.markdown_extensions]
tables = {{}}
toc.permalink = true
toc.slugify = {{ object = "pymdownx.slugs.slugify", kwds = {{ case = "lower" }} }}
pymdownx.highlight = {{}}
pymdownx.superfences = {{}}
"""


def main() -> None:
    with one_line_errors():
        with written_whole(PAGE) as part:
            part.write_text(settings_page(), encoding="utf-8")
        prepare(SOURCES)
        for name in OWN:
            shutil.copyfile(Path(documenting.__path__[0], name), SOURCES / name)
        with written_whole(SITE) as part:  # Zensical writes one also where it finds what is wrong
            CONFIG.write_text(configuration(part.name), encoding="utf-8")
            build()
        print(f"wrote {SITE / 'index.html'}")


def configuration(folder: str) -> str:
    """Zensical's, of the pages that there are, for a site in this folder beside it."""
    there = [place(page).stem for page in pages() if page.parent == FOLDER]
    named = {name for names in CHAPTERS.values() for name in names}
    chapters = CHAPTERS | {"More": tuple(name for name in there if name not in named)}
    nav = ['  "index.md",']
    for title, names in chapters.items():
        if files := [f"{name}.md" for name in names if name in there]:
            nav.append(f"  {{ {json.dumps(title)} = {json.dumps(files)} }},")
    return PROJECT.format(sources=SOURCES.name, site=folder, nav="\n".join(nav))


def build() -> None:
    if importlib.util.find_spec("zensical") is None:
        raise ProjectError("zensical, which makes the site, is not installed: run make dev")
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", os.fspath(CONFIG)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        said = COLOUR.sub("", done.stdout)
        found = [f"{SOURCES}/{where}: {what}" for what, where in WARNING.findall(said)]
        raise ProjectError("; ".join(found) or f"zensical made no site: {said}")


if __name__ == "__main__":
    main()
