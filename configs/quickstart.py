"""The from-scratch half of `make quickstart`: minutes on 2 CPU cores.

  scenetok train --config=configs/quickstart.py --workdir=runs/quick \\
    --config.data.path=data/rooms

The networks of configs/rooms.py with AdamW, tokens of 32 pixels and ray maps:
a step takes a fraction of a second; enough to see the loss fall and the
renderer use the tokens of its scene. Variants: smoke, and the recipes that
docs/training_recipes.md compares: muon, lapped (blocks of pixels lap over each
other: no seams), fine (lapped blocks of 16 pixels), prope (relative projections
of cameras in attention).
"""

from ml_collections import ConfigDict

from scenetok_jax.configs import common, rooms


def get_config(variant: str = "") -> ConfigDict:
  """Stage 1 at the smallest useful size."""
  config = common.base("tokenizer")
  rooms.small(config)
  config.tokenizer.num_tokens = 32
  config.train.update(
    {"total_steps": 700, "checkpoint_every": 250, "eval_every": 0}
  )
  config.optimizer.warmup_steps = 100
  table = {"smoke": rooms.smoke, "muon": rooms.muon, "fine": rooms.fine}
  table |= {"lapped": common.lapped_codecs, "prope": common.prope}
  return common.variants(config, variant, table)
