"""Cases of cameras: rays, geometry."""

import functools
from typing import Any

import numpy as np
from einops import rearrange

from scenetok_jax.geometry import trajectories, view_selection
from scenetok_jax.geometry.cameras import flip, relative_to
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.geometry.rays import ray_map
from scenetok_jax.parity import modules
from scenetok_jax.parity.case import Arrays, Case, prefixed
from scenetok_jax.types import Cameras


def rays(case: Case) -> Arrays:
  """Ray maps, grouped by latent and cut into patches."""
  found: Arrays = {}
  for run in case.config["runs"]:
    given = case.given(run["prefix"])
    encode = modules.jit(functools.partial(_encode, run))
    encoded = np.asarray(encode(case.cameras("", given)))
    case.one_of(run, "op", ("image_rays", "ray", "plucker"))
    if run["op"] == "image_rays":
      out = _image_rays(encoded)
    else:
      out = {"encoding": modules.channels_first(encoded)}
      if "patch" in run:
        out["lvsm_patches"] = _patches(encoded, run)
    found |= prefixed(run["prefix"], out)
  return found


def _encode(run: Any, cameras: Cameras) -> Any:
  encoded = ray_map(
    cameras,
    *run["shape"],
    encoding="plucker" if run["op"] == "plucker" else "ray",
    normalize=run["normalize"],
    origin_first=run["origin_first"],
    scale=tuple(run["scale"]),
  )
  if run["op"] == "image_rays":
    return encoded
  return Grouping(run["temporal_downsample"], run["using_wan"]).group(encoded)


def _image_rays(encoded: np.ndarray) -> Arrays:
  halves = rearrange(encoded, "b v h w (n c) -> n b v c h w", n=2)
  return {"directions": halves[0], "origins": halves[1]}


def _patches(encoded: Any, run: Any) -> Any:
  """The vectors that the linear layer of nn.embed.CameraEmbed reads."""
  return rearrange(
    encoded,
    "b v (h p) (w q) (t c) -> b v (h w) (t p q c)",
    p=run["patch"],
    q=run["patch"],
    t=run["patch_t"],
  )


def rays_wanted(case: Case) -> Arrays:
  """All but upstream's pixel grid, and the intrinsics that it overwrites."""
  return {
    name: value
    for name, value in case.outputs.items()
    if not name.endswith(("_xy", "_intrinsics_after_call"))
  }


def geometry(case: Case) -> Arrays:
  """Reference frames, mirrored poses, paths, view choice and index maps."""
  given, config = case.inputs, case.config
  context, target = given["context"], given["target"]
  found: Arrays = {"reflected": flip(Cameras(context, None)).extrinsics}
  for index in config["reference_indices"]:
    found |= _relative(f"{index}", context, target, context[:, index])
    found[f"relative_to_{index}"] = found[f"preprocess_{index}_context"]
    found[f"preprocess_{index}_context_only"] = found[f"relative_to_{index}"]
  chosen = given["random_reference"]
  reference = context[np.arange(len(chosen)), chosen]
  found |= _relative("random", context, target, reference)
  for n in config["interpolation_samples"]:
    paths = [trajectories.interpolate(keys, n) for keys in context]
    found[f"interpolated_{n}"] = np.stack(paths)
  found["rotation_log"] = view_selection.rotation_log(context[..., :3, :3])
  found["pose_distance"] = view_selection.pose_distances(context[0])
  poses = given["fps_poses"]
  found["fps_pose_distance"] = view_selection.pose_distances(poses)
  for i, (first, count) in enumerate(config["fps"]):
    found[f"fps_{i}"] = view_selection.farthest_point(poses, count, first)
  return found | _index_maps(case)


def _relative(
  name: str, context: np.ndarray, target: np.ndarray, reference: np.ndarray
) -> Arrays:
  return {
    f"preprocess_{name}_{views}": np.asarray(
      relative_to(Cameras(poses, None), reference).extrinsics
    )
    for views, poses in (("context", context), ("target", target))
  }


def _index_maps(case: Case) -> Arrays:
  config, found = case.config, {}
  latents = np.arange(config["max_latent"])
  frames = np.arange(config["max_frame"])
  for i, (t, gap, offset) in enumerate(config["index_maps"]):
    # Offset 0, never used: the last latent of a chunk covers one frame.
    single = offset * np.sign(latents % gap)
    found[f"latent_to_original_{i}"] = t * latents - (t - 1) * (
      latents // gap + single
    )
    chunk, inside = np.divmod(frames, t * (gap - 1) + 1)
    found[f"original_to_latent_{i}"] = gap * chunk + (inside + t - 1) // t
  for i, mask in enumerate(config["denoise_masks"]):
    chunked = mask["autoencoder"] == "wan"
    grouping = Grouping(mask["temporal_downsample"], chunked)
    if chunked:
      case.only(mask, "gap", grouping.unit_latents)
      case.only(mask, "offset", 1)
    first, end = grouping.span(mask["start"], mask["end"])
    count = grouping.span(0, mask["latents"])[1]
    index = np.arange(count)
    found[f"denoise_mask_{i}"] = (index >= first) & (index < end)
  return found
