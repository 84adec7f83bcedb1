"""SceneTok on RealEstate10K, released setting (va-videodc_re10k).

  scenetok train --config=configs/scenetok_re10k.py --workdir=runs/re10k \\
    --config.data.path=DATA

Expected after 760k steps (paper, 12 context views): PSNR 23.99, SSIM 0.783,
LPIPS 0.159, rFID 11.12, rFVD 79.80. Variants: shifted (the release's second
RE10K experiment), few_step (tunes config.restore to videos in 1, 2 or 4 steps),
embedded (block-DCT codecs), smoke.
"""

from scenetok_jax.configs import common


def get_config(variant: str = ""):
  """Release: scenetok_va-vdc_lognorm_re10k_scratch."""
  config = common.base("tokenizer")
  config.train.freeze_after = 150_000
  table = {"shifted": shifted, "few_step": common.few_step}
  return common.variants(config, variant, table)


def shifted(config) -> None:
  """Release: scenetok_va-vdc_re10k_scratch."""
  config.flow.weighting = "shifted"
  config.optimizer.milestones = (10_000, 20_000, 40_000, 500_000)
