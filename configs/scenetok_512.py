"""The larger 512 x 512 variant that follows the paper; not published.

  scenetok train --config=configs/scenetok_512.py --workdir=runs/re512 \\
    --config.data.path=DATA

2048 tokens of 128 channels without KL, normalised queries and keys, Plücker
rays, wider and deeper networks. No result of it is known; it is here for its
size (docs/performance.md). Variants: long (16 target latents), embedded,
smoke.
"""

from scenetok_jax.configs import common


def get_config(variant: str = ""):
  """Later upstream direction; what is not known of it is as for RE10K."""
  config = common.base("tokenizer")
  config.data.image_size = 512
  config.data.batch_size = 64  # ours: not known; half of RE10K's
  rays = {"size": (256, 256), "patch": 16, "encoding": "plucker"}
  config.tokenizer.update(
    {
      "num_tokens": 2048,
      "token_channels": 128,
      "width": 1024,
      "depth": 24,
      "heads": 16,  # ours: not known; heads of 64 as everywhere
      "qk_norm": True,
      "projection": "simple",
      "rays": rays,
    }
  )
  config.decoder.update({"width": 1152, "depth": 28, "heads": 16})
  config.decoder.rays.update(rays)
  config.decoder.rope_parts = 2
  config.flow.update({"weighting": "shifted", "shift": 4.0})
  config.sampling.shift = 4.0
  config.train.kl_weights = (0.0, 0.0)
  return common.variants(config, variant, {"long": long})


def long(config) -> None:
  """16 target latents in place of 8."""
  config.data.num_targets = 16
  config.decoder.rope_latents = 16
  config.sampling.window = 16
  config.sampling.overlap = 8
