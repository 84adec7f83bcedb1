"""A small model of your own captures: 2-6 clips, under 25 minutes on 2 cores.

  scenetok prepare --dataset=capture --source=CAPTURES --split=train \\
    --holdout-every=5 --out=data/mine
  scenetok train --config=configs/capture.py --workdir=runs/mine \\
    --config.data.path=data/mine
  scenetok evaluate --workdir=runs/mine --protocol=heldout

Every fifth frame is kept from training and scored beside the baselines. The
networks are those of configs/rooms.py and start from its checkpoint; set
--config.restore="" to start from scratch. Variant: smoke.
"""

from ml_collections import ConfigDict

from scenetok_jax.configs import common, rooms


def get_config(variant: str = "") -> ConfigDict:
  """Stage 1 on few clips: fewer views than rooms, whole clips drawn from."""
  config = common.base("tokenizer")
  rooms.shipped(config)
  config.restore = common.shipped("rooms")
  # Three and three, so that a capture of four photographs serves too.
  config.data.update({"num_context": 3, "num_targets": 3, "batch_size": 16})
  config.data.view_sampler.update({"chunks": 3, "full_range": True})
  config.decoder.update({"rope_latents": 3, "rope_parts": 3})
  config.flow.chunks = 1
  config.sampling.window = 3
  config.optimizer.update({"learning_rate": 1e-3, "warmup_steps": 100})
  config.train.update(
    {"total_steps": 3000, "checkpoint_every": 250, "eval_every": 0}
  )
  return common.variants(config, variant, {"smoke": smoke})


def smoke(config: ConfigDict) -> None:
  """Two steps from scratch: the shipped weights are of another width."""
  rooms.smoke(config)
  config.restore = None
