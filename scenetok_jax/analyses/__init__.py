"""One file per kind of `scenetok analyze`."""
