"""What prepared data hold: numbers, pictures and lines of text."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.inspection import pictures, statistics
from data_pipelines.latents import records as latent_records
from data_pipelines.storage import records
from data_pipelines.storage.builders import dropped_lines
from scenetok_jax.media import contact_sheet, write_png
from scenetok_jax.outputs import opened
from scenetok_jax.reading.shown import inline
from scenetok_jax.types import Cameras, InputError

_PATH, _SHEET = "camera_path.png", "contact_sheet.png"
_EPIPOLAR = "epipolar.png"
_COLUMNS, _ROWS = 8, 4  # of the contact sheet
_MOST_PIXELS = 256  # of the shorter side of a frame there


def overview(dataset: Any) -> dict[str, Any]:
  """What a split holds, as JSON."""
  frames = np.array([row.frames for row in dataset.scenes])
  report = dataset.info["report"]
  return {
    "kind": dataset.info.get("kind", "frames"),
    "scenes": len(dataset.scenes),
    "frames": int(frames.sum()),
    "frames_each": [int(f(frames)) for f in (np.min, np.median, np.max)],
    "sizes": sorted({(row.height, row.width) for row in dataset.scenes}),
    "seen": report["seen"],
    "dropped": report["dropped"],
    "first_keys": [row.key for row in dataset.scenes[:12]],
    **({"scale": s} if (s := dataset.scale) else {}),
    **({"codecs": c} if (c := dataset.info.get("codecs")) else {}),
  }


def draw_scene(
  dataset: Any,
  key: str | int,
  out: str | os.PathLike | None = None,
  epipolar: Sequence[int] | None = None,
) -> dict[str, Any]:
  """Draws one scene into a folder; returns its numbers as JSON.

  Args:
    dataset: see `open_prepared`.
    key: of the scene, or its number.
    out: folder of the pictures, by default inspect-KEY.
    epipolar: None draws no epipolar lines, two numbers those between these
      frames, an empty list those between two frames that are chosen.

  Raises:
    InputError: no such scene or frames, or the folder cannot be written.
  """
  row = records.find_scene(dataset.scenes, key, dataset.directory)
  cameras = dataset.cameras(row)
  held_out = tuple(getattr(row, "held_out", ()))
  result = {
    "scene": row.key,
    "frames": row.frames,
    "height": row.height,
    "width": row.width,
    "source": row.source,
    "held_out": list(held_out),
    **statistics.describe(cameras, (row.height, row.width)),
  }
  pair = None if epipolar is None else _pair(epipolar, cameras, row)
  drawn = [_PATH]
  if isinstance(dataset, records.Dataset):
    drawn += [_SHEET, *([_EPIPOLAR] if pair else [])]
  else:
    result["latents"] = _latent_statistics(dataset, row)
    if pair:
      raise InputError(
        f"{dataset.directory}: --epipolar: latents have no pictures; inspect"
        " the frames that they were made from"
      )
  folder, drawn = Path(out or f"inspect-{row.key}"), sorted(drawn)
  with opened(folder, drawn, {"the data": dataset.path}) as held:
    path = dict(zip(drawn, held.claim(*drawn), strict=True))
    if _SHEET in path:
      _draw_sheet(path[_SHEET], dataset, row)
    title = f"{row.key}: {row.frames} cameras from above"
    pictures.draw_path(path[_PATH], cameras, held_out, title)
    if pair:
      images, two = dataset.read_frames(row, pair)
      count = pictures.draw_epipolar(path[_EPIPOLAR], images, two, pair)
      result["epipolar"] = {"frames": list(pair), "lines": count}
  return {**result, "pictures": {"folder": os.fspath(folder), "names": drawn}}


def open_prepared(path: str | os.PathLike, split: str | None = None) -> Any:
  """Frames or latents, whichever a folder holds.

  split: by default train, or the only one.
  """
  found = records.splits(path)
  split = split or ("train" if "train" in found or not found else found[0])
  file = Path(path) / split / records.PREPARED
  if file.is_file() and records.read_prepared(file).get("kind") == "latents":
    return latent_records.LatentDataset(path, split)
  return records.Dataset(path, split)


def _pair(frames: Sequence[int], cameras: Cameras, row: Any) -> tuple[int, int]:
  if len(frames) not in (0, 2):
    raise InputError("--epipolar: give two frame numbers, or none")
  if not frames:
    return statistics.choose_pair(cameras)
  first, second = frames
  if min(frames) < 0 or max(frames) >= row.frames:
    raise InputError(
      f"--epipolar: {first} {second}: scene {row.key} has frames 0 to"
      f" {row.frames - 1}"
    )
  centres = np.asarray(cameras.extrinsics)[[first, second], :3, 3]
  if np.array_equal(*centres):
    raise InputError(
      f"--epipolar: {first} {second}: both were taken from one point, which"
      " leaves no line; choose others"
    )
  return first, second


def _draw_sheet(path: Path, dataset: records.Dataset, row: Any) -> None:
  shown = np.unique(
    np.linspace(0, row.frames - 1, _COLUMNS * _ROWS).astype(int)
  )
  images, _ = dataset.read_frames(row, shown)
  step = max(1, min(row.height, row.width) // _MOST_PIXELS)
  images = images[:, ::step, ::step]
  rows = []
  for start in range(0, len(shown), _COLUMNS):
    part = slice(start, start + _COLUMNS)
    numbers = ", ".join(map(str, shown[part]))
    rows.append((f"{row.key}: frames {numbers}", images[part]))
  write_png(path, contact_sheet(rows))


def _latent_statistics(dataset: Any, row: Any) -> dict[str, Any]:
  found = {}
  for part in latent_records.NAMES:
    count = row.frames if part == "context" else row.latents
    latents = dataset.read(row, part, np.arange(count)).astype(np.float32)
    found[part] = {
      "count": count,
      "shape": list(latents.shape[1:]),
      "mean": float(latents.mean()),
      "std": float(latents.std()),
      "largest": float(np.abs(latents).max()),
    }
  return found


def overview_lines(path: str | os.PathLike, found: dict) -> list[str]:
  """The numbers of `overview` for a person."""
  low, middle, high = found["frames_each"]
  sizes = ", ".join(f"{w}x{h}" for h, w in found["sizes"])
  lines = [
    f"{path}: {found['scenes']} scenes of {found['kind']},"
    f" {found['frames']} frames ({low} to {high} each, median {middle}),"
    f" {sizes} pixels"
  ]
  lines += [f"  {part}: {inline(c['name'])}" for part, c in _codecs(found)]
  for name in ("baseline", "depth"):
    if lengths := found.get("scale", {}).get(name):
      least, _, median, _, most = lengths
      lines.append(
        f"  {name}: median {median:.4g}, of most scenes {least:.4g} to"
        f" {most:.4g}"
      )
  lines += dropped_lines(found["dropped"])
  lines.append(f"  scenes: {', '.join(map(inline, found['first_keys']))}")
  return lines


def _codecs(found: dict) -> list[tuple[str, dict]]:
  return sorted(found.get("codecs", {}).items())


def scene_lines(found: dict[str, Any]) -> list[str]:
  """The numbers of `draw_scene` for a person."""
  fx, fy = found["focal_pixels"]
  across, down = found["field_of_view"]
  x, y = found["centre"]
  lines = [
    f"{inline(found['scene'])}: {found['frames']} frames,"
    f" {found['height']}x{found['width']} pixels,"
    f" from {inline(found['source'])}",
    f"  intrinsics: focal {fx:.2f} {fy:.2f} pixels, field of view"
    f" {across:.1f} x {down:.1f} degrees, centre {x:.4f} {y:.4f},"
    f" differ by {found['intrinsics_spread']:.2g} over the clip",
    f"  path: {found['path_length']:.4g} long, steps"
    f" {found['step_median']:.3g}, largest {found['step_max']:.3g}"
    f" before frame {found['step_max_frame']},"
    f" turns {found['turn']:.0f} degrees",
    f"  baselines: median {found['baseline_median']:.4g}, largest"
    f" {found['baseline_max']:.4g}; axes up to {found['angle_max']:.0f}"
    " degrees apart",
  ]
  if found["held_out"]:
    lines.append(f"  held out: {len(found['held_out'])} frames")
  for part, numbers in found.get("latents", {}).items():
    lines.append(
      f"  {part}: {numbers['count']} latents {numbers['shape']}, mean"
      f" {numbers['mean']:.3f}, deviation {numbers['std']:.3f}, largest"
      f" {numbers['largest']:.3g}"
    )
  if "epipolar" in found:
    first, second = found["epipolar"]["frames"]
    lines.append(
      f"  epipolar: each point of frame {first} must lie on its line in frame"
      f" {second}; where it does not, the poses are wrong"
    )
  drawn = found["pictures"]
  lines.append(f"  pictures: {', '.join(drawn['names'])} in {drawn['folder']}")
  return lines
