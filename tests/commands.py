"""The commands that README.md and docs/ show, and what runs each of them.

RUN names the test in which a command runs, with the names of that test's project; NOT_RUN says why one runs in none.
tests/test_commands.py holds them against the pages: a new command has to be put into one of them.
"""

import re

RUN = {  # the beginning of a command: the test that runs it
    "make repro": "test_guide.py",
    "make plots": "test_guide.py",
    "make study": "test_guide.py",
    "make sweep": "test_guide.py",
    "make table": "test_guide.py",
    "make compare": "test_guide.py",
    "make compare-networks": "test_guide.py",
    "make serve": "test_serve.py",
    "dvc repro": "test_graph.py",
    "dvc params diff": "test_guide.py",
    "dvc metrics diff": "test_guide.py",
    "dvc plots diff": "test_guide.py",
    "dvc exp run": "test_guide.py",
    "dvc remote add": "test_remote.py",
    "dvc push": "test_remote.py",
    "dvc pull": "test_remote.py",
    "git checkout .": "test_guide.py",
    "python -m scripts.add": "test_add.py",
    "python -m scripts.correct": "test_corrections.py",
    "python -m scripts.predict": "test_predict.py",
    "python -m scripts.export": "test_export.py",
    "python -m scripts.measuring.own_classes": "test_own_classes.py",
    "python -m scripts.measuring.image_costs": "test_image_costs.py",
    "python -m scripts.measuring.audit_steps": "test_cells.py",
    "python -m scripts.audit_benchmark": "test_audit_benchmark.py",
    "make env": "test_environment.py",
    "OMP_NUM_THREADS=8 torchrun": "test_nodes.py",
    "RANK=1 WORLD_SIZE=2 MASTER_ADDR=10.0.0.1 MASTER_PORT=29500 python -m stages.train": "test_nodes.py",
    "gto register": "test_artifacts.py",
    "git push": "test_artifacts.py",
    "git bisect": "test_tools.py",
    "dvc artifacts get": "test_artifacts.py",
    "dvc cache dir": "test_run_cache.py",
}
NOT_RUN = {
    "git add .": "git's own",
    "git commit": "git's own",
    "git clone": "the address is the reader's; tests/test_remote.py clones by a path",
    "cd ": "of the shell",
    "source ": "of the shell; tests run in that environment",
    "less ": "waits for a reader",
    "make test": "is what runs this",
    "RANK=0 WORLD_SIZE=2 MASTER_ADDR=10.0.0.1 MASTER_PORT=29500 dvc repro": "tests/test_nodes.py starts the stage so",
    "cp -rn ": "tests/test_run_cache.py copies as it does",
    "OMP_NUM_THREADS=1 python -m scripts.measuring.shares": "measures; tests/test_nodes.py holds the shares",
    "curl ": "tests/test_serve.py asks the same",
    "docker ": "there may be none; tests/test_container.py goes the Dockerfile's steps",
}


def commands(text: str) -> list[str]:
    """All of a page's blocks in `sh`, and those after a $ in the ones of `console`, without what a # says of them."""
    found: dict[str, None] = {}
    for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        block = re.sub(r"\s*\\\n\s*", " ", block)  # lines that go on in the next
        lines = block.splitlines() if kind == "sh" else re.findall(r"^\$ (.*)", block, re.MULTILINE)
        for line in (line for line in lines if not line.startswith("#")):
            for command in re.sub(r"\s+# .*", "", line).split(" && "):
                found[command.strip()] = None
    return [command for command in found if command]


def begins(command: str, table: dict[str, str]) -> list[str]:
    return [start for start in table if f"{command} ".startswith(start if start.endswith(" ") else f"{start} ")]
