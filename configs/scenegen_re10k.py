"""SceneGen on RealEstate10K: diffusion over the scene tokens.

  scenetok train --config=configs/scenegen_re10k.py:shift12 \\
    --workdir=runs/scenegen --config.data.path=DATA \\
    --config.tokenizer_from=SCENETOK_WORKDIR

Expected (paper, one view, 192 frames): gFID 19.99, 19.04, 18.90 for shift 1,
4, 12. Variants: shift1, shift4 (the default), shift12, embedded, smoke.
"""

from scenetok_jax.configs import common


def get_config(variant: str = ""):
  """Release: scenegen_shift4_re10k."""
  config = common.base("generator")
  table = {"shift1": shift1, "shift4": lambda _: None, "shift12": shift12}
  return common.variants(config, variant, table)


def shift1(config) -> None:
  """Release: scenegen_shift1_re10k."""
  config.generation.shift = 1.0


def shift12(config) -> None:
  """Release: scenegen_shift12_re10k."""
  config.generation.shift = 12.0
  config.data.batch_size = 128  # release: 4 GPUs x 32
