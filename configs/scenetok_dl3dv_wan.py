"""SceneTok on DL3DV with Wan 2.2 targets (va-wan_dl3dv).

  scenetok train --config=configs/scenetok_dl3dv_wan.py --workdir=runs/wan \\
    --config.data.path=DATA --config.restore=DL3DV_WORKDIR

Starts from the Video DC-AE run: cameras, latents and last layer of the
renderer have other shapes and start anew. Expected on DL3DV-140 (paper): rFID
14.30. The release trains it with the focal lengths of context views scaled
(its known bug 2), the camera patches ordered as if a latent covered one frame
(its known bug 3) and the tokenizer frozen. Variants: shift8, embedded, smoke.
"""

from scenetok_jax.configs import common


def get_config(variant: str = ""):
  """Release: scenetok_va-wan_shift4_dl3dv_finetuned."""
  config = common.base("tokenizer")
  common.dl3dv(config)
  common.wan(config)
  config.restore_partial = True
  common.focal_by_256(config.tokenizer.rays)  # context views only
  config.decoder.ray_patch_frames = 1  # release: model.force_incorrect
  config.flow.shift = 4.0
  config.sampling.shift = 4.0
  config.data.batch_size = 16  # release: 4 GPUs x 4
  config.optimizer.learning_rate = 1e-5
  config.optimizer.milestones = (500_000,)
  config.optimizer.gamma = 0.8
  config.optimizer.clip_norm = 0.1
  config.train.freeze_after = 0  # the tokenizer is frozen from the start
  return common.variants(config, variant, {"shift8": shift8})


def shift8(config) -> None:
  """Release: scenetok_va-wan_shift8_dl3dv_finetuned."""
  config.flow.shift = 8.0
  config.sampling.shift = 8.0
  config.decoder.ray_patch_frames = None
  config.train.freeze_after = -1
