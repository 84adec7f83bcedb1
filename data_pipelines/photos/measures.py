"""What an estimate is worth: numbers of a model, and limits on them."""

from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.photos import sfm
from data_pipelines.photos.options import PoseOptions
from scenetok_jax.types import InputError

_HELP = (
  "more overlap between pictures, a slower motion, more light and more texture"
  " help"
)


def median_depth(model: Any) -> float:
  """Median over cameras of the median depth of the points that each sees."""
  medians = []
  for image in model.images.values():
    seen = image.get_observation_points2D() if image.has_pose else []
    if not len(seen):
      continue
    points = np.array([model.points3D[p.point3D_id].xyz for p in seen])
    matrix = image.cam_from_world().matrix()
    medians.append(np.median(points @ matrix[2, :3] + matrix[2, 3]))
  return float(np.median(medians)) if medians else 0.0


def measured(
  model: Any, names: dict[str, str], others: list[int], side: int, images: Path
) -> dict[str, Any]:
  """JSON values of a model.

  names: of all pictures, there and in the source. others: sizes of the models
  that are left out. side: of the pictures in which errors count. images: the
  folder of the pictures.
  """
  placed = {i.name: i.camera_id for i in model.images.values() if i.has_pose}
  first = {camera: name for name, camera in sorted(placed.items())[::-1]}
  lenses = [
    _lens(model.cameras[camera], images / name)
    for camera, name in sorted(first.items())
  ]
  longest = max(max(lens["width"], lens["height"]) for lens in lenses)
  error = model.compute_mean_reprojection_error() * min(1.0, side / longest)
  return {
    "pictures": len(names),
    "registered": len(placed),
    "registered_share": len(placed) / len(names),
    "left_out": [told for name, told in names.items() if name not in placed],
    "other_models": others,
    "reprojection_error": float(error),
    "track_length": float(model.compute_mean_track_length()),
    "points": model.num_points3D(),
    "lenses": lenses,
  }


def _lens(camera: Any, picture: Path) -> dict[str, Any]:
  """A camera, and whether it started from what one of its pictures tells."""
  known = sfm.loaded().infer_camera_from_image(picture).has_prior_focal_length
  return {
    "model": camera.model_name,
    "width": camera.width,
    "height": camera.height,
    "params": [float(x) for x in camera.params],
    "focal_from_exif": bool(known),
  }


def line(report: dict[str, Any]) -> str:
  """The numbers for a screen."""
  return (
    f"{report['registered']} of {report['pictures']} pictures placed, mean"
    f" reprojection error {report['reprojection_error']:.2f} pixels,"
    f" {report['points']} points seen by {report['track_length']:.1f} pictures"
    " each"
  )


def check(report: dict[str, Any], options: PoseOptions, where: str) -> None:
  """InputError where an estimate is beyond the limits."""
  text = line(report)
  if report["registered_share"] < options.min_registered:
    others = report["other_models"]
    apart = f"; {others} others fit together apart from them" if others else ""
    raise InputError(
      f"{where}: poses: {text}, fewer than --min-registered="
      f"{options.min_registered:g} of them{apart}: {_HELP}"
    )
  if report["reprojection_error"] > options.max_error:
    raise InputError(
      f"{where}: poses: {text}, more than --max-error={options.max_error:g}:"
      " sharper pictures, a fixed zoom and focus, and another --lens help"
    )
  if report["track_length"] < options.min_track:
    raise InputError(
      f"{where}: poses: {text}, fewer than --min-track={options.min_track:g}:"
      f" {_HELP}"
    )


def nothing(where: str, count: int) -> InputError:
  """What to say where no two pictures fit together."""
  return InputError(
    f"{where}: poses: none of {count} pictures could be placed: {_HELP}"
  )
