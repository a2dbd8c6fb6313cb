"""One module per watched framework; each has a `FRAME`."""
