"""Runs reference cases of the authors' release and prints every error.

A case is a folder with config.json, inputs, outputs and weights; each output is
compared to a share of its largest magnitude, exactly where it is whole numbers.
Everything is computed in float32.
"""

from scenetok_jax import console
from scenetok_jax.io import write_text
from scenetok_jax.parity import report
from scenetok_jax.parity.run import Result, run
from scenetok_jax.reading.shown import remark, say


def main(argv: console.Argv = None) -> int:
  """Prints a line per output; returns 1 if one differs too much."""
  parser = console.parser("parity", __doc__, json=True)
  add = parser.add_argument
  add(
    "paths", nargs="+", metavar="PATH", help="case folders, or folders of them"
  )
  add("--table", metavar="FILE", help="write a table by kind, in markdown")
  add("--quiet", action="store_true", help="print only failures and totals")
  args = parser.parse_args(argv)
  results: list[Result] = []
  for result in run(args.paths):
    if result.error:
      text = f"{result.case.path}: {result.error}"
      remark(f"scenetok parity: error: {text}")
    for line in report.lines(result, failures_only=args.quiet):
      say(line)
    results.append(result)
  found = report.record(results)
  console.write_json(args, found)
  if args.table:
    write_text(args.table, report.table(results) + "\n")
  say(f"{found['outputs']} outputs, {found['failed']} failed")
  if any(result.bad_input for result in results):
    return 2
  return int(found["failed"] > 0)


if __name__ == "__main__":
  console.script(main)
