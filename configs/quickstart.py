"""The from-scratch half of `make quickstart`: minutes on 2 CPU cores.

  scenetok train --config=configs/quickstart.py --workdir=runs/quick \\
    --config.data.path=data/rooms

The networks of configs/rooms.py, narrower, so that a step takes a fraction of
a second; enough to see the loss fall and the renderer use the tokens of its
scene. The model that draws the pictures is that of configs/rooms.py.
Variants: smoke, and those
that docs/training_recipes.md compares: muon, lapped, fine, prope.
"""

from ml_collections import ConfigDict

from scenetok_jax.configs import common, rooms


def get_config(variant: str = "") -> ConfigDict:
  """Stage 1 at the smallest useful size."""
  config = common.base("tokenizer")
  rooms.small(config)
  for codec in (config.codecs.context, config.codecs.target):
    codec.channels = 64
  config.tokenizer.update({"num_tokens": 32, "width": 128, "heads": 2})
  config.decoder.update({"width": 128, "heads": 2})
  config.train.update(
    {"total_steps": 700, "checkpoint_every": 250, "eval_every": 0}
  )
  config.optimizer.warmup_steps = 100
  table = {"smoke": rooms.smoke, "muon": rooms.muon, "fine": rooms.fine}
  table |= {"lapped": common.lapped_codecs, "prope": common.prope}
  return common.variants(config, variant, table)
