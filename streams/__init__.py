"""The stream processors: a Faust application that folds events into records."""
