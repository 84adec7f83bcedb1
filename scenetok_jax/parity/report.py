"""Results of parity cases as text, JSON and a table."""

import math
from collections.abc import Sequence
from typing import Any

from scenetok_jax.parity.case import Case, Row


def summary(rows: Sequence[Row]) -> str:
  """Counts and the largest relative error of a case."""
  failed = sum(not row.ok for row in rows)
  finite = [row.relative for row in rows if math.isfinite(row.relative)]
  return (
    f"{len(rows)} outputs, {failed} failed, largest"
    f" {max(finite, default=0.0):.1e}"
  )


def line(row: Row) -> str:
  """One output as text."""
  shape = "x".join(map(str, row.shape)) or "scalar"
  end = "ok" if row.ok else " ".join(filter(None, ["FAIL", row.note[:80]]))
  return (
    f"  {row.name:<58} {shape:<16} {row.error:<9.2e} {row.relative:<9.2e}"
    f" {row.tolerance:<16} {end}"
  )


def record(case: Case, rows: Sequence[Row], seconds: float) -> dict[str, Any]:
  """A case as JSON."""
  return {
    "case": case.name,
    "kind": case.kind,
    "path": str(case.path),
    "seconds": seconds,
    "failed": sum(not row.ok for row in rows),
    "outputs": [
      {
        "name": row.name,
        "shape": list(row.shape),
        "max_error": row.error,
        "relative_error": row.relative,
        "tolerance": row.tolerance,
        "ok": row.ok,
        "note": row.note,
        "share_of_tolerance": row.share,
      }
      for row in rows
    ],
  }


def table(results: Sequence[dict[str, Any]]) -> str:
  """Markdown: what was compared and the largest error, by kind of case."""
  lines = [
    "| kind | cases | outputs | failed | largest error / max abs reference"
    " | share of the tolerance |",
    "|---|---|---|---|---|---|",
  ]
  for kind in sorted({result["kind"] for result in results}):
    cases = [result for result in results if result["kind"] == kind]
    outputs = [output for case in cases for output in case["outputs"]]
    failed = sum(case["failed"] for case in cases)
    # Where the tolerance is absolute, a reference may be rounding noise.
    shares = [o for o in outputs if o["tolerance"].endswith("of max")]
    field = "relative_error" if shares else "max_error"
    found = [output[field] for output in shares or outputs]
    worst = max(filter(math.isfinite, found), default=0.0)
    share = max((output["share_of_tolerance"] for output in outputs), default=0)
    error = f"{worst:.1e}" if worst else "0"
    if worst and not shares:
      error += " (not divided)"
    lines.append(
      f"| {kind} | {len(cases)} | {len(outputs)} | {failed} | {error}"
      f" | {100 * share:.2g} % |"
    )
  return "\n".join(lines)
