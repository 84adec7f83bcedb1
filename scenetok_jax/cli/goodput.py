"""Says what share of a run's time trained it, and where the rest went.

The time of all its lives, from its first start to the last sign of life, as
WORKDIR/lives.jsonl has it: docs/training_metrics.md, "Goodput".
"""

from scenetok_jax import console
from scenetok_jax.io import locate
from scenetok_jax.reading.shown import say
from scenetok_jax.train import goodput, lives
from scenetok_jax.types import InputError


def main(argv: console.Argv = None) -> None:
  """Prints shares of time, steps trained again and how each life ended."""
  parser = console.parser("goodput", __doc__, json=True)
  parser.add_argument("workdir", help="of a run, finished or not; also gs://")
  args = parser.parse_args(argv)
  path = locate(args.workdir) / lives.LIVES_FILE
  rows = lives.read_lives(path)
  if not rows:
    raise InputError(f"{path}: not there; give the workdir of a run")
  goodput.check_lives(rows, str(path))
  found = goodput.goodput(rows)
  say(goodput.table(found))
  console.write_json(args, found)


if __name__ == "__main__":
  console.script(main)
