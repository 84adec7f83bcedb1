"""What each process of a test begins with, by its place on PYTHONPATH."""

import one_program  # noqa: F401
