"""A job over many pictures in parts, of which those that are done outlive a kill.

DVC deletes a stage's outputs before it runs the stage, so they lie in the git-ignored scratch folder. The name of each
follows from all that it depends on: whoever changes a setting, a picture or the code starts afresh. Pictures are told
by size and time, as DVC itself does: reading all of them would take longer than some jobs.
"""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np

from stages.engine.tasks import results
from stages.ground import paths
from stages.ground.digests import digest
from stages.ground.files import list_files, remove, sha256, written_whole
from stages.ground.runtime import Runtime
from stages.ground.shards import stamp

LIBRARIES = ("numpy", "onnxruntime", "pillow")

Columns = dict[str, np.ndarray]  # of one length: a row of each for each picture


@contextmanager
def in_parts(
    job: str,
    do: Callable[[Sequence[Path]], Columns],
    pictures: Sequence[Path],
    size: int,
    settings: object,
    runtime: Runtime,
    done: Callable[[int], object],
) -> Iterator[Iterator[Columns]]:
    """Yield what `do` gives of so many pictures after the other, in their order. What is kept is removed at the end.

    What fits one part is done here and not kept. Other versions of what decodes and computes (LIBRARIES) start afresh.

    Args:
        job: the stage's cell; no other job has this name.
        size: pictures of a part.
        settings: (JSON) all that `do` depends on beside the pictures and the code.
        done: is told of so many pictures that they are done.
    """
    parts = [pictures[start : start + size] for start in range(0, len(pictures), size)]
    folder = paths.SCRATCH / "parts" / job
    if len(parts) == 1:
        remove(folder)  # of when there were more pictures
        yield iter([do(pictures)])
        return
    given = digest(settings, list(map(version, LIBRARIES)), [sha256(file) for file in list_files(paths.CODE)])
    files = [folder / f"{digest(given, [stamp(of) for of in part])}.npz" for part in parts]
    missing = [number for number, file in enumerate(files) if not zipfile.is_zipfile(file)]
    done(sum(map(len, parts)) - sum(len(parts[number]) for number in missing))
    for which, columns in results(do, [(parts[number],) for number in missing], runtime, gpu=True):
        with written_whole(files[missing[which]]) as path, path.open("wb") as file:
            np.savez(file, allow_pickle=False, **columns)
        done(len(parts[missing[which]]))
    yield map(_read, files)
    remove(folder)


def _read(file: Path) -> Columns:
    with np.load(file) as columns:
        return dict(columns)
