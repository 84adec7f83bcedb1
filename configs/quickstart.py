"""The from-scratch half of `make quickstart`: minutes on 2 CPU cores.

  scenetok train --config=configs/quickstart.py --workdir=runs/quick \\
    --config.data.path=data/rooms

A quarter of an image is one token, so that a step takes a fraction of a
second; enough to see the loss fall and the renderer use the tokens of its
scene. configs/rooms.py is the model that draws the pictures. Variants: smoke.
"""

from ml_collections import ConfigDict

from configs import common, rooms


def get_config(variant: str = "") -> ConfigDict:
  """Stage 1 at the smallest useful size."""
  config = common.base("tokenizer")
  rooms.small(config)
  config.data.batch_size = 24
  for codec in (config.codecs.context, config.codecs.target):
    codec.update({"spatial": 32, "channels": 64})
  rays = {"size": (16, 16), "patch": 8}
  config.tokenizer.update(
    {"num_tokens": 32, "width": 128, "depth": 2, "heads": 2, "rays": rays}
  )
  config.decoder.update({"width": 128, "depth": 3, "heads": 2, "rays": rays})
  config.train.update(
    {"total_steps": 1000, "checkpoint_every": 250, "eval_every": 0}
  )
  config.optimizer.warmup_steps = 100
  return common.variants(config, variant, {"smoke": rooms.smoke})
