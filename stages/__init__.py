"""One module a stage of dvc.yaml, of the stage's name: `python -m stages.train mobilenet_v2 ants_bees frozen`."""
