"""A small model of furnished rooms, tuned from the shipped rooms checkpoint.

  scenetok prepare --dataset=furnished --split=train --scenes=700 --size=64 \\
    --out=data/furnished
  scenetok train --config=configs/furnished.py --workdir=runs/furnished \\
    --config.data.path=data/furnished

A quarter of an hour of rendering and half an hour of training on 2 CPU cores;
figures are in docs/training_runs.md. Variants: rope3d (views are numbered in
the tokenizer: the paper's comparison), generator (stage 2; give
--config.tokenizer_from=runs/furnished), smoke.
"""

from ml_collections import ConfigDict

from scenetok_jax.configs import common, rooms


def get_config(variant: str = "") -> ConfigDict:
  """Stage 1, or stage 2 with variant "generator"."""
  names = [name for name in variant.split(",") if name]
  stage = "generator" if "generator" in names else "tokenizer"
  names = [name for name in names if name != "generator"]
  config = common.base(stage)
  rooms.shipped(config)
  if stage == "generator":
    rooms.small_generator(config)
  else:
    config.restore = common.shipped("rooms")
    config.optimizer.update(
      {"learning_rate": 1e-3, "warmup_steps": 100, "decay_share": 0.4}
    )
    config.train.update({"total_steps": 2000, "eval_every": 500})
  table = {"smoke": smoke, "rope3d": rope3d}
  return common.variants(config, ",".join(names), table)


def rope3d(config: ConfigDict) -> None:
  """Context views have places in an order, as frames of a video have."""
  config.tokenizer.rope = "3d"


def smoke(config: ConfigDict) -> None:
  """Two steps from scratch: the shipped weights are of another width."""
  rooms.smoke(config)
  config.restore = None
