"""The section downloads of params.yaml: where archives are."""

from stages.ground.params import Strict, Urls


class Download(Strict):
    """Where the archive with a data set's images is."""

    urls: Urls
