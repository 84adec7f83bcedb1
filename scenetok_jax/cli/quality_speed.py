"""Draws what solvers and step counts cost and bring, for one checkpoint."""

from scenetok_jax import console
from scenetok_jax.analyses.registry import get_analysis
from scenetok_jax.cli.analyze import analyze


def main(argv: console.Argv = None) -> None:
  """The same as `scenetok analyze quality-speed`."""
  analyze(get_analysis("quality-speed"), argv, "quality-speed")


if __name__ == "__main__":
  console.script(main)
