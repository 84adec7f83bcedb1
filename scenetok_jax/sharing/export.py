"""A rendered scene as a capture that gsplat or nerfstudio train on."""

import dataclasses
from typing import Any

import numpy as np

from scenetok_jax.geometry.origins import returned
from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.inference.pictures import write_frames
from scenetok_jax.inference.placement import open_model
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import write_json, write_text
from scenetok_jax.outputs import Output
from scenetok_jax.sampling.digest import digest
from scenetok_jax.sampling.paths import CameraPath
from scenetok_jax.sampling.scene_file import Scene, codec_digest
from scenetok_jax.sampling.slices import Progress, silent
from scenetok_jax.sharing import points, posed_images
from scenetok_jax.sharing.points import PointOptions
from scenetok_jax.types import Cameras, InputError

POINTS_FILE = "points.ply"
_MODEL = [f"{posed_images.COLMAP}/{n}.txt" for n in ("cameras", "images")]
_MODEL.append(f"{posed_images.COLMAP}/points3D.txt")
# What a run may write into OUT.
FILES = ("images/[0-9]*.png", "transforms.json", POINTS_FILE, *_MODEL)


@dataclasses.dataclass(frozen=True)
class Renderers:
  """colours: draws the images. depth: draws depth, where there is one.

  own: the one that encodes, which the user named.
  """

  own: SceneTok
  colours: SceneTok
  depth: SceneTok | None


def open_renderers(
  workdir: str, colours: str | None = None, out: str | None = None
) -> Renderers:
  """A run in colour alone, or a depth run with the one that it was tuned from.

  colours: that one's workdir; None: config.restore of the depth run.
  InputError: it is not told, reads scenes otherwise, or draws another size.
  """
  model = open_model(workdir, out)
  if not model.config.data.get("target_path"):
    if colours:
      raise InputError(
        f"--colours={colours}: {workdir} itself draws colours; drop the flag,"
        " or give a depth run by --workdir"
      )
    return Renderers(model, model, None)
  points.writer()  # rather than after the rendering
  source = colours or model.config.restore
  if not source:
    raise InputError(
      f"{workdir}: draws depth alone, from scratch; give the run that draws"
      " colours from the same tokens by --colours"
    )
  other = open_model(source, out)
  ours, theirs = (digest(m.params["tokenizer"]) for m in (model, other))
  if ours != theirs:
    raise InputError(
      f"--colours={source}: its tokens are not those of {workdir}; give the"
      " run that this one was tuned from"
    )
  sides = model.model.image_size, other.model.image_size
  if sides[0] != sides[1]:
    raise InputError(
      f"--colours={source}: draws {sides[1]} pixels, {workdir} {sides[0]}; give"
      " the run that this one was tuned from"
    )
  return Renderers(model, other, model)


def export(
  renderers: Renderers,
  scene: Scene,
  path: CameraPath,
  out: Output,
  options: PointOptions,
  *,
  sampling: SamplingChanges | None = None,
  seed: int = 0,
  progress: Progress = silent,
) -> dict[str, Any]:
  """Renders a scene along a path; writes images, cameras and points.

  OUT/images/0000.png, ..., sparse/0 (COLMAP's text) and transforms.json, in
  the coordinates that the scene's views were given in; of a depth run also
  points.ply, and the same points in sparse/0. Returns values for a JSON.
  """
  cameras = returned(path.cameras, np.array(scene.origin))

  parts = 2 if renderers.depth else 1

  def drawn(model: SceneTok, samples: int, part: int) -> np.ndarray:
    found: np.ndarray = model.render_batch(
      [_of(scene, model, renderers)],
      cameras,
      samples=samples,
      sampling=sampling,
      seed=seed,
      progress=lambda n, total: progress(n + part * total, parts * total),
    )[0]
    return found

  video = drawn(renderers.colours, 1, 0)[0]
  cameras = Cameras(*(x[: len(video)] for x in _arrays(cameras)))
  found = None
  if renderers.depth:
    depths = drawn(renderers.depth, options.samples, 1)[:, : len(video)]
    found = points.points(
      depths, video, cameras, options, scale=scene.scale, seed=seed
    )
  out.clear(*FILES)
  write_frames(out, "images", video)
  _write_cameras(out, cameras, video.shape[1:3], len(video), found)
  count = 0 if found is None else len(found.places)
  return {"frames": len(video), "points": count}


def _write_cameras(
  out: Output,
  cameras: Cameras,
  size: tuple[int, int],
  frames: int,
  found: points.Points | None,
) -> None:
  names = [f"{index:04d}.png" for index in range(frames)]
  model = posed_images.colmap(cameras, names, size, found)
  for name, text in model.items():
    write_text(out.file(f"{posed_images.COLMAP}/{name}"), text)
  files = [f"images/{name}" for name in names]
  values = posed_images.transforms(cameras, files, size)
  if found and len(found.places):
    points.write_ply(out.file(POINTS_FILE), found)
    values["ply_file_path"] = POINTS_FILE
  write_json(out.file("transforms.json"), values)


def _arrays(cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
  return np.asarray(cameras.extrinsics), np.asarray(cameras.intrinsics)


def _of(scene: Scene, model: SceneTok, renderers: Renderers) -> Scene:
  """The scene as that of another model with the same tokenizer."""
  pair = (renderers.own, renderers.colours)
  if scene.model not in {other.digest for other in pair}:
    return scene  # of neither: rendering says so
  codec = codec_digest(model.model.target_codec)
  return dataclasses.replace(scene, model=model.digest, codec=codec)
