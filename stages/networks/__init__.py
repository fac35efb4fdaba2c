"""torchvision's and timm's networks in torch: taking them apart, and making files. May import ground and models."""
