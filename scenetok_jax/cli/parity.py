"""Runs reference cases of the authors' release and prints every error."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from scenetok_jax import console
from scenetok_jax.io import atomic_path, write_json
from scenetok_jax.parity.case import (
  CONFIG_FILE,
  Case,
  Row,
  compare_all,
  read_case,
  suggested,
)
from scenetok_jax.parity.fields import unread
from scenetok_jax.parity.kinds import kind_of
from scenetok_jax.parity.report import line, record, summary, table
from scenetok_jax.types import InputError


def main(argv: Sequence[str] | None = None) -> int:
  """Prints a line per output; returns 1 if one differs too much."""
  parser = console.parser(
    "parity",
    (__doc__ or "")
    + " A case is a folder with config.json, inputs, outputs and weights; each"
    " output is compared to a share of its largest magnitude, exactly where it"
    " is whole numbers. Everything is computed in float32.",
  )
  add = parser.add_argument
  add(
    "paths", nargs="+", metavar="PATH", help="case folders, or folders of them"
  )
  add("--json", metavar="FILE", help="write all results here")
  add("--table", metavar="FILE", help="write a table by kind, in markdown")
  add("--quiet", action="store_true", help="print only failures and totals")
  args = parser.parse_args(argv)
  cases = [read_case(folder) for folder in find_cases(args.paths)]
  for case in cases:
    kind_of(case)  # an unknown kind is told before anything runs
  results: list[dict[str, Any]] = []
  unreadable = False
  for case in cases:
    if names := unread(case):
      text = f"{case.path / CONFIG_FILE}: nothing reads {', '.join(names)}"
      print(f"scenetok parity: note: {text}", file=sys.stderr)
    start = time.monotonic()
    try:
      rows = run_case(case)
    except InputError as error:
      unreadable = True
      rows = not_run(case, str(error))
    except Exception as error:  # one case's fault must not hide the others
      rows = not_run(case, f"{type(error).__name__}: {error}")
    seconds = time.monotonic() - start
    print(f"{case.name} ({case.kind}): {summary(rows)}, {seconds:.1f} s")
    for row in rows:
      if not (args.quiet and row.ok):
        print(line(row))
    results.append(record(case, rows, seconds))
  everything = [output for result in results for output in result["outputs"]]
  failed = sum(not output["ok"] for output in everything)
  if args.json:
    write_json(
      args.json,
      {"outputs": len(everything), "failed": failed, "cases": results},
    )
  if args.table:
    with atomic_path(args.table) as temporary:
      temporary.write_text(table(results) + "\n")
  print(f"{len(everything)} outputs, {failed} failed")
  return 2 if unreadable else int(failed > 0)


def find_cases(paths: Sequence[str]) -> list[Path]:
  """Case folders among the paths and directly below them.

  Raises:
    InputError: a path is no folder, or has no case in it.
  """
  found: list[Path] = []
  for path in map(Path, paths):
    if not path.is_dir():
      raise InputError(
        f"{path}: not a folder; give a case, or a folder of them"
      )
    if (path / CONFIG_FILE).is_file():
      inside = [path]
    else:
      inside = sorted(c.parent for c in path.glob(f"*/{CONFIG_FILE}"))
    if not inside:
      raise InputError(
        f"{path}: no case in it (a folder with {CONFIG_FILE}); give another"
      )
    found += inside
  return list(dict.fromkeys(found))


def run_case(case: Case) -> list[Row]:
  """Compares all outputs of a case, in float32 at the highest precision."""
  kind = kind_of(case)
  with jax.default_matmul_precision("highest"):
    found = kind.run(case)
    rows = compare_all(
      found,
      kind.reference(case),
      kind.rules(case),
      suggested(case, kind.default),
    )
    return list(rows)


def not_run(case: Case, reason: str) -> list[Row]:
  """Fails every output of a case, and says why on stderr."""
  reason = " ".join(reason.split())
  print(f"scenetok parity: error: {case.path}: {reason}", file=sys.stderr)
  nan = float("nan")
  return [
    Row(name, np.shape(value), nan, nan, "", False, reason)
    for name, value in (case.outputs or {"case": 0}).items()
  ]


if __name__ == "__main__":
  sys.exit(console.run(main))
