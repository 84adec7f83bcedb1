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
from scenetok_jax.metrics.metric import Kind, Metric
from scenetok_jax.types import check_known

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


def networks() -> dict[str, Metric]:
  """By the name of a network, the first metric that uses it."""
  found: dict[str, Metric] = {}
  for metric in METRICS.values():
    if metric.weights:
      found.setdefault(metric.weights.name, metric)
  return found


def get_network(name: str) -> Metric:
  """A metric that uses the network; InputError where none does."""
  known = networks()
  check_known(name, known, "evaluation networks")
  return known[name]


def get_metric(name: str) -> Metric:
  """A metric; InputError for an unknown name."""
  check_known(name, METRICS, "metrics")
  return METRICS[name]
