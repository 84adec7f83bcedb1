"""Reads a configuration's training data and says how fast that goes.

The data are those of the configuration: --config.data.path=DIR or
--config.data.latents=DIR; --config.data.workers=N reads in N processes.
"""

from data_pipelines.loading import benchmark
from scenetok_jax import console, flags
from scenetok_jax.parallel.join import initialize
from scenetok_jax.reading.schema import Few, Seconds
from scenetok_jax.reading.shown import say
from scenetok_jax.workdir.config import load_config


def main(argv: console.Argv = None) -> None:
  """Prints samples/s, MB read per sample and the share of the processor."""
  parser = console.parser("data-bench", __doc__, json=True)
  add = parser.add_argument
  add("--config", required=True, help="the training's, FILE.py[:variant]")
  seconds = flags.ranged(Seconds)
  add("--seconds", type=seconds, default=10.0, help="how long to read")
  add(
    "--samples",
    type=flags.ranged(Few),
    default=32,
    help="samples whose bytes are counted",
  )
  args, overrides = parser.parse_known_args(argv)
  config = load_config(args.config, overrides)
  initialize()
  result = benchmark.measure(config, args.seconds, args.samples)
  say(benchmark.summary(result))
  console.write_json(args, result)


if __name__ == "__main__":
  console.script(main)
