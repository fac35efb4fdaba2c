"""torchvision's networks in torch: taking them apart, and making files of them. May import ground and models."""
