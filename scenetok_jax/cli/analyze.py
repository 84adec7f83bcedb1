"""`scenetok analyze KIND`: the paper's analyses, with plots and findings."""

import importlib
import sys
from collections.abc import Sequence

from scenetok_jax import console
from scenetok_jax.types import InputError

KINDS = {
  "masking": "share of tokens removed -> variance of samples",
  "context-views": "number of context views -> variance of samples",
  "variance": "maps of where samples differ, and whether they err there",
  "tokens": "number of tokens -> quality, of one run or several",
  "lateral": "loss on paths beside the captured one, of one run or several",
  "depth": "depth rendered from tokens against the true depth",
  "generation": "new scenes against wrong poses and no images",
}


def main(argv: Sequence[str] | None = None) -> int:
  """Dispatches `KIND ARGS...`."""
  arguments = list(sys.argv[1:] if argv is None else argv)
  if not arguments or arguments[0] in ("-h", "--help"):
    print(usage())
    if not arguments:
      raise InputError(f"no kind given; choose one of {', '.join(KINDS)}")
    return 0
  kind, *rest = arguments
  if kind not in KINDS:
    raise InputError(f"unknown kind {kind!r}; choose one of {', '.join(KINDS)}")
  name = f"scenetok_jax.analyses.{kind.replace('-', '_')}"
  return importlib.import_module(name).main(rest)


def usage() -> str:
  """The kinds with a line about each."""
  lines = [f"  {kind:<15}{text}" for kind, text in KINDS.items()]
  head = ["usage: scenetok analyze KIND [options]", ""]
  tail = ["", "Each kind explains itself: scenetok analyze KIND --help"]
  return "\n".join(head + lines + tail)


if __name__ == "__main__":
  sys.exit(console.run(main))
