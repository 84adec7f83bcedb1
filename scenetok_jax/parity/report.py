"""Results of parity cases as text, JSON and a table."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from scenetok_jax.parity.case import Row
from scenetok_jax.parity.run import Result


def lines(result: Result, *, failures_only: bool = False) -> Iterator[str]:
  """A case as text: its counts, then a line per output."""
  case, rows = result.case, result.rows
  failed = sum(not row.ok for row in rows)
  finite = [row.relative for row in rows if math.isfinite(row.relative)]
  yield (
    f"{case.name} ({case.kind}): {len(rows)} outputs, {failed} failed, largest"
    f" {max(finite, default=0.0):.1e}, {result.seconds:.1f} s"
  )
  for row in rows:
    if not (failures_only and row.ok):
      yield _line(row)


def _line(row: Row) -> str:
  shape = "x".join(map(str, row.shape)) or "scalar"
  end = "ok" if row.ok else " ".join(filter(None, ["FAIL", row.note[:80]]))
  return (
    f"  {row.name:<58} {shape:<16} {row.error:<9.2e} {row.relative:<9.2e}"
    f" {row.tolerance:<16} {end}"
  )


def record(results: Sequence[Result]) -> dict[str, Any]:
  """All cases as JSON."""
  cases = [
    {
      "case": result.case.name,
      "kind": result.case.kind,
      "path": str(result.case.path),
      "seconds": result.seconds,
      "failed": sum(not row.ok for row in result.rows),
      "outputs": [_output(row) for row in result.rows],
    }
    for result in results
  ]
  return {
    "outputs": sum(len(result.rows) for result in results),
    "failed": sum(case["failed"] for case in cases),
    "cases": cases,
  }


def _output(row: Row) -> dict[str, Any]:
  return {
    "name": row.name,
    "shape": list(row.shape),
    "max_error": row.error,
    "relative_error": row.relative,
    "tolerance": row.tolerance,
    "ok": row.ok,
    "note": row.note,
    "share_of_tolerance": row.share,
  }


def table(results: Sequence[Result]) -> str:
  """Markdown: what was compared and the largest error, by kind of case."""
  lines = [
    "| kind | cases | outputs | failed | largest error / max abs reference"
    " | share of the tolerance |",
    "|---|---|---|---|---|---|",
  ]
  for kind in sorted({result.case.kind for result in results}):
    cases = [result for result in results if result.case.kind == kind]
    rows = [row for case in cases for row in case.rows]
    failed = sum(not row.ok for row in rows)
    # Where the tolerance is absolute, a reference may be rounding noise.
    shares = [row for row in rows if row.tolerance.endswith("of max")]
    found = [row.relative for row in shares] or [row.error for row in rows]
    worst = max(filter(math.isfinite, found), default=0.0)
    share = max((row.share for row in rows), default=0)
    error = f"{worst:.1e}" if worst else "0"
    if worst and not shares:
      error += " (not divided)"
    lines.append(
      f"| {kind} | {len(cases)} | {len(rows)} | {failed} | {error}"
      f" | {100 * share:.2g} % |"
    )
  return "\n".join(lines)
