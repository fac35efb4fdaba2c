"""What networks are called in files."""

OF_TIMM = "timm/"  # the beginning of names of timm's networks; those of torchvision have none
