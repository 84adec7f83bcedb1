"""`scenetok analyze KIND`: the paper's analyses, with plots and findings."""

import dataclasses
import functools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from scenetok_jax import console
from scenetok_jax.analyses import findings
from scenetok_jax.analyses.registry import ANALYSES, Analysis, get_analysis
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import check_writable
from scenetok_jax.types import InputError


def main(argv: Sequence[str] | None = None) -> int:
  """Dispatches `KIND ARGS...`."""
  arguments = list(sys.argv[1:] if argv is None else argv)
  if not arguments or arguments[0] in ("-h", "--help"):
    print(usage())
    if not arguments:
      raise InputError(f"no kind given; choose one of {', '.join(ANALYSES)}")
    return 0
  kind, *rest = arguments
  return analyze(get_analysis(kind), rest, f"analyze {kind}")


def analyze(analysis: Analysis, argv: Sequence[str], verb: str) -> int:
  """Writes JSON, plots and pictures to --out; prints what is found."""
  args = _parser(analysis, verb).parse_args(argv)
  options = console.take_options(args, analysis.options_class)
  check_writable(Path(args.out))
  model = (
    _open(args.workdir)
    if analysis.several
    else SceneTok.from_pretrained(args.workdir)
  )
  tell = functools.partial(print, flush=True)
  found = analysis.module.run(model, options, tell)
  values = {"kind": analysis.name, "arguments": vars(args), **found.values}
  found = dataclasses.replace(found, values=values)
  files = findings.write(found, args.out)
  console.write_json(args, values)
  print(f"{args.out}: {', '.join(files)}")
  return 0


def _open(workdirs: Sequence[str]) -> Iterator[tuple[str, SceneTok]]:
  """One after another, so that one is in memory at a time."""
  for workdir in workdirs:
    yield workdir, SceneTok.from_pretrained(workdir)


def _parser(analysis: Analysis, verb: str) -> console.Parser:
  parser = console.parser(
    verb, analysis.module.__doc__, json="write the result here too"
  )
  add = parser.add_argument
  nargs = "+" if analysis.several else None
  add("--workdir", required=True, nargs=nargs, help=analysis.workdir)
  console.add_options(parser, analysis.options_class)
  add("--out", required=True, metavar="DIR", help="folder to write")
  return parser


def usage() -> str:
  """The kinds with a line about each."""
  lines = [f"  {kind:<15}{a.summary}" for kind, a in ANALYSES.items()]
  head = ["usage: scenetok analyze KIND [options]", ""]
  tail = ["", "Each kind explains itself: scenetok analyze KIND --help"]
  return "\n".join(head + lines + tail)


if __name__ == "__main__":
  sys.exit(console.run(main))
