"""A folder's pictures, by the folders that they lie in."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stages.pictures.listing import LOOPS, SYSTEMS, Listing
from stages.pictures.system_names import is_of_a_system


@dataclass
class Tree:
    path: Path
    loose: list[Path] = field(default_factory=list)  # pictures in the folder itself
    folders: dict[str, "Tree"] = field(default_factory=dict)  # in it, with pictures in them or below, sorted
    barren: dict[str, Counter[str]] = field(default_factory=dict)  # in it, without any: what they hold, by reason

    @classmethod
    def of(cls, path: Path, listing: Listing) -> "Tree":
        tree = cls(path)
        for picture in listing.pictures:
            tree._at(picture.relative_to(path).parts[:-1], make=True).loose.append(picture)
        for reason, files in listing.left_out.files.items():
            for file in files if reason not in (SYSTEMS, LOOPS) else ():
                if file.is_relative_to(path):
                    tree._leave_out(file.relative_to(path).parts, reason)
        loops = set(listing.left_out.files.get(LOOPS, ()))
        for node in tree._nodes():
            for inner in sorted(node.path.iterdir()) if node.path.is_dir() else ():
                passed_over = inner.name in node.folders or inner in loops or is_of_a_system(inner.name)
                if inner.is_dir() and not passed_over:
                    node.barren.setdefault(inner.name, Counter())
        return tree

    def _at(self, parts: tuple[str, ...], make: bool = False) -> "Tree":
        node = self
        for name in parts:
            if name not in node.folders and make:
                node.folders[name] = Tree(node.path / name)
            node = node.folders[name]
        return node

    def _leave_out(self, parts: tuple[str, ...], reason: str) -> None:
        """Of a file in a folder without pictures."""
        node = self
        for name in parts[:-1]:
            if name not in node.folders:
                node.barren.setdefault(name, Counter())[reason] += 1
                return
            node = node.folders[name]

    def _nodes(self) -> Iterator["Tree"]:
        yield self
        for inner in self.folders.values():
            yield from inner._nodes()

    def pictures(self) -> list[Path]:
        """All, in it and below."""
        return [picture for node in self._nodes() for picture in node.loose]

    def places(self, name: str) -> dict[str, Path]:
        """Of this folder as the class `name`: "NAME/FILE" to path."""
        return {f"{name}/{picture.relative_to(self.path).as_posix()}": picture for picture in self.pictures()}

    def only(self) -> "Tree | None":
        """The one folder in it, if that holds folders in turn."""
        (inner, *others) = self.folders.values() or (None,)
        wraps = inner is not None and not others and (len(inner.folders) > 1 or (inner.folders and not inner.loose))
        return inner if wraps else None
