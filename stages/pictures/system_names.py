"""Names of files and folders that systems and programs leave among people's pictures, and that are not the people's.

The one list of them: it holds wherever a folder or an archive is looked through, and .gitignore and .dvcignore need no
other. All that begins with a dot belongs to it: .ipynb_checkpoints, .thumbnails, .dtrash, .AppleDouble, ._photo.jpg.
"""

NAMES = frozenset(
    {
        "__macosx",  # in archives that macOS made: what it keeps of each file beside its content, under the same name
        "@eadir",  # Synology: thumbnails
        "@recycle",  # QNAP
        "#recycle",
        "#snapshot",
        "$recycle.bin",  # Windows
        "recycler",
        "system volume information",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "lost+found",  # Linux
        "icon\r",  # macOS
        "network trash folder",
        "temporary items",
        "__pycache__",  # Python
    }
)


COPIES = ("~", ".bak", ".tmp", ".orig", "_original", ".crdownload", ".part")  # at the end of a file's name


def is_copy(name: str) -> bool:
    """Whether a file is what an editor kept of another, or the beginning of a download."""
    return name.lower().endswith(COPIES)


def is_of_a_system(name: str) -> bool:
    """Of one file or folder, without the folders above it."""
    hidden = name.startswith((".", "~$")) and name.strip(". ")  # ".." is something else
    return bool(hidden) or name.lower() in NAMES
