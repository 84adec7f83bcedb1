#!/usr/bin/env python3
"""`scenetok aot` as a script, for clusters where the package is a checkout."""

import sys

from scenetok_jax import console
from scenetok_jax.cli import aot

if __name__ == "__main__":
  sys.exit(console.run(aot.main, verb="aot"))
