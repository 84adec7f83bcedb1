"""Runs the frozen codecs of a configuration over prepared data.

Train on the latents with --config.data.latents=OUT. Codecs and their weights
come from the configuration (--config.codecs.target.weights=DIR).
"""

import jax

from data_pipelines.latents import builders
from data_pipelines.latents.encoder import EncodingJob, LatentOptions
from data_pipelines.storage.builders import summary
from data_pipelines.storage.records import Dataset
from scenetok_jax import console, flags
from scenetok_jax.parallel.join import initialize
from scenetok_jax.reading.schema import Some
from scenetok_jax.reading.shown import say
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config


def main(argv: console.Argv = None) -> None:
  """Writes OUT/<split>: latents of every frame, for config.data.latents."""
  parser = console.parser("latents", __doc__, LatentOptions, json=True)
  add = parser.add_argument
  add("--config", required=True, help="the training's, FILE.py[:variant]")
  add("--data", required=True, help="prepared data")
  add("--out", required=True, help="folder of the latents")
  add("--split", default="train")
  add("--no-flip", action="store_true", help="no latents of mirrored frames")
  add("--mean", action="store_true", help="the posterior's mean, not a sample")
  add(
    "--process-index",
    type=flags.ranged(Some),
    default=0,
    help="see --process-count",
  )
  add(
    "--process-count",
    type=flags.ranged(Some),
    help="processes that share the work without a JAX cluster (default: the"
    " processes of the JAX job)",
  )
  args, overrides = parser.parse_known_args(argv)
  config = load_config(args.config, overrides)
  index, count = args.process_index, args.process_count
  if count is None and index:
    raise InputError("--process-index: needs --process-count")
  if count is None:
    initialize()
    index, count = jax.process_index(), jax.process_count()
  flipped = bool(config.data.flip) and not args.no_flip
  options = flags.take_options(
    args, LatentOptions, flipped=flipped, sample=not args.mean
  )
  dataset = Dataset(args.data, args.split)
  job = EncodingJob.from_config(config, dataset, options)
  report = builders.build(args.out, job, index, count)
  if report is None:
    say(f"{args.out}: process {index} is done; others are still at work")
    return
  say(summary(args.out, args.split, report))
  console.write_json(args, report)


if __name__ == "__main__":
  console.script(main)
