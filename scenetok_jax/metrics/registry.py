"""The registry: every metric by name, in the order of the tables."""

from scenetok_jax.metrics import (
  depth,
  fd_vgg,
  i3d,
  image,
  inception,
  lpips,
  met3r,
  pose,
  tsed,
  warp,
)
from scenetok_jax.metrics.metric import Kind, Metric, Published
from scenetok_jax.types import InputError, check_known

METRICS: dict[str, Metric] = {
  metric.name: metric
  for metric in (
    *image.METRICS,
    lpips.METRIC,
    inception.METRIC,
    i3d.METRIC,
    fd_vgg.METRIC,
    tsed.METRIC,
    warp.METRIC,
    met3r.METRIC,
    *pose.METRICS,
    *depth.METRICS,
  )
}


def of_kind(*kinds: Kind) -> list[Metric]:
  """The metrics of some kinds."""
  return [metric for metric in METRICS.values() if metric.kind in kinds]


def optional() -> list[str]:
  """Names of the metrics that are computed where they are asked for."""
  videos = ("video", "posed_video")
  found = [m for m in METRICS.values() if m.weights or m.kind in videos]
  return [metric.name for metric in found]


def networks() -> dict[str, Published]:
  """The networks that metrics use, by their own names."""
  found = (metric.weights for metric in METRICS.values())
  return {weights.name: weights for weights in found if weights}


def get_network(name: str) -> Published:
  """A network; InputError where no metric uses one of that name."""
  known = networks()
  check_known(name, known, "evaluation networks")
  return known[name]


def get_metric(name: str) -> Metric:
  """A metric; InputError for an unknown name."""
  check_known(name, METRICS, "metrics")
  return METRICS[name]


def published(name: str) -> Published:
  """A metric's network; InputError for an unknown name or one without."""
  weights = get_metric(name).weights
  if weights is None:
    raise InputError(f"metrics: {name!r} needs no weights")
  return weights
