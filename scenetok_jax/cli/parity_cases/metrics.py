"""Cases of image and pose metrics."""

import numpy as np
from einops import rearrange

from scenetok_jax.cli.parity_cases.case import Arrays, Case
from scenetok_jax.metrics.image import psnr, ssim, ssim_map, ssim_per_channel


def psnr_ssim(case: Case) -> Arrays:
  """Per image, per channel, per pixel, and means over a batch."""
  given = case.inputs
  found: Arrays = {}
  for name in sorted(n for n in given if n.startswith("gt_")):
    i = name.removeprefix("gt_")
    truth, images = (
      rearrange(given[f"{kind}_{i}"], "b c h w -> b h w c")
      for kind in ("gt", "pred")
    )
    decibels, similarity = psnr(images, truth), ssim(images, truth)
    found |= {
      f"psnr_{i}": np.mean(decibels),
      f"ssim_{i}": np.mean(similarity),
      f"mse_{i}": np.mean((images - truth) ** 2),
      f"psnr_per_image_{i}": decibels,
      f"ssim_per_image_{i}": similarity,
      f"ssim_per_channel_{i}": ssim_per_channel(images, truth),
      f"ssim_map_full_gt{i}_c0": ssim_map(images, truth)[0, ..., 0],
    }
    if i == "0":
      found["psnr_identical"] = np.mean(psnr(truth, truth))
      found["ssim_identical"] = np.mean(ssim(truth, truth))
  return found
