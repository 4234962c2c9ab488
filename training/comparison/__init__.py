"""What the shipped artefact is compared with: the 2018 report, LightGBM, other folds, classes left out."""
