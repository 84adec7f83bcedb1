"""PSNR and SSIM per image, in JAX, channels last."""

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.metrics.metric import Metric
from scenetok_jax.metrics.resize import along_sides

_SIGMA = 1.5
_RADIUS = 5  # int(3.5 * sigma + 0.5), the truncation of scikit-image
_C1, _C2 = 0.01**2, 0.03**2  # for a data range of 1


def psnr(prediction: jax.Array, truth: jax.Array) -> jax.Array:
  """float [... H W C] twice -> [...] decibels, float32.

  Both are clipped to [0, 1]. Equal images give +inf. Average the decibels of
  the images, not their squared errors (the release's evaluation).
  """
  prediction, truth = _same_shape(prediction, truth)
  difference = jnp.clip(prediction, 0, 1) - jnp.clip(truth, 0, 1)
  return -10.0 * jnp.log10(jnp.mean(difference**2, axis=(-3, -2, -1)))


def ssim(prediction: jax.Array, truth: jax.Array) -> jax.Array:
  """float [... H W C] twice -> [...] structural similarity, float32.

  scikit-image's definition with Gaussian weights: sigma 1.5, window 11, data
  range 1, sample covariance, mean over channels, five pixels at every border
  left out. Images are not clipped.
  Raises ValueError: an image is smaller than the window of 11 pixels.
  """
  return jnp.mean(ssim_per_channel(prediction, truth), axis=-1)


def ssim_per_channel(prediction: jax.Array, truth: jax.Array) -> jax.Array:
  """float [... H W C] twice -> [... C]; see ssim."""
  height, width = jnp.shape(prediction)[-3:-1]
  if min(height, width) <= 2 * _RADIUS:
    raise ValueError(
      f"ssim: images of {height} x {width} pixels are smaller than its "
      f"window of {2 * _RADIUS + 1}"
    )
  inner = slice(_RADIUS, -_RADIUS)
  full = ssim_map(prediction, truth)
  return jnp.mean(full[..., inner, inner, :], axis=(-3, -2))


def ssim_map(prediction: jax.Array, truth: jax.Array) -> jax.Array:
  """float [... H W C] twice -> similarity at every pixel [... H W C]."""
  x, y = _same_shape(prediction, truth)
  pixels = (2 * _RADIUS + 1) ** 2
  sample = pixels / (pixels - 1)
  # Around mid-grey, variances lose fewer digits in float32.
  x, y = x - 0.5, y - 0.5
  blurs = map(_blur_matrix, x.shape[-3:-1])
  moments = jnp.stack([x, y, x * x, y * y, x * y])
  ux, uy, uxx, uyy, uxy = along_sides(moments, *blurs)
  vx, vy = sample * (uxx - ux * ux), sample * (uyy - uy * uy)
  vxy = sample * (uxy - ux * uy)
  ux, uy = ux + 0.5, uy + 0.5
  numerator = (2 * ux * uy + _C1) * (2 * vxy + _C2)
  return numerator / ((ux**2 + uy**2 + _C1) * (vx + vy + _C2))


def _blur_matrix(size: int) -> np.ndarray:
  """[size size]: a Gaussian around every pixel; edge pixels are repeated."""
  offsets = np.arange(-_RADIUS, _RADIUS + 1)
  weights = np.exp(-0.5 * (offsets / _SIGMA) ** 2)
  source = np.pad(np.arange(size), _RADIUS, mode="symmetric")
  matrix = np.zeros((size, size))
  for start, weight in enumerate(weights / weights.sum()):
    np.add.at(matrix, (np.arange(size), source[start : start + size]), weight)
  return matrix.astype(np.float32)


def _same_shape(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
  a, b = jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32)
  if a.shape != b.shape:
    raise ValueError(f"image shapes differ: {a.shape} and {b.shape}")
  return a, b


METRICS = (
  Metric("psnr", "image", psnr, "higher", "PSNR", unit="dB"),
  Metric("ssim", "image", ssim, "higher", "SSIM", 3),
)
