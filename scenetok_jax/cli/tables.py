"""Sets results of evaluate beside the paper's numbers.

Results of protocols that the paper has no numbers for get a table of their own.
"""

from pathlib import Path
from typing import Any

from scenetok_jax import console, flags, outputs
from scenetok_jax.evaluation.html import page
from scenetok_jax.evaluation.results import read_result
from scenetok_jax.evaluation.table_text import latex, markdown
from scenetok_jax.evaluation.tables import make_tables
from scenetok_jax.io import write_text
from scenetok_jax.reading.schema import Some
from scenetok_jax.reading.shown import remark, say
from scenetok_jax.types import InputError

_PAGES = ("markdown", "latex", "html")


def main(argv: console.Argv = None) -> None:
  """Prints markdown; writes --markdown, --latex, --html and --json."""
  parser = console.parser("tables", __doc__, json=True)
  add: Any = parser.add_argument
  add("results", nargs="+", help="result files, or folders of evaluate --out")
  add("--markdown", metavar="FILE")
  add("--latex", metavar="FILE", help="tabulars for the package booktabs")
  add("--html", metavar="FILE", help="one page with plots and pictures")
  add("--all", action="store_true", help="tables without a result too")
  add(
    "--compare",
    action="store_true",
    help="allow different checkpoints in one table",
  )
  add(
    "--worst",
    type=flags.ranged(Some),
    default=3,
    help="scenes shown per result",
  )
  args = parser.parse_args(argv)
  if args.worst < 0:
    raise InputError(f"--worst: {args.worst} must be at least 0")
  results = [read_result(path) for path in args.results]
  read = {"a result": [str(result.path) for result in results]}
  for flag in ("json", *_PAGES):
    if value := getattr(args, flag):
      outputs.check_apart({f"--{flag}": value}, read)
  tables = make_tables(results, compare=args.compare, whole=args.all)
  text = markdown(tables)
  say(text)
  if args.markdown:
    _write(args.markdown, text)
  if args.latex:
    _write(args.latex, latex(tables))
  if args.html:
    _write(args.html, page(tables, args.worst))
  console.write_json(args, {"tables": [table.values() for table in tables]})


def _write(path: str, text: str) -> None:
  write_text(path, text)
  remark(f"wrote {Path(path)}")


if __name__ == "__main__":
  console.script(main)
