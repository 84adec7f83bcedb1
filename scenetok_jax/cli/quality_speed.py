"""Draws what solvers and step counts cost and bring, for one checkpoint."""

import sys
from collections.abc import Sequence

from scenetok_jax import console
from scenetok_jax.analyses.registry import get_analysis
from scenetok_jax.cli.analyze import analyze


def main(argv: Sequence[str] | None = None) -> int:
  """The same as `scenetok analyze quality-speed`."""
  arguments = sys.argv[1:] if argv is None else argv
  return analyze(get_analysis("quality-speed"), arguments, "quality-speed")


if __name__ == "__main__":
  sys.exit(console.run(main))
