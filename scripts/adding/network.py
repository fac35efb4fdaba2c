"""Puts a network of torchvision or timm into params.yaml, with what its library itself says of its weights."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.adding.entry import add_entry
from stages.fetching.settings import is_address
from stages.ground.errors import ProjectError
from stages.ground.files import sha256
from stages.ground.params import PARAMS_FILE, name
from stages.networks.graph import to_graph
from stages.networks.names import OF_TIMM
from stages.networks.network import build, check_takes, last_layer_name
from stages.networks.settings import Source, check_known, network_of
from stages.settings import load_params

# The first published: most have no others, and later ones were mostly trained with smoothed labels, which makes
# features less useful for other classes. Kornblith et al., "Why Do Better Loss Functions Lead to Less Transferable
# Features?", NeurIPS 2021.
WEIGHTS = "IMAGENET1K_V1"
CHECKSUM = re.compile(r"-([0-9a-f]{8,64})\.pth$")  # the beginning of the SHA-256, in which most of their files end
FITS = {"center": "crop", "squash": "squash"}  # by timm's crop_mode
BATCH = 2  # images, which BatchNorm takes


@dataclass(frozen=True)
class Published:
    """What a library says of a network's weights."""

    url: str  # "" where there is none that can be fetched and checked
    licence: str
    resize: int
    crop: int
    fit: str
    interpolation: str
    mean: Sequence[float]
    std: Sequence[float]
    instead: str = ""  # where they are, without a url


def add_network(asked: str, weights: str | None = None, checksum: str | None = None) -> None:
    """Add the network under models, and print what to do next.

    Args:
        asked: torchvision's name, or OF_TIMM and timm's.
        weights: a file or an address of them, in the place of the library's.
        checksum: of that; not needed for a file that is there.

    Raises:
        ProjectError: no such network, one that is there already or one that cannot be used; nothing was changed then.
    """
    params = load_params()
    source: Source = "timm" if asked.startswith(OF_TIMM) else "torchvision"
    try:
        check_known(source, asked.removeprefix(OF_TIMM))
    except ValueError as error:
        raise ProjectError(f"{asked!r}: {error}") from error
    there = {network_of(model): key for key, model in params.models.items()}
    if asked in there:
        raise ProjectError(f"{PARAMS_FILE} has the network {asked} already, under {there[asked]}")
    lines = entry(asked, free_key(asked, list(params.models)), weights, checksum)
    add_entry("models", lines)
    key = lines[0].removesuffix(":")
    print("\n".join(lines))
    print(f"\n{PARAMS_FILE} has {key} under models. Next:")
    print("\n".join(f"  dvc repro draw@{key}-{dataset}" for dataset in params.datasets))


def entry(network: str, key: str, weights: str | None = None, checksum: str | None = None) -> list[str]:
    """The lines for params.yaml.

    Raises:
        ProjectError: the network cannot be used, as weights@MODEL would say, or its weights cannot be pinned.
    """
    of_timm = network.startswith(OF_TIMM)
    last_layer_name(build(network))
    told = said_by_timm(network) if of_timm else said_by_torchvision(network)
    check_takes(network, BATCH, told.crop, f"models.{key}.crop")
    url, digits = place(network, weights, checksum, told)
    to_graph(build(network, told.crop), told.crop)
    return [
        f"{key}:",
        f"  source: {'timm' if of_timm else 'torchvision'}",
        f"  name: {network.removeprefix(OF_TIMM)}",
        "  urls:",
        f"    - {url}",
        f'  sha256: "{digits}"{" # as far as its name gives it" if len(digits) < 64 else ""}',
        f"  licence: {told.licence}",
        f"  resize: {told.resize}",
        f"  crop: {told.crop}",
        f"  fit: {told.fit}",
        f"  interpolation: {told.interpolation}",
        f"  mean: {list(told.mean)}",
        f"  std: {list(told.std)}",
    ]


def free_key(network: str, taken: list[str]) -> str:
    """A name for the entry: the architecture's or, where that is taken, with timm's tag."""
    own = network.removeprefix(OF_TIMM)
    for key in (own.partition(".")[0], re.sub(r"\W", "_", own)):
        if key not in taken:
            return name(key)
    raise ProjectError(f"{PARAMS_FILE} has another network under models.{key}: rename that entry")


def place(network: str, weights: str | None, checksum: str | None, told: Published) -> tuple[str, str]:
    """Where the weights are, and their checksum, or its beginning."""
    url = weights or told.url
    if not url:
        raise ProjectError(f"{network}: {told.instead}; fetch a file of its weights and name it: --weights FILE")
    if checksum:
        return url, checksum.lower()
    if weights and not is_address(weights) and (file := Path(weights)).is_file():
        return url, sha256(file)
    if found := CHECKSUM.search(url):
        return url, found[1]
    raise ProjectError(f"{url} is no file here and does not end in a checksum: give that with --sha256 DIGITS")


def said_by_torchvision(network: str) -> Published:
    from torchvision.models import get_model_weights

    published = {weights.name: weights for weights in get_model_weights(network)}
    if WEIGHTS not in published:
        raise ProjectError(
            f"{network} has no weights {WEIGHTS} in torchvision, only {', '.join(published)}: write an entry into"
            f" {PARAMS_FILE} by hand"
        )
    url, look = published[WEIGHTS].url, published[WEIGHTS].transforms()
    (resize,), (crop,) = look.resize_size, look.crop_size
    licence = "BSD-3-Clause # torchvision's; of the weights it says nothing"
    return Published(url, licence, resize, crop, "crop", look.interpolation.value, look.mean, look.std)


def said_by_timm(network: str) -> Published:
    from stages.networks.of_timm import published

    cfg = published(network.removeprefix(OF_TIMM))
    channels, height, side = cfg.input_size
    if (channels, height) != (3, side):
        raise ProjectError(f"{network} cannot be used: its images are of {channels} x {height} x {side}, not square")
    if cfg.interpolation not in ("bilinear", "bicubic"):
        raise ProjectError(f"{network} cannot be used: its images are resized by {cfg.interpolation}, not as here")
    resize = int(side / cfg.crop_pct)  # rounded as timm's own transform does
    if cfg.crop_mode not in FITS or (cfg.crop_mode == "squash" and resize != side):
        how = f"{cfg.crop_mode} {cfg.crop_pct}"
        raise ProjectError(f"{network} cannot be used: its images are cut by {how}, not as here")
    url = cfg.url if isinstance(cfg.url, str) and CHECKSUM.search(cfg.url) else ""
    instead = f"timm says no checksum of its weights ({cfg.url or f'huggingface.co/{cfg.hf_hub_id}'})"
    return Published(
        url, cfg.license or "unknown", resize, side, FITS[cfg.crop_mode], cfg.interpolation, cfg.mean, cfg.std, instead
    )
