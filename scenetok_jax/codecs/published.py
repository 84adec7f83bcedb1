"""What is known of the published autoencoders without their weights."""

import dataclasses

import numpy as np

from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import Array, InputError


@dataclasses.dataclass(frozen=True)
class Scaling:
  """Affine map between a codec's latents and those that networks see.

  mean, std: per channel [C], or one number for all.
  """

  mean: tuple[float, ...] = (0.0,)
  std: tuple[float, ...] = (1.0,)

  def normalize(self, latents: Array) -> Array:
    """latents [... C] of the codec -> about zero mean and unit variance."""
    mean, std = (np.asarray(x, np.float32) for x in (self.mean, self.std))
    return (latents - mean) / std

  def restore(self, latents: Array) -> Array:
    """The inverse of normalize."""
    mean, std = (np.asarray(x, np.float32) for x in (self.mean, self.std))
    return latents * std + mean


@dataclasses.dataclass(frozen=True)
class Published:
  """One published autoencoder: its geometry, scaling and file.

  spatial: pixels per latent cell, per side. file, source, licence: where
  the weights come from.
  tensors, parameters: what the file must hold.
  """

  spatial: int
  channels: int
  grouping: Grouping
  scaling: Scaling
  file: str
  source: str
  licence: str
  tensors: int
  parameters: int


# fmt: off
_VA_MEAN = (
  0.5985, -0.4992, 0.6440, -0.0971, -1.1910, -1.4332, 0.4685, 0.6259,
  0.6320, -0.4897, -0.7445, 1.1596, 0.8456, 0.5008, 0.2293, 0.4754,
  -0.4379, 0.8317, -0.0751, 0.3063, 0.4665, -0.0914, -0.8271, 0.0781,
  1.4151, 1.3792, 0.2696, -0.7573, 0.2813, -0.3092, 0.0779, 0.3497,
)
_VA_STD = (
  3.8461, 4.2699, 3.5768, 3.5911, 3.6231, 3.4810, 3.3075, 3.5093,
  3.5541, 3.6067, 3.7058, 3.6314, 3.6295, 3.6205, 3.2590, 3.1868,
  3.8258, 3.5999, 3.2966, 3.2261, 3.2192, 3.1055, 3.5805, 4.3569,
  3.3085, 3.2076, 4.5150, 3.4870, 3.0416, 3.4869, 4.4310, 4.0881,
)
_WAN_MEAN = (
  -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557,
  -0.1382, 0.0542, 0.2813, 0.0891, 0.1570, -0.0098, 0.0375, -0.1825,
  -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502,
  -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230,
  -0.0313, -0.1649, 0.0117, 0.0723, -0.2839, -0.2083, -0.0520, 0.3748,
  0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
)
_WAN_STD = (
  0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013,
  0.8158, 1.0344, 0.5894, 1.0901, 0.6885, 0.6165, 0.8454, 0.4978,
  0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659,
  0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093,
  0.5709, 0.6065, 0.6415, 0.4944, 0.5726, 1.2042, 0.5458, 1.6887,
  0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)
# fmt: on

PUBLISHED = {
  "va_vae": Published(
    spatial=16,
    channels=32,
    grouping=Grouping(),
    scaling=Scaling(_VA_MEAN, _VA_STD),
    file="vavae-imagenet256-f16d32-dinov2.pt",
    source="huggingface.co/hustvl/vavae-imagenet256-f16d32-dinov2",
    licence="MIT",
    tensors=342,
    parameters=69_836_067,
  ),
  "video_dc_ae": Published(
    spatial=32,
    channels=128,
    grouping=Grouping(4),
    scaling=Scaling(std=(1 / 0.493,)),  # release: latents are times 0.493
    file="F32T4C128_AE.safetensors",
    source="huggingface.co/hpcai-tech/Open-Sora-v2-Video-DC-AE",
    licence="Apache-2.0",
    tensors=339,
    parameters=459_462_147,
  ),
  "wan_vae": Published(
    spatial=16,
    channels=48,
    grouping=Grouping(4, chunked=True),
    scaling=Scaling(_WAN_MEAN, _WAN_STD),
    file="Wan2.2_VAE.pth",
    source="huggingface.co/Wan-AI/Wan2.2-TI2V-5B",
    licence="Apache-2.0",
    tensors=196,
    parameters=704_688_668,
  ),
}


def published(name: str) -> Published:
  """The entry of a codec; InputError for an unknown name."""
  if name not in PUBLISHED:
    known = ", ".join(["block_dct", *PUBLISHED])
    raise InputError(
      f"config: codecs: {name!r} is not a codec; use one of {known}"
    )
  return PUBLISHED[name]
