"""Puts a network of torchvision into params.yaml, with what torchvision itself says of its weights."""

import re

from torchvision.models import get_model_weights
from torchvision.transforms import InterpolationMode

from scripts.adding.entry import add_entry
from stages.ground.errors import ProjectError
from stages.ground.params import PARAMS_FILE
from stages.networks.network import build, last_layer_name
from stages.networks.settings import network_name
from stages.settings import load_params

# The first published: most have no others, and later ones were mostly trained with smoothed labels, which makes
# features less useful for other classes. Kornblith et al., "Why Do Better Loss Functions Lead to Less Transferable
# Features?", NeurIPS 2021.
WEIGHTS = "IMAGENET1K_V1"
CHECKSUM = re.compile(r"-([0-9a-f]{8,64})\.pth$")  # torchvision's files end in the beginning of their SHA-256


def add_network(name: str) -> None:
    """Add `name` under models, and print what to do next.

    Raises:
        ProjectError: no such network, one that is there already or one that cannot be used; nothing was changed then.
    """
    params = load_params()
    try:
        network_name(name)
    except ValueError as error:
        raise ProjectError(f"{name!r}: {error}") from error
    if name in params.models:
        raise ProjectError(f"{PARAMS_FILE} has the network {name} already")
    last_layer_name(build(name))  # refuses as weights@MODEL would
    lines, notes = entry(name)
    add_entry("models", lines)
    print("\n".join([*lines, *notes]))
    print(f"\n{PARAMS_FILE} has {name} under models. Next:")
    print("\n".join(f"  dvc repro draw@{name}-{dataset}" for dataset in params.datasets))


def entry(name: str) -> tuple[list[str], list[str]]:
    """The lines for params.yaml, and what else is to be said."""
    published = {weights.name: weights for weights in get_model_weights(name)}
    if WEIGHTS not in published:
        raise ProjectError(
            f"{name} has no weights {WEIGHTS} in torchvision, only {', '.join(published)}: write an entry into"
            f" {PARAMS_FILE} by hand"
        )
    url, transforms = published[WEIGHTS].url, published[WEIGHTS].transforms()
    digits = CHECKSUM.search(url)
    if digits is None:
        raise ProjectError(f"{url} does not end in a checksum: write an entry for {name} into {PARAMS_FILE} by hand")
    lines = [
        f"{name}:",
        "  urls:",
        f"    - {url}",
        f'  sha256: "{digits[1]}" # as far as torchvision gives it',
        f"  resize: {transforms.resize_size[0]}",
        f"  crop: {transforms.crop_size[0]}",
        "  fit: crop",
    ]
    if transforms.interpolation == InterpolationMode.BILINEAR:
        return lines, []
    kind = transforms.interpolation.value
    return lines, [f"note: these weights were made with {kind} resizing; here all images are resized bilinearly"]
