"""Small valid files of every format; each function fills an empty folder."""

import dataclasses
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

from data_pipelines.latents import builders as latent_builders
from data_pipelines.latents import writer as latent_writer
from data_pipelines.storage import builders, records, writer
from data_pipelines.storage.depth_maps import encode_depth
from scenetok_jax import media, outputs
from scenetok_jax.codecs.weights import Manifest, save_weights
from scenetok_jax.evaluation.scores import SceneResult
from scenetok_jax.evaluation.store import pack
from scenetok_jax.flow.solvers import SolverState
from scenetok_jax.sampling import step_cache
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.scene_file import Scene
from scenetok_jax.sampling.slices import StateFile
from scenetok_jax.types import Cameras
from scenetok_jax.viewer.keyframes import Keyframes
from scenetok_jax.workdir import places
from tests.cli import workdirs
from tests.data_pipelines import chunks, clips
from tests.data_pipelines.damage_test import _write_text
from tests.data_pipelines.furnished import libraries
from tests.data_pipelines.latents.builders_test import _work

_GOLDENS = Path(__file__).parents[1] / "goldens"
_LENS = [[0.9, 0, 0.5], [0, 0.9, 0.5], [0, 0, 1]]


def _cameras(count):
  lenses = np.tile(np.array(_LENS, np.float32), (count, 1, 1))
  return Cameras(clips.poses(count).astype(np.float32), lenses)


def _json(folder, name, value):
  (folder / name).write_text(json.dumps(value))


def prepared(folder):
  builders.build(folder, clips.plan(scenes=2, frames=6))


def latents(folder):
  frames = folder.with_name("frames")
  builders.build(frames, clips.plan(scenes=2, frames=40))
  latent_builders.build(folder, _work(frames, flipped=False))


def index(folder):
  entry = {"context": [0, 4], "target": [1, 2, 3]}
  _json(folder, "index.json", {"s0": entry, "s1": entry, "s2": None})


def chunk(folder):
  content = {"a.torch": [chunks.scene("a", 3), chunks.scene("b", 2)]}
  chunks.save_split(folder / "train", content)


def camera_texts(folder):
  _write_text(folder, "walk")


def dl3dv(folder):
  clips.write_capture(folder / "scene", frames=3)


def capture(folder):
  clips.write_capture(folder, frames=3)


def poses_json(folder):
  clips.write_capture(folder, frames=3)
  (folder / "transforms.json").unlink()
  k = [[50, 0, 20], [0, 50, 15], [0, 0, 1]]
  frames = [
    {"file": f"images/frame_{i}.png", "w2c": pose.tolist(), "K": k}
    for i, pose in enumerate(clips.poses(3))
  ]
  _json(folder, "poses.json", {"frames": frames})


def paths(folder):
  cameras = _cameras(3)
  fields = {"extrinsics": cameras.extrinsics, "intrinsics": cameras.intrinsics}
  _json(folder, "path.json", {n: x.tolist() for n, x in fields.items()})
  frames = [{"transform_matrix": x.tolist()} for x in cameras.extrinsics]
  size = {"w": 40, "h": 30, "fl_x": 36, "cx": 20, "cy": 15}
  _json(folder, "transforms.json", {**size, "frames": frames})


def viewer_path(folder):
  """A path of nerfstudio's viewer in the frame of its training."""
  paths(folder)
  turn = np.eye(4)[:3].tolist()
  document = json.loads((folder / "transforms.json").read_text())
  _json(folder, "transforms.json", {**document, "applied_transform": turn})
  _json(folder, "dataparser_transforms.json", {"transform": turn, "scale": 0.5})
  cameras = [
    {"camera_to_world": np.ravel(x).tolist(), "fov": 50.0, "aspect": 1.5}
    for x in _cameras(3).extrinsics
  ]
  _json(folder, "camera_path.json", {"camera_path": cameras})


def keyframes(folder):
  """A path that the browser viewer saved."""
  found = Keyframes(_cameras(3), every=2).to_json(np.zeros(3))
  (folder / "keyframes.json").write_bytes(found)


def scene(folder):
  eye = np.eye(4, dtype=np.float32)
  found = Scene("good", np.ones((2, 4)), eye, _cameras(2), "m" * 8, "c" * 8)
  found.save(folder / "float.tok")
  other = dataclasses.replace(found, scale=0.5)
  other.save(folder / "small.tok", "int8")


def compact(folder):
  workdirs.stage1(folder)


def released(folder):
  workdirs.released(folder / "model.safetensors")


def workdir(folder):
  rows = [{"step": i, "loss": 1.0 / i, "kind": "train"} for i in (1, 2, 3)]
  lines = "".join(json.dumps(row) + "\n" for row in rows)
  (folder / "metrics.jsonl").write_text(lines)
  _json(folder, "config.json", {"seed": 0, "train": {"total_steps": 3}})
  life = {
    "begin": 10.0, "end": 60.0, "ended": "killed", "processes": 1,
    "devices": 8, "first_step": 0, "last_step": 50,
    "seconds": {"step": 40.0, "data_wait": 5.0, "compile": 5.0},
  }  # fmt: skip
  later = {**life, "begin": 70.0, "end": 99.0, "first_step": 40}
  lines = "".join(json.dumps(row) + "\n" for row in (life, later))
  (folder / "lives.jsonl").write_text(lines)
  lease = {"owner": "a" * 32, "pid": 1, "host": "h", "machine": "m"}
  _json(folder, "run.lock", {**lease, "started": "1", "beat": "1.000"})


def evaluations(folder):
  """A run that has been evaluated."""
  workdir(folder)
  rows = [{"step": i, "psnr": 10.0 + i, "ssim": 0.5} for i in (1, 2, 3)]
  lines = "".join(json.dumps(row) + "\n" for row in rows)
  (folder / "eval.jsonl").write_text(lines)


def hub(folder):
  """What a model of the hub has beside its parameters."""
  for name in places.FILES:
    (folder / name).write_text("a file's")
  hashes = {name: places.file_sha256(folder / name) for name in places.FILES}
  codecs = {"target": {"name": "block_dct", "weights_sha256": ""}}
  _json(
    folder,
    places.HUB_FILE,
    {"version": places.VERSION, "files": hashes, "codecs": codecs},
  )


def interrupted(folder):
  """A rendering that was stopped after four steps."""
  state = SolverState(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32))
  StateFile(folder / "interrupted.safetensors", "ours").save(state, 4)


def cached_steps(folder):
  """Which steps of a rendering reuse others."""
  options = RenderOptions(steps=3)
  step_cache.save(folder / "cache.json", options, [False, True, False])


def photos(folder):
  """A video, and what an estimate of its poses keeps."""
  videos(folder)
  _json(folder, "sharpness.json", {"times": [*range(6)], "scores": [1.5] * 6})
  (folder / "work").mkdir()
  _json(folder, "work/estimate.json", {"digest": "a" * 12})


def blender(folder):
  """Transforms of NeRF's synthetic scenes: test frames in their own file."""
  clips.write_capture(folder, frames=4)
  document = json.loads((folder / "transforms.json").read_text())
  (folder / "transforms.json").unlink()
  frames = document.pop("frames")
  for name, part in (("train", frames[:3]), ("test", frames[3:])):
    _json(folder, f"transforms_{name}.json", {**document, "frames": part})


def furniture(folder):
  """A package of furniture with one model, and one of textures."""
  libraries.write_model(folder / "one.sh3f")
  libraries.write_textures(folder / "sweethome3d.jar")


def metric(folder):
  """A folder of a converted network of a metric."""
  codec(folder)
  (folder / "codec").rename(folder / "fid_inception")
  file = folder / "fid_inception/config.json"
  file.write_text(file.read_text().replace("va_vae", "fid_inception"))


def results(folder):
  row = {"psnr": 20.0, "ssim": 0.7, "frames": 5}
  found = {
    "protocol": "re10k_c12_128", "generation": False,
    "checkpoint_sha256": "a" * 64, "checkpoint_step": 7,
    "index_file": "x.json", "index_sha256": "b" * 64, "index_scenes": 136,
    "index_scenes_published": 136, "scenes": 130, "frames": 999,
    "psnr": 23.5, "ssim": 0.8, "representation_floats": 32768,
    "confidence_intervals": {"psnr": [23.0, 24.0]},
    "missing_metrics": {"fid": "fid_inception: get it"},
    "impossible_metrics": {"fvd": "too few frames"},
    "missing_scenes": ["gone1", "gone2"], "per_scene": {"a": row, "b": row},
    "pictures": {"a": "a.png"}, "options": {"generation": {"shift": 4.0}},
  }  # fmt: skip
  _json(folder, "result.json", found)
  Image.new("RGB", (40, 30)).save(folder / "a.png")
  generated = {**found, "generation": True, "protocol": "own"}
  _json(folder, "generated.json", generated)
  row = {"frames": 10, "placed": 9, "racc@10": 0.5, "auc@30": 0.25}
  pose = {
    "arguments": {"transfer": True, "every": 4, "workdir": "runs/x"},
    "oracle": "pycolmap", "judged": "another scene along this path",
    "racc@10": 0.5, "auc@30": 0.25, "shuffled_auc@30": 0.1,
    "checkpoint_sha256": "a" * 64, "checkpoint_step": 5,
    "confidence_intervals": {"auc@30": [0.2, 0.3]},
    "missing_metrics": {}, "per_scene": {"a": row, "b": row},
  }  # fmt: skip
  _json(folder, "pose.json", pose)
  features = {"fid/real": np.ones((2, 3), np.float32)}
  data = pack(SceneResult("a", {"psnr": 20.0}, 5, 0.25, features))
  (folder / "a.npz").write_bytes(data)


def output(folder):
  with outputs.opened(folder / "out") as held:
    for path in held.claim("video.mp4", "frames/0000.png"):
      path.parent.mkdir(exist_ok=True)
      path.write_text("a run's")


def codec(folder):
  params = {"encoder": {"kernel": np.ones((2, 3), np.float32)}}
  manifest = Manifest("va_vae", {"sides": [1, 2]}, "x.pt", "a" * 64)
  save_weights(folder / "codec", manifest, params)
  named = {"a.weight": np.ones((2, 3), np.float32), "step": np.array(3)}
  save_file(named, folder / "published.safetensors", {"step": "12"})
  arrays = {"VGG16_0": {"Conv_0": {"kernel": np.ones((2, 2), np.float32)}}}
  (folder / "lpips.ckpt").write_bytes(pickle.dumps(arrays, 4))


def release(folder):
  (folder / "train/1").mkdir(parents=True)
  _json(folder, "map_dict.json", {"train": {"1": {"s": ["s.npz"]}}})
  cameras = _cameras(4)
  np.savez(
    folder / "train/1/s.npz",
    latent=np.ones((4, 8, 2, 2), np.float16),
    extrinsics=cameras.extrinsics.astype(np.float16),
    intrinsics=cameras.intrinsics.astype(np.float16),
  )


def pictures(folder):
  (folder / "a.jpg").write_bytes(chunks.jpeg(24, 32, 9).tobytes())
  (folder / "d.png").write_bytes(encode_depth(np.ones((8, 8), np.float32)))


def report(folder):
  prepared(folder)
  assert records.splits(folder) == ["train"]


def colmap_binary(folder):
  clips.write_capture(folder, frames=3)
  (folder / "transforms.json").unlink()
  clips.write_colmap(folder / "sparse/0", 3, binary=True)


def colmap_text(folder):
  clips.write_capture(folder, frames=3)
  (folder / "transforms.json").unlink()
  clips.write_colmap(folder / "sparse/0", 3)


def videos(folder):
  """A capture whose frames are in a video."""
  level = 20 * np.arange(6, dtype=np.uint8)[:, None, None, None]
  frames = level + np.zeros((32, 48, 3), np.uint8)
  media.write_mp4(folder / "clip.mp4", frames, min_size=0)
  k = [[50, 0, 24], [0, 50, 16], [0, 0, 1]]
  rows = [
    {"index": i, "w2c": pose.tolist(), "K": k}
    for i, pose in enumerate(clips.poses(3))
  ]
  _json(folder, "poses.json", {"frames": rows})


def checkpoints(folder):
  """Torch's files, of its format since 1.6 and before."""
  shutil.copytree(_GOLDENS / "checkpoint_formats", folder, dirs_exist_ok=True)


def parts(folder):
  """What a killed `prepare` leaves of frames."""
  part = writer.PartWriter(folder / "part-00000")
  part.add(_encoded())
  part.close({"dropped": [], "warnings": ["a: note"]})


def _encoded():
  image = chunks.jpeg(16, 16, 9).tobytes()
  return writer.EncodedScene("a", [image] * 3, _cameras(3), 16, 16, "here")


def latent_parts(folder):
  """And of latents."""
  part = latent_writer.PartWriter(folder / "part-00000")
  latents = np.ones((3, 2, 2, 4), np.float16)
  part.add(
    latent_writer.EncodedLatents(
      "a", [latents], [latents], _cameras(3), (16, 16), "here"
    )
  )
  part.close({"dropped": []})


def digest(folder):
  _json(folder, "digest.json", {"model": "a" * 64, "stamp": "b" * 64})


def cases(folder):
  """Reference cases that take no network."""
  for name in ("crop", "frechet_distance", "geometry", "rays"):
    shutil.copytree(_GOLDENS / name, folder / name)
