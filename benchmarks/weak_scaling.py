"""Weak scaling without a pod: the train step compiled for more and more chips.

  python -m benchmarks.weak_scaling [--config FILE] [--json FILE]

The batch of a chip stays the same from 16 to 256 chips of one kind, all on
the data axis. FLOPs of a chip must stay the same to 2 %; the bytes that it
sends may grow as those of a ring do, with (n - 1) / n: gradients are reduced
and parameters gathered over n chips. 3 % more are allowed, since from 64 chips
on libtpu makes two all-reduces, of twice the bytes, of some thirty small
gathers. Exit code 1 where they grow faster.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from scenetok_jax import console
from scenetok_jax.aot.chips import GIB
from scenetok_jax.aot.compilation import AotOptions, compile_for_slice
from scenetok_jax.io import write_json
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config

MIB = 1 << 20
TOLERANCE = 0.02  # of FLOPs
SENT_TOLERANCE = 0.03


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the table; 1 where a chip works or sends more than expected."""
  args, overrides = _parser().parse_known_args(argv)
  rows = [
    compiled(args, f"{args.chip}-{count}", count, overrides)
    for count in args.chips
  ]
  print(table(rows))
  errors = faults(rows)
  print("\n".join(errors) or "scales as arithmetic says")
  if args.json:
    write_json(args.json, {"rows": rows, "errors": errors})
  return bool(errors)


def compiled(
  args: argparse.Namespace, topology: str, count: int, overrides: list[str]
) -> dict[str, Any]:
  """One slice."""
  options = AotOptions(topology=topology, mesh=f"data={count}")
  settings = [
    f"--config.data.batch_size={count * args.batch}",
    "--config.dtype=bfloat16", "--config.remat=dots", *overrides,
  ]  # fmt: skip
  found = compile_for_slice(load_config(args.config, settings), options)
  if not found["fits"]:
    raise InputError(
      f"{topology}: a chip would need {found['hbm_bytes_per_chip'] / GIB:.1f}"
      " GiB; try --config.remat=full or another --chip"
    )
  return {
    "chips": count,
    "global_batch": found["global_batch"],
    "flops_per_chip": found["flops_per_chip"],
    "collective_bytes_per_chip": found["collective_bytes_per_chip"],
    "ring_per_chip": (count - 1) / count,
    "compile_seconds": found["compile_seconds"],
  }


def faults(rows: list[dict[str, Any]]) -> list[str]:
  """What grows faster than it should, in words."""
  first, found = rows[0], []
  for row in rows[1:]:
    grown = {
      key: row[key] / first[key] for key in row if key.endswith("_per_chip")
    }
    if abs(grown["flops_per_chip"] - 1) > TOLERANCE:
      found.append(
        f"{row['chips']} chips: FLOPs of a chip are"
        f" {grown['flops_per_chip']:.3f} times those of {first['chips']}"
      )
    sent = grown["collective_bytes_per_chip"]
    if sent > grown["ring_per_chip"] * (1 + SENT_TOLERANCE):
      found.append(
        f"{row['chips']} chips: a chip sends {sent:.3f} times as much as of"
        f" {first['chips']}; rings say {grown['ring_per_chip']:.3f}"
      )
  return found


def table(rows: list[dict[str, Any]]) -> str:
  first = rows[0]
  lines = [
    "| chips | global batch | FLOPs per chip | of the first |"
    " sent per chip and step | of the first | a ring would |",
    "|---|---|---|---|---|---|---|",
  ]
  for row in rows:
    ratio = {
      key: row[key] / first[key] for key in row if key.endswith("_per_chip")
    }
    lines.append(
      f"| {row['chips']} | {row['global_batch']}"
      f" | {row['flops_per_chip'] / 1e9:.1f} G"
      f" | {ratio['flops_per_chip']:.4f}"
      f" | {row['collective_bytes_per_chip'] / MIB:.1f} MiB"
      f" | {ratio['collective_bytes_per_chip']:.4f}"
      f" | {ratio['ring_per_chip']:.4f} |"
    )
  return "\n".join(lines)


def _parser() -> console.Parser:
  head = (__doc__ or "").split("\n")[0]
  parser = console.parser("weak_scaling (benchmark)", head)
  add: Any = parser.add_argument
  add("--config", default="configs/scenetok_re10k.py")
  add("--chip", default="v5e", help="kind of chip")
  add("--chips", type=int, nargs="+", default=[16, 64, 256])
  add("--batch", type=int, default=1, help="examples of a chip")
  add("--json", metavar="FILE", help="write the numbers here")
  parser.epilog = "Any field: --config.FIELD=VALUE (--config.remat=full)."
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main, verb="weak_scaling benchmark"))
