"""`scenetok analyze KIND`: the paper's analyses, with plots and findings."""

import dataclasses
import functools
import sys
from typing import Any

from scenetok_jax import console, flags, outputs
from scenetok_jax.analyses import findings
from scenetok_jax.analyses.registry import ANALYSES, Analysis, get_analysis
from scenetok_jax.cli.main import overview
from scenetok_jax.inference.placement import open_model
from scenetok_jax.reading.shown import say
from scenetok_jax.types import InputError


def main(argv: console.Argv = None) -> None:
  """Dispatches `KIND ARGS...`."""
  arguments = list(sys.argv[1:] if argv is None else argv)
  if not arguments or arguments[0] in ("-h", "--help"):
    kinds = {name: analysis.summary for name, analysis in ANALYSES.items()}
    say(overview("scenetok analyze KIND", kinds, 15))
    if not arguments:
      raise InputError(f"no kind given; choose one of {', '.join(ANALYSES)}")
    return
  kind, *rest = arguments
  analyze(get_analysis(kind), rest, f"analyze {kind}")


def analyze(analysis: Analysis, argv: console.Argv, verb: str) -> None:
  """Writes JSON, plots and pictures to --out; prints what is found."""
  kind = analysis.options_class
  parser = console.parser(verb, analysis.module.__doc__, kind, json=True)
  add: Any = parser.add_argument
  nargs = "+" if analysis.several else None
  add("--workdir", required=True, nargs=nargs, help=analysis.workdir)
  add("--out", required=True, metavar="DIR", help="folder to write")
  args = parser.parse_args(argv)
  options = flags.take_options(args, kind)
  stem = analysis.name.replace("-", "_")
  with outputs.opened(args.out, (f"{stem}.json", f"{stem}.png")) as out:
    # One after another, so that one is in memory at a time.
    models = ((name, open_model(name, args.out)) for name in args.workdir)
    model = models if analysis.several else open_model(args.workdir, args.out)
    tell = functools.partial(say, flush=True)
    found = analysis.module.run(model, options, tell)
    values = {"kind": analysis.name, "arguments": vars(args), **found.values}
    files = findings.write(dataclasses.replace(found, values=values), out)
  console.write_json(args, values)
  say(f"{args.out}: {', '.join(files)}")


if __name__ == "__main__":
  console.script(main)
