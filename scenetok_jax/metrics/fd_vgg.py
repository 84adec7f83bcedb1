"""Frechet distance of VGG16 features, for where Inception's are not at hand.

It is not FID, and its values compare only with each other.
"""

import jax.numpy as jnp
from einops import reduce

from scenetok_jax.metrics import lpips
from scenetok_jax.metrics.metric import Metric
from scenetok_jax.types import Array


def features(params: dict, images: Array) -> Array:
  """uint8 [B H W 3] -> relu5_3, averaged over the image: [B 512].

  params: of metrics.lpips.Lpips.
  """
  scaled = jnp.asarray(images, jnp.float32) / 255.0
  last = lpips.features(params, scaled)[-1]
  return reduce(last, "b h w c -> b c", "mean")


METRIC = Metric(
  name="fd_vgg",
  kind="image_set",
  function=features,
  better="lower",
  title="FD-VGG",
  weights=lpips.METRIC.weights,
  table=lpips.METRIC.table,
  note="not FID",
)
