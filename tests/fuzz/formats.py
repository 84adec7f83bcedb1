"""The formats: a valid sample, what is mutated in it, and who reads it."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

from data_pipelines.latents.records import LatentDataset
from data_pipelines.sources import capture, dl3dv_scenes, re10k_texts
from data_pipelines.sources import re10k_chunks as chunks
from data_pipelines.storage import builders, depth_maps, records
from data_pipelines.views.evaluation import read_index
from scenetok_jax import media, outputs
from scenetok_jax.codecs import weights
from scenetok_jax.convert import reader
from scenetok_jax.convert.compact import PARAMS_FILE, load_compact
from scenetok_jax.evaluation import store, table_text, tables
from scenetok_jax.evaluation.results import read_result
from scenetok_jax.geometry import camera_files
from scenetok_jax.metrics.lpips_package import read_numpy_pickle
from scenetok_jax.parity import release_latents
from scenetok_jax.sampling.scene_file import Scene
from scenetok_jax.train import experiment, goodput, lives, loggers
from scenetok_jax.workdir import lock
from scenetok_jax.workdir.stored_config import (
  compare_config,
  load_stored_config,
)
from tests.fuzz import mutations, samples
from tests.sampling.models import tiny, tiny_config

Path = pathlib.Path


@dataclasses.dataclass(frozen=True)
class Format:
  """A file of a sample, and a function that reads the sample's folder.

  fill: makes the sample. name: of the file in it, a pattern with one match.
  mutate: bytes -> a strategy of bytes. own: whether reading may change files
  of the sample.
  """

  fill: Callable[[Path], None]
  name: str
  mutate: Callable[[bytes], Any]
  read: Callable[[Path], Any]
  own: bool = False

  @property
  def title(self) -> str:
    return f"{self.fill.__name__}:{self.name.replace('*', '')}"


def _prepared(folder):
  data = records.Dataset(folder)
  for row in data.scenes:
    data.cameras(row)
    data.read_frames(row, range(min(row.frames, 3)))


def _latents(folder):
  data = LatentDataset(folder)
  for row in data.scenes:
    data.cameras(row)
    data.read(row, "context", np.arange(min(row.frames, 3)))
    data.read(row, "target", np.arange(min(row.latents, 3)))


def _chunk(folder):
  for key, name in chunks.read_index(folder / "train"):
    chunks.load_scene(folder / "train" / name, key).render((16, 16))


def _fresh_chunk(folder):
  chunks._cached_chunk.cache_clear()
  for key in ("a", "b"):
    chunks.load_scene(folder / "train/a.torch", key).render((16, 16))


def _camera_text(folder):
  re10k_texts.load_scene(folder / "walk.txt").render((16, 16))


def _dl3dv(folder):
  dl3dv_scenes.read_scene(folder / "scene").render((16, 16))


def _capture(folder):
  for root in capture.discover(folder):
    capture.load(root, 16)


def _estimates(folder):
  camera_files.estimates_from_json(folder / "path.json")


def _scene(name):
  return lambda folder: Scene.load(folder / name)


def _same_config(folder):
  compare_config(folder, tiny_config().to_dict())


def _first_stage(folder):
  config = tiny_config("generator")
  config.tokenizer_from = str(folder)
  experiment.make_task(config, tiny("generator")[0])


def _rows(folder):
  loggers.drop_rows(folder / "metrics.jsonl", 2)


def _lives(folder):
  rows = lives.read_lives(folder / "lives.jsonl")
  goodput.check_lives(rows, "lives.jsonl")
  if rows:
    goodput.table(goodput.goodput(rows))


def _lock(folder):
  with mock.patch.multiple(lock, EXPIRED=0.02, BEAT=0.05):
    lock.check_free(folder)


def _tables(name):
  def read(folder):
    found = tables.make_tables([read_result(folder / name)])
    table_text.markdown(found)
    table_text.latex(found)

  return read


def _unpack(folder):
  store.unpack((folder / "a.npz").read_bytes(), "a.npz")


def _output(folder):
  with outputs.opened(folder / "out") as held:
    held.clear("*")


def _manifest(folder):
  weights.read_manifest(folder / "codec")
  weights.read_counts(folder / "codec")


def _weights(folder):
  shape = np.ones((2, 3), np.float32)
  weights.load_weights(folder / "codec", {"encoder": {"kernel": shape}})


def _published(folder):
  path = folder / "published.safetensors"
  reader.read_shapes(path)
  reader.read_step(path)
  dict(reader.read_tensors(path))


def _release(folder):
  found = release_latents.read_map(folder, "train")
  for plain, _ in found.values():
    release_latents.read_file(plain)


def _depth(folder):
  depth_maps.decode_depth((folder / "d.png").read_bytes(), "d.png")


_M = mutations
FORMATS = [
  Format(samples.prepared, "train/prepared.json", _M.json_text, _prepared),
  Format(samples.prepared, "train/scenes.jsonl", _M.json_lines, _prepared),
  Format(samples.prepared, "train/cameras.f32", _M.floats, _prepared),
  Format(samples.prepared, "train/*_record*", _M.damaged, _prepared),
  Format(
    samples.report, "train/prepared.json", _M.json_text,
    lambda folder: builders.tidy(folder, "train"), own=True,
  ),
  Format(
    samples.report, "report.json", _M.json_text,
    lambda folder: builders.tidy(folder, "train"), own=True,
  ),
  Format(samples.latents, "train/prepared.json", _M.json_text, _latents),
  Format(samples.latents, "train/scenes.jsonl", _M.json_lines, _latents),
  Format(samples.latents, "train/cameras.f32", _M.floats, _latents),
  Format(samples.latents, "train/target/*_record*", _M.damaged, _latents),
  Format(
    samples.index, "index.json", _M.json_text,
    lambda folder: read_index(folder / "index.json"),
  ),
  Format(samples.chunk, "train/index.json", _M.json_text, _chunk),
  Format(samples.chunk, "train/a.torch", _M.zipped, _fresh_chunk),
  Format(samples.camera_texts, "walk.txt", _M.text, _camera_text),
  Format(samples.camera_texts, "walk/0.jpg", _M.picture, _camera_text),
  Format(samples.dl3dv, "scene/transforms.json", _M.json_text, _dl3dv),
  Format(samples.dl3dv, "scene/images/frame_1.png", _M.picture, _dl3dv),
  Format(samples.capture, "transforms.json", _M.json_text, _capture),
  Format(samples.capture, "images/frame_1.png", _M.picture, _capture),
  Format(samples.poses_json, "poses.json", _M.json_text, _capture),
  Format(
    samples.paths, "path.json", _M.json_text,
    lambda folder: camera_files.from_json(folder / "path.json"),
  ),
  Format(
    samples.paths, "transforms.json", _M.json_text,
    lambda folder: camera_files.from_json(folder / "transforms.json"),
  ),
  Format(samples.paths, "path.json", _M.json_text, _estimates),
  Format(samples.scene, "float.tok", _M.safetensors, _scene("float.tok")),
  Format(samples.scene, "small.tok", _M.safetensors, _scene("small.tok")),
  Format(
    samples.compact, PARAMS_FILE, _M.safetensors,
    lambda folder: load_compact(folder / PARAMS_FILE),
  ),
  Format(samples.compact, "config.json", _M.json_text, load_stored_config),
  Format(samples.compact, "config.json", _M.json_text, _same_config),
  Format(samples.compact, "config.json", _M.json_text, _first_stage),
  Format(samples.workdir, "metrics.jsonl", _M.json_lines, _rows, own=True),
  Format(samples.workdir, "lives.jsonl", _M.json_lines, _lives),
  Format(samples.workdir, "run.lock", _M.json_text, _lock),
  Format(samples.results, "result.json", _M.json_text, _tables("result.json")),
  Format(
    samples.results, "generated.json", _M.json_text, _tables("generated.json")
  ),
  Format(samples.results, "pose.json", _M.json_text, _tables("pose.json")),
  Format(samples.results, "a.npz", _M.npz, _unpack),
  Format(
    samples.output, f"out/{outputs.LIST_FILE}", _M.json_text, _output, own=True
  ),
  Format(samples.codec, "codec/config.json", _M.json_text, _manifest),
  Format(samples.codec, "codec/codec.safetensors", _M.safetensors, _weights),
  Format(samples.codec, "published.safetensors", _M.safetensors, _published),
  Format(
    samples.codec, "lpips.ckpt", _M.damaged,
    lambda folder: read_numpy_pickle(folder / "lpips.ckpt"),
  ),
  Format(samples.release, "map_dict.json", _M.json_text, _release),
  Format(samples.release, "train/1/s.npz", _M.npz, _release),
  Format(
    samples.pictures, "a.jpg", _M.picture,
    lambda folder: media.read_image(folder / "a.jpg"),
  ),
  Format(samples.pictures, "d.png", _M.picture, _depth),
]  # fmt: skip
