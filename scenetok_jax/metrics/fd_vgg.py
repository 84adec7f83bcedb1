"""FD-VGG: the Frechet distance of VGG16's features.

For where Inception's are not at hand. It is not FID, and its values compare
only with each other.
"""

import jax.numpy as jnp
from einops import reduce

from scenetok_jax.metrics.lpips import VGG, features
from scenetok_jax.metrics.metric import Metric
from scenetok_jax.types import Array


def average(params: dict, images: Array) -> Array:
  """uint8 [B H W 3] -> relu5_3, averaged over the image: [B 512]."""
  last = features(params, jnp.asarray(images, jnp.float32) / 255.0)[-1]
  return reduce(last, "b h w c -> b c", "mean")


METRIC = Metric(
  "fd_vgg", "image_set", average, "lower", "FD-VGG", 2, VGG, note="not FID"
)
