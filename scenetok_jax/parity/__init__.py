"""Reference cases of the authors' release: one adapter per kind of case."""
