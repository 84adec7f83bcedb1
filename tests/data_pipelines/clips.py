"""Small posed clips and prepared data for the tests of this folder."""

import functools
import json
import struct

import ml_collections
import numpy as np
from PIL import Image

from data_pipelines.storage import recipes
from scenetok_jax.types import Cameras


def poses(frames: int, seed: int = 0) -> np.ndarray:
  """Smooth path of OpenCV camera-to-world poses [T, 4, 4] that turns."""
  rng = np.random.default_rng(seed)
  angle = np.linspace(0, 0.11 * frames, frames) + rng.uniform(0, 6)
  c2w = np.tile(np.eye(4), (frames, 1, 1))
  c2w[:, 0, 0] = c2w[:, 2, 2] = np.cos(angle)
  c2w[:, 0, 2], c2w[:, 2, 0] = np.sin(angle), -np.sin(angle)
  c2w[:, :3, 3] = np.cumsum(rng.normal(0, 0.05, (frames, 3)), axis=0)
  return c2w


def clip(frames: int, size: int = 16, seed: int = 0) -> recipes.RawScene:
  """Smooth frames whose mean brightness tells their number apart."""
  ramp = np.linspace(0, 40, size)
  image = ramp[:, None, None] + ramp[None, :, None] + np.zeros(3)
  level = 2 * np.arange(frames)[:, None, None, None] + seed % 7
  intrinsics = np.array([[0.9, 0, 0.5], [0, 0.9, 0.5], [0, 0, 1]])
  cameras = Cameras(
    poses(frames, seed).astype(np.float32),
    np.tile(intrinsics, (frames, 1, 1)).astype(np.float32),
  )
  return recipes.RawScene((image + level).astype(np.uint8), cameras, "test")


def plan(
  scenes: int = 3,
  frames: int = 20,
  size: int = 16,
  holdout: recipes.Holdout | None = None,
  image_format: str = "png",
  split: str = "train",
  strict: bool = False,
) -> recipes.SplitPlan:
  """Scenes "s0", "s1", ... of growing length."""
  loaders = [
    recipes.SceneLoader(f"s{i}", functools.partial(clip, frames + i, size, i))
    for i in range(scenes)
  ]
  recipe = recipes.Recipe(
    "test",
    split,
    {"scenes": scenes, "frames": frames, "size": size},
    holdout or recipes.Holdout(),
    image_format,
    strict,
  )
  return recipes.SplitPlan(recipe, loaders)


def data_config(path, /, **changes) -> ml_collections.ConfigDict:
  """The `data` section of a small configuration."""
  config = ml_collections.ConfigDict(
    {
      "path": str(path),
      "split": "train",
      "batch_size": 4,
      "workers": 0,
      "cache": True,
      "image_size": 16,
      "frames_per_latent": 1,
      "chunked": False,
      "num_context": 3,
      "num_targets": 4,
      "num_conditions": 0,
      "flip": False,
      "view_sampler": {
        "name": "unbounded",
        "gap": 1,
        "chunks": 2,
        "chunk_probability": 0.5,
        "context": "farthest_point",
      },
    }
  )
  config.update(changes)
  return config


def write_capture(
  folder, frames: int = 6, width: int = 40, height: int = 30, scale: int = 2
) -> dict:
  """A nerfstudio capture: images/frame_N.png, w and h `scale` times larger.

  Returns the transforms.json document that was written.
  """
  (folder / "images").mkdir(parents=True)
  flip = np.diag([1.0, -1.0, -1.0, 1.0])
  document = {
    "w": width * scale,
    "h": height * scale,
    "fl_x": 50.0 * scale,
    "fl_y": 52.0 * scale,
    "cx": (width / 2 - 1) * scale,
    "cy": (height / 2 + 1) * scale,
    "frames": [],
  }
  for i, c2w in enumerate(poses(frames)):
    name = f"images/frame_{i}.png"
    level = np.full((height, width, 3), 20 * (i % 12), np.uint8)
    level[:, : width // 2, 0] += 9
    Image.fromarray(level).save(folder / name)
    matrix = (c2w @ flip).tolist()
    document["frames"].append({"file_path": name, "transform_matrix": matrix})
  write_transforms(folder, document)
  return document


def write_transforms(folder, document: dict) -> None:
  """(Over)writes a capture's transforms.json."""
  (folder / "transforms.json").write_text(json.dumps(document))


def write_colmap(folder, frames: int = 6, *, binary: bool = False) -> None:
  """A COLMAP model of write_capture's pictures, listed from the last on."""
  folder.mkdir(parents=True)
  lens = (50.0, 52.0, 19.0, 16.0)
  images = []
  for i, w2c in enumerate(np.linalg.inv(poses(frames))):
    # Poses turn about y only.
    angle = np.arctan2(w2c[0, 2], w2c[0, 0]) / 2
    pose = (np.cos(angle), 0, np.sin(angle), 0, *w2c[:3, 3])
    images.append((frames - i, pose, f"frame_{i}.png"))
  if binary:
    data = struct.pack("<QiiQQ4d", 1, 1, 1, 40, 30, *lens)
    (folder / "cameras.bin").write_bytes(data)
    data = struct.pack("<Q", frames)
    for number, pose, name in images:
      data += struct.pack("<I7dI", number, *pose, 1) + name.encode() + b"\0"
      data += struct.pack("<QddQ", 1, 1.0, 2.0, 2**64 - 1)  # a point of none
    (folder / "images.bin").write_bytes(data)
    (folder / "points3D.bin").write_bytes(bytes(8))
    return
  told = " ".join(f"{x:g}" for x in lens)
  (folder / "cameras.txt").write_text(f"# one\n1 PINHOLE 40 30 {told}\n")
  (folder / "points3D.txt").write_text("")
  lines = []
  for number, pose, name in images:
    values = " ".join(f"{x:.17g}" for x in pose)
    lines += [f"{number} {values} 1 {name}", "1 1 -1" if number % 2 else ""]
  (folder / "images.txt").write_text("\n".join(lines) + "\n")
