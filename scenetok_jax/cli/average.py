"""Combines the averages of a run's checkpoints into one of another width.

For a run with optimizer.ema_std and train.checkpoint_permanent_every. The
folder serves wherever a --workdir is read.
"""

import functools

from scenetok_jax import console, flags
from scenetok_jax.reading.shown import say
from scenetok_jax.train.average import average
from scenetok_jax.train.state import STD_RANGE


def main(argv: console.Argv = None) -> None:
  """Writes OUT/params.safetensors and OUT/config.json."""
  parser = console.parser("average", __doc__, json=True)
  add = parser.add_argument
  add("--workdir", required=True, help="a training run")
  low, high = STD_RANGE
  add(
    "--std", required=True,
    type=functools.partial(flags.finite, low=low, high=high),
    help="width of the average, as a share of the steps so far, such as 0.1",
  )  # fmt: skip
  add("--out", required=True, help="folder to write")
  args = parser.parse_args(argv)
  made = average(args.workdir, args.std, args.out)
  say(
    f"{args.out}: step {made.step}, of {len(made.weights)} checkpoints;"
    f" {100 * made.error:.1f} % of the profile is missing"
  )
  console.write_json(args, {**made._asdict(), "std": args.std})


if __name__ == "__main__":
  console.script(main)
