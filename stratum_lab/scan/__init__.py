"""The static scanner: reads a tree, builds the static model, its graph and findings. Executes nothing it finds."""
