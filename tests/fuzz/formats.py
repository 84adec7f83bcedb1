"""The formats: a valid sample, what is mutated in it, and who reads it."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest

from data_pipelines.latents import writer as latent_writer
from data_pipelines.latents.records import LatentDataset
from data_pipelines.photos import pictures
from data_pipelines.photos.estimate import _claim as claim
from data_pipelines.photos.options import PoseOptions
from data_pipelines.photos.source import find_source
from data_pipelines.sources import capture, dl3dv_scenes, re10k_texts
from data_pipelines.sources import re10k_chunks as chunks
from data_pipelines.storage import builders, depth_maps, records, writer
from data_pipelines.views.evaluation import read_index
from scenetok_jax import media, outputs
from scenetok_jax.codecs import weights
from scenetok_jax.convert import reader
from scenetok_jax.convert.compact import PARAMS_FILE, load_compact
from scenetok_jax.evaluation import store, table_text, tables
from scenetok_jax.evaluation.results import read_result
from scenetok_jax.flow.solvers import SolverState
from scenetok_jax.geometry import camera_files
from scenetok_jax.inference import identity
from scenetok_jax.metrics.loading import missing
from scenetok_jax.metrics.lpips_package import read_numpy_pickle
from scenetok_jax.parity import release_latents
from scenetok_jax.parity import report as parity_report
from scenetok_jax.parity import run as parity
from scenetok_jax.sampling import step_cache
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.scene_file import Scene
from scenetok_jax.sampling.slices import StateFile, run_slices
from scenetok_jax.train import (
  experiment,
  goodput,
  lives,
  loggers,
  runs,
  runs_page,
)
from scenetok_jax.train.curves import draw_curves
from scenetok_jax.types import InputError
from scenetok_jax.viewer import keyframes
from scenetok_jax.workdir import lock, places
from scenetok_jax.workdir.stored_config import (
  compare_config,
  load_stored_config,
)
from tests.data_pipelines.furnished import libraries
from tests.fuzz import files
from tests.fuzz.files import File
from tests.sampling.models import tiny, tiny_config

Path = pathlib.Path


@dataclasses.dataclass(frozen=True)
class Format:
  """A file, and a function that reads the folder of its sample.

  own: whether reading may change files of the sample. cost: of reading, in
  quick files.
  """

  file: File
  read: Callable[[Path], Any]
  own: bool = False
  cost: int = 1


def _prepared(folder):
  data = records.Dataset(folder)
  for row in data.scenes:
    data.cameras(row)
    data.read_frames(row, range(min(row.frames, 3)))


def _viewer_path(folder):
  camera_files.from_json(folder / "camera_path.json")


def _keyframes(folder):
  content = (folder / "keyframes.json").read_bytes()
  keyframes.load(content, "keyframes.json", np.zeros(3), 64)


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


def _eval(folder):
  draw_curves(folder)
  run = runs.read_run(str(folder))
  runs_page.page([run], [])
  runs.finals(run)


def _hub(folder):
  codec = {"name": "block_dct", "weights_sha256": ""}
  places._check_files("hf://us/x", folder)
  places.check_codecs("hf://us/x", folder, {"target": codec})


def _interrupted(folder):
  fresh = SolverState(*np.zeros((2, 2, 3), np.float32))
  file = StateFile(folder / "interrupted.safetensors", "ours")
  run_slices(lambda state, start, stop: state, fresh, 8, file=file)


def _step_cache(folder):
  step_cache.load(folder / "cache.json", RenderOptions(steps=3))


def _sharpness(folder):
  source, options = find_source(folder / "clip.mp4"), PoseOptions(count=3)
  pictures.write_pictures(source, options, folder, None)


def _estimate(folder):
  claim(folder / "work", "a" * 12)


def _furniture(folder):
  libraries.read_all(folder)


def _metric(folder):
  missing("fid", folder)


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


def _video(folder):
  media.read_video(folder / "clip.mp4", 4)


def _torch(name):
  def read(folder):
    pytest.importorskip("torch", reason="the extra [convert]")
    reader.read_shapes(folder / name)
    step = reader.read_step(folder / name)
    assert 0 <= step < 1 << 53
    dict(reader.read_tensors(folder / name))

  return read


def _merge(merge, info):
  def read(folder):
    merge([folder / "part-00000"], folder / "made", "train", info)

  return read


def _digest(folder):
  params = {n: np.ones(3, np.float32) for n in ("tokenizer", "decoder")}
  origin = identity.Origin(params, folder / "digest.json", "b" * 64)
  with mock.patch.object(identity, "_REMEMBERED", 0):
    assert len(identity.identity(params, origin)) <= 64


def _case(name):
  def read(folder):
    for result in parity.run([folder / name]):
      found = parity_report.lines(result, failures_only=False)
      assert all(line.isprintable() for line in found)
      if result.error:
        raise InputError(result.error)

  return read


_LATENT_INFO = {"codecs": {"context": {}, "target": {}}}
FORMATS = [
  Format(files.PREPARED_JSON, _prepared),
  Format(files.PREPARED_SCENES_JSONL, _prepared),
  Format(files.PREPARED_CAMERAS_F32, _prepared),
  Format(files.PREPARED_RECORDS, _prepared),
  Format(
    files.REPORT_PREPARED_JSON,
    lambda folder: builders.tidy(folder, "train"),
    own=True,
  ),
  Format(
    files.REPORT_JSON, lambda folder: builders.tidy(folder, "train"), own=True
  ),
  Format(files.LATENTS_PREPARED_JSON, _latents),
  Format(files.LATENTS_SCENES_JSONL, _latents),
  Format(files.LATENTS_CAMERAS_F32, _latents),
  Format(files.LATENTS_RECORDS, _latents),
  Format(files.INDEX_JSON, lambda folder: read_index(folder / "index.json")),
  Format(files.CHUNK_INDEX_JSON, _chunk),
  Format(files.CHUNK_A_TORCH, _fresh_chunk),
  Format(files.CAMERA_TEXTS_WALK_TXT, _camera_text),
  Format(files.CAMERA_TEXTS_0_JPG, _camera_text),
  Format(files.DL3DV_TRANSFORMS_JSON, _dl3dv),
  Format(files.DL3DV_FRAME_1_PNG, _dl3dv),
  Format(files.CAPTURE_TRANSFORMS_JSON, _capture),
  Format(files.CAPTURE_FRAME_1_PNG, _capture),
  Format(files.POSES_JSON, _capture),
  Format(
    files.PATHS_PATH_JSON,
    lambda folder: camera_files.from_json(folder / "path.json"),
  ),
  Format(
    files.PATHS_TRANSFORMS_JSON,
    lambda folder: camera_files.from_json(folder / "transforms.json"),
  ),
  Format(files.VIEWER_PATH_JSON, _viewer_path),
  Format(files.VIEWER_DATAPARSER_JSON, _viewer_path),
  Format(files.VIEWER_TRANSFORMS_JSON, _viewer_path),
  Format(files.PATHS_PATH_JSON, _estimates),
  Format(files.KEYFRAMES_JSON, _keyframes),
  Format(files.SCENE_FLOAT_TOK, _scene("float.tok")),
  Format(files.SCENE_SMALL_TOK, _scene("small.tok")),
  Format(
    files.COMPACT_PARAMS, lambda folder: load_compact(folder / PARAMS_FILE)
  ),
  Format(files.COMPACT_CONFIG_JSON, load_stored_config),
  Format(files.COMPACT_CONFIG_JSON, _same_config),
  Format(files.COMPACT_CONFIG_JSON, _first_stage),
  Format(files.WORKDIR_METRICS_JSONL, _rows, own=True),
  Format(files.WORKDIR_LIVES_JSONL, _lives),
  Format(files.WORKDIR_RUN_LOCK, _lock),
  Format(files.EVAL_JSONL, _eval, own=True, cost=40),
  Format(files.HUB_JSON, _hub),
  Format(files.INTERRUPTED, _interrupted, own=True),
  Format(files.STEP_CACHE, _step_cache),
  Format(files.PHOTOS_SHARPNESS, _sharpness, own=True),
  Format(files.PHOTOS_STATE, _estimate, own=True),
  Format(files.BLENDER_TRAIN, _capture),
  Format(files.BLENDER_TEST, _capture),
  Format(files.FURNITURE_LIBRARY, _furniture, own=True, cost=2),
  Format(files.FURNITURE_MODEL, _furniture, own=True, cost=2),
  Format(files.FURNITURE_TEXTURES, _furniture, own=True, cost=2),
  Format(files.METRIC_CONFIG, _metric),
  Format(files.RESULTS_RESULT_JSON, _tables("result.json")),
  Format(files.RESULTS_GENERATED_JSON, _tables("generated.json")),
  Format(files.RESULTS_POSE_JSON, _tables("pose.json")),
  Format(files.RESULTS_A_NPZ, _unpack),
  Format(files.OUTPUT_LIST, _output, own=True),
  Format(files.CODEC_CONFIG_JSON, _manifest),
  Format(files.CODEC_CODEC_SAFETENSORS, _weights),
  Format(files.CODEC_PUBLISHED_SAFETENSORS, _published),
  Format(
    files.CODEC_LPIPS_CKPT,
    lambda folder: read_numpy_pickle(folder / "lpips.ckpt"),
  ),
  Format(files.RELEASE_MAP_DICT_JSON, _release),
  Format(files.RELEASE_S_NPZ, _release),
  Format(
    files.PICTURES_A_JPG, lambda folder: media.read_image(folder / "a.jpg")
  ),
  Format(files.PICTURES_D_PNG, _depth),
  Format(files.COLMAP_CAMERAS_BIN, _capture),
  Format(files.COLMAP_IMAGES_BIN, _capture),
  Format(files.COLMAP_POINTS_BIN, _capture),
  Format(files.COLMAP_CAMERAS_TXT, _capture),
  Format(files.COLMAP_IMAGES_TXT, _capture),
  Format(files.VIDEO, _video),
  Format(files.VIDEO, _capture),
  Format(files.VIDEO_POSES, _capture),
  Format(files.TORCH_ZIP, _torch("flat_zip.pth")),
  Format(files.TORCH_NESTED, _torch("nested_zip.pt")),
  Format(files.TORCH_LEGACY, _torch("nested_legacy.pt")),
  Format(files.PART_JSON, _merge(writer.merge, {}), own=True),
  Format(files.PART_SCENES, _merge(writer.merge, {}), own=True),
  Format(files.PART_CAMERAS, _merge(writer.merge, {}), own=True),
  Format(
    files.LATENT_PART_JSON, _merge(latent_writer.merge, _LATENT_INFO), own=True
  ),
  Format(
    files.LATENT_PART_SCENES,
    _merge(latent_writer.merge, _LATENT_INFO),
    own=True,
  ),
  Format(files.DIGEST, _digest, own=True),
  Format(files.CASE_CONFIG, _case("rays"), cost=8),
  Format(files.CASE_INPUTS, _case("geometry"), cost=8),
  Format(files.CASE_OUTPUTS, _case("frechet_distance"), cost=8),
  Format(files.CASE_CROP, _case("crop"), cost=8),
]
