"""One module a stage of dvc.yaml, of the stage's name: `python -m stages.train mobilenet_v2 ants_bees frozen`."""

import signal
import sys

# As long as a stage is importing torch, Ctrl-C ends it at once and without a stack trace; stages/ground/cli.py
# takes over from there.
if sys.argv[0] == "-m":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
