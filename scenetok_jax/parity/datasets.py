"""Cases of the authors' data sets: dataset_re10k, _dl3dv, _latent."""

from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.sources import dl3dv_scenes as dl3dv_reader
from data_pipelines.sources import re10k_chunks as re10k_reader
from data_pipelines.views.evaluation import from_index, read_index
from data_pipelines.views.samplers import ViewChoice
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.parity import release_latents, release_views
from scenetok_jax.parity.case import Arrays, Case
from scenetok_jax.parity.data import is_chunked
from scenetok_jax.types import SceneBatch


def re10k(case: Case) -> Arrays:
  """Examples from chunks of RealEstate10K, and camera rows."""
  found: Arrays = {}
  for run in case.config["runs"]:
    for i, (key, choice) in enumerate(_choices(case, run).items()):
      batch = release_views.re10k(
        case.path / "data" / "test",
        key,
        choice,
        tuple(run["shape"]),
        make_baseline=run["make_baseline"],
      )
      found |= _example(f"{run['prefix']}{i}_", key, batch, choice)
  cameras = re10k_reader.cameras_from_rows(case.inputs["cameras"], "inputs.npz")
  found["convert_poses_c2w"] = cameras.extrinsics
  found["convert_poses_intrinsics"] = cameras.intrinsics
  return found


def dl3dv(case: Case) -> Arrays:
  """Examples from nerfstudio folders, and their camera rows."""
  found: Arrays = {}
  root = case.path / "data" / "test"
  for run in case.config["runs"]:
    choices = _choices(case, run)
    for i, folder in enumerate(dl3dv_reader.scene_folders(root)):
      choice = choices[folder.name]
      batch = release_views.dl3dv(
        folder,
        choice,
        tuple(run["shape"]),
        flip=run["flip"],
        scale_focal_by_256=run["scale_focal_by_256"],
        scale_context_focal_by_256=run["scale_context_focal_by_256"],
      )
      found |= _example(f"{run['prefix']}{i}_", folder.name, batch, choice)
  for scene in case.config["scenes"]:
    found |= _camera_rows(root / scene)
  return found


def _camera_rows(folder: Path) -> Arrays:
  """Rows as they are, and with focal lengths scaled by size / 256."""
  clip = dl3dv_reader.read_scene(folder, "images_4", distorted=True)
  factors = np.array(dl3dv_reader.original_size(folder)) / 256
  scaled = release_views.scale_focal(clip.cameras, factors)
  found: Arrays = {}
  for i, cameras in enumerate((clip.cameras, scaled)):
    name = f"metadata_{folder.name}_{i}"
    found[f"{name}_cameras"] = re10k_reader.rows_from_cameras(cameras)
    found[f"{name}_timestamps"] = [_number(frame) for frame in clip.names]
  return found


def _number(name: str) -> int:
  """The number in an image's name, which the release calls its time."""
  return int("".join(c for c in Path(name.split(":")[0]).stem if c.isdigit()))


def latent(case: Case) -> Arrays:
  """Examples from precomputed latents; the index is keyed by file name."""
  found: Arrays = {}
  for run in case.config["runs"]:
    roots = [case.path / "data" / run[name] for name in ("context", "target")]
    maps = [release_latents.read_map(root, "test") for root in roots]
    choices = _choices(case, run)
    for i, scene in enumerate(maps[0]):
      context, target = (files[scene][0] for files in maps)
      choice = choices[context.name]
      batch = release_views.latents(
        context,
        target,
        choice,
        make_baseline=run["make_baseline"],
        scale_focal_by_256=run["scale_focal_by_256"],
      )
      found |= _example(f"{run['prefix']}{i}_", context.name, batch, choice)
  return found


def _choices(case: Case, run: Any) -> dict[str, ViewChoice]:
  """Views by scene, from the run's evaluation index."""
  sampler = run["view_sampler"]
  grouping = Grouping(sampler["temporal_downsample"], is_chunked(case, sampler))
  index = read_index(case.path / sampler["index_path"], repeats=True)
  return {
    key: from_index(entry, grouping) for key, entry in index.scenes.items()
  }


def _example(
  prefix: str, scene: str, batch: SceneBatch | None, choice: ViewChoice
) -> Arrays:
  if batch is None:
    return {f"{prefix}skipped": True}
  found: Arrays = {f"{prefix}scene": scene}
  for name in ("context", "target"):
    views = getattr(batch, name)
    found[f"{prefix}{name}_index"] = getattr(choice, name)
    found[f"{prefix}{name}_extrinsics"] = views.cameras.extrinsics
    found[f"{prefix}{name}_intrinsics"] = views.cameras.intrinsics
    kind = "latent" if views.images is None else "image_u8"
    pixels = views.latents if views.images is None else views.images
    found[f"{prefix}{name}_{kind}"] = np.moveaxis(pixels, -1, 1)
  return found


def wanted(case: Case) -> Arrays:
  """All but the number type that upstream keeps its images in."""
  return {
    name: value
    for name, value in case.outputs.items()
    if not name.endswith("_latent_dtype")
  }
