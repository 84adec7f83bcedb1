"""Depth from scene tokens: a renderer fine-tuned on depth latents.

  scenetok train --config=configs/scenetok_depth.py:rooms \\
    --workdir=runs/depth --config.data.path=data/rooms \\
    --config.data.target_path=data/rooms_depth

Tokenizer frozen, context views in colour, targets from a second prepared data
set of the same scenes and frames whose images hold depth: for rooms
`scenetok prepare --dataset=rooms --depth --image-format=png`, for other data
the output of a depth model (pseudo truth) prepared like the frames. Depth is
log metres as grey levels (geometry/depth_images.py). Score it with `scenetok
analyze depth` (docs/analyses_geometry.md). Variants: rooms (start from
checkpoints/rooms, minutes on 2 CPU cores), smoke.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from scenetok_jax.configs import common, rooms


def get_config(variant: str = "") -> ConfigDict:
  """The released RealEstate10K networks; set config.restore to a run."""
  config = common.base("tokenizer")
  depth(config, total_steps=50_000)  # ours: the paper does not say
  table = {"rooms": small, "smoke": smoke}
  return common.variants(config, variant, table)


def depth(config: ConfigDict, total_steps: int) -> None:
  """Frozen tokens; the target frames are another data set's."""
  config.data.target_path = placeholder(str)
  config.train.update(
    {
      "freeze_after": 0,
      "total_steps": total_steps,
      "eval_every": 0,  # it would compare depth with colours
      "kl_weights": (0.0, 0.0),
    }
  )


def small(config: ConfigDict) -> None:
  """The rooms model: 64 x 64, from its checkpoint."""
  rooms.shipped(config)
  depth(config, total_steps=600)
  config.restore = common.shipped("rooms")
  config.data.batch_size = 16
  config.optimizer.update({"learning_rate": 5e-4, "warmup_steps": 50})
  config.train.update({"checkpoint_every": 200, "log_every": 20})


def smoke(config: ConfigDict) -> None:
  """Two steps from scratch: the shipped weights are of another width."""
  if config.restore:
    rooms.smoke(config)
    config.restore = None
  else:
    common.smoke(config)
  config.train.eval_every = 0
