"""SceneTok on RealEstate10K as the paper describes it: 1024 x 32, patch 1.

  scenetok train --config=configs/scenetok_re10k_paper.py \\
    --workdir=runs/re10k_paper --config.data.path=DATA

The paper states about 1024 tokens of 32 channels, 1x1 encoder patches, rays
[origin, direction] and a linear projection (paper Sec. 3); the released
checkpoint has 512 x 64 (configs/scenetok_re10k.py). Variants: embedded, smoke.
"""

from scenetok_jax.configs import common


def get_config(variant: str = ""):
  """The paper's setting; what it leaves open is as released."""
  config = common.base("tokenizer")
  config.tokenizer.num_tokens = 1024
  config.tokenizer.token_channels = 32
  config.tokenizer.patch = 1
  config.tokenizer.rays.patch = 8  # 16 x 16 tokens a view
  config.tokenizer.rays.origin_first = True
  config.decoder.rays.origin_first = True
  config.tokenizer.projection = "simple"
  config.train.kl_weights = (0.0, 0.0)
  return common.variants(config, variant, {})
