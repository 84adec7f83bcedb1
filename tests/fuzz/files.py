"""The files of samples that are made hostile, each named once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from scenetok_jax.convert.compact import PARAMS_FILE
from scenetok_jax.outputs import LIST_FILE
from scenetok_jax.workdir.places import HUB_FILE
from tests.fuzz import binaries, samples
from tests.fuzz import mutations as _M


class File(NamedTuple):
  """fill: makes the sample. name: of a file in it, a pattern with one match.

  mutate: bytes -> a strategy of bytes.
  """

  fill: Callable[[Path], None]
  name: str
  mutate: Callable[[bytes], Any]

  @property
  def title(self) -> str:
    return f"{self.fill.__name__}:{self.name.replace('*', '')}"


PREPARED_JSON = File(samples.prepared, "train/prepared.json", _M.json_text)
PREPARED_SCENES_JSONL = File(
  samples.prepared, "train/scenes.jsonl", _M.json_lines
)
PREPARED_CAMERAS_F32 = File(samples.prepared, "train/cameras.f32", _M.floats)
PREPARED_RECORDS = File(samples.prepared, "train/*_record*", _M.damaged)
REPORT_PREPARED_JSON = File(samples.report, "train/prepared.json", _M.json_text)
REPORT_JSON = File(samples.report, "report.json", _M.json_text)
LATENTS_PREPARED_JSON = File(
  samples.latents, "train/prepared.json", _M.json_text
)
LATENTS_SCENES_JSONL = File(
  samples.latents, "train/scenes.jsonl", _M.json_lines
)
LATENTS_CAMERAS_F32 = File(samples.latents, "train/cameras.f32", _M.floats)
LATENTS_RECORDS = File(samples.latents, "train/target/*_record*", _M.damaged)
INDEX_JSON = File(samples.index, "index.json", _M.json_text)
CHUNK_INDEX_JSON = File(samples.chunk, "train/index.json", _M.json_text)
CHUNK_A_TORCH = File(samples.chunk, "train/a.torch", _M.zipped)
CAMERA_TEXTS_WALK_TXT = File(samples.camera_texts, "walk.txt", _M.text)
CAMERA_TEXTS_0_JPG = File(samples.camera_texts, "walk/0.jpg", _M.picture)
DL3DV_TRANSFORMS_JSON = File(
  samples.dl3dv, "scene/transforms.json", _M.json_text
)
DL3DV_FRAME_1_PNG = File(samples.dl3dv, "scene/images/frame_1.png", _M.picture)
CAPTURE_TRANSFORMS_JSON = File(samples.capture, "transforms.json", _M.json_text)
CAPTURE_FRAME_1_PNG = File(samples.capture, "images/frame_1.png", _M.picture)
POSES_JSON = File(samples.poses_json, "poses.json", _M.json_text)
PATHS_PATH_JSON = File(samples.paths, "path.json", _M.json_text)
PATHS_TRANSFORMS_JSON = File(samples.paths, "transforms.json", _M.json_text)
VIEWER_PATH_JSON = File(samples.viewer_path, "camera_path.json", _M.json_text)
VIEWER_DATAPARSER_JSON = File(
  samples.viewer_path, "dataparser_transforms.json", _M.json_text
)
VIEWER_TRANSFORMS_JSON = File(
  samples.viewer_path, "transforms.json", _M.json_text
)
KEYFRAMES_JSON = File(samples.keyframes, "keyframes.json", _M.json_text)
SCENE_FLOAT_TOK = File(samples.scene, "float.tok", _M.safetensors)
SCENE_SMALL_TOK = File(samples.scene, "small.tok", _M.safetensors)
COMPACT_PARAMS = File(samples.compact, PARAMS_FILE, _M.safetensors)
COMPACT_CONFIG_JSON = File(samples.compact, "config.json", _M.json_text)
RELEASED = File(samples.released, "model.safetensors", _M.safetensors)
WORKDIR_METRICS_JSONL = File(samples.workdir, "metrics.jsonl", _M.json_lines)
WORKDIR_LIVES_JSONL = File(samples.workdir, "lives.jsonl", _M.json_lines)
WORKDIR_RUN_LOCK = File(samples.workdir, "run.lock", _M.json_text)
EVAL_JSONL = File(samples.evaluations, "eval.jsonl", _M.json_lines)
HUB_JSON = File(samples.hub, HUB_FILE, _M.json_text)
INTERRUPTED = File(
  samples.interrupted, "interrupted.safetensors", _M.safetensors
)
STEP_CACHE = File(samples.cached_steps, "cache.json", _M.json_text)
PHOTOS_SHARPNESS = File(samples.photos, "sharpness.json", _M.json_text)
PHOTOS_STATE = File(samples.photos, "work/estimate.json", _M.json_text)
BLENDER_TRAIN = File(samples.blender, "transforms_train.json", _M.json_text)
BLENDER_TEST = File(samples.blender, "transforms_test.json", _M.json_text)
FURNITURE_LIBRARY = File(samples.furniture, "one.sh3f", _M.zipped)
FURNITURE_MODEL = File(samples.furniture, "one.sh3f", binaries.packed_text)
FURNITURE_TEXTURES = File(
  samples.furniture, "sweethome3d.jar", binaries.packed_text
)
METRIC_CONFIG = File(samples.metric, "fid_inception/config.json", _M.json_text)
RESULTS_RESULT_JSON = File(samples.results, "result.json", _M.json_text)
RESULTS_GENERATED_JSON = File(samples.results, "generated.json", _M.json_text)
RESULTS_POSE_JSON = File(samples.results, "pose.json", _M.json_text)
RESULTS_A_NPZ = File(samples.results, "a.npz", _M.npz)
OUTPUT_LIST = File(samples.output, f"out/{LIST_FILE}", _M.json_text)
CODEC_CONFIG_JSON = File(samples.codec, "codec/config.json", _M.json_text)
CODEC_CODEC_SAFETENSORS = File(
  samples.codec, "codec/codec.safetensors", _M.safetensors
)
CODEC_PUBLISHED_SAFETENSORS = File(
  samples.codec, "published.safetensors", _M.safetensors
)
CODEC_LPIPS_CKPT = File(samples.codec, "lpips.ckpt", _M.damaged)
RELEASE_MAP_DICT_JSON = File(samples.release, "map_dict.json", _M.json_text)
RELEASE_S_NPZ = File(samples.release, "train/1/s.npz", _M.npz)
PICTURES_A_JPG = File(samples.pictures, "a.jpg", _M.picture)
PICTURES_D_PNG = File(samples.pictures, "d.png", _M.picture)
COLMAP_CAMERAS_BIN = File(
  samples.colmap_binary, "sparse/0/cameras.bin", binaries.packed
)
COLMAP_IMAGES_BIN = File(
  samples.colmap_binary, "sparse/0/images.bin", binaries.packed
)
COLMAP_POINTS_BIN = File(
  samples.colmap_binary, "sparse/0/points3D.bin", binaries.packed
)
COLMAP_CAMERAS_TXT = File(samples.colmap_text, "sparse/0/cameras.txt", _M.text)
COLMAP_IMAGES_TXT = File(samples.colmap_text, "sparse/0/images.txt", _M.text)
VIDEO = File(samples.videos, "clip.mp4", binaries.video)
VIDEO_POSES = File(samples.videos, "poses.json", _M.json_text)
TORCH_ZIP = File(samples.checkpoints, "flat_zip.pth", binaries.torch_zip)
TORCH_NESTED = File(samples.checkpoints, "nested_zip.pt", binaries.torch_zip)
TORCH_LEGACY = File(samples.checkpoints, "nested_legacy.pt", binaries.pickled)
PART_JSON = File(samples.parts, "part-00000/part.json", _M.json_text)
PART_SCENES = File(samples.parts, "part-00000/scenes.jsonl", _M.json_lines)
PART_CAMERAS = File(samples.parts, "part-00000/cameras.f32", _M.floats)
LATENT_PART_JSON = File(
  samples.latent_parts, "part-00000/part.json", _M.json_text
)
LATENT_PART_SCENES = File(
  samples.latent_parts, "part-00000/scenes.jsonl", _M.json_lines
)
DIGEST = File(samples.digest, "digest.json", _M.json_text)
CASE_CONFIG = File(samples.cases, "rays/config.json", _M.json_text)
CASE_INPUTS = File(samples.cases, "geometry/inputs.npz", _M.npz)
CASE_OUTPUTS = File(samples.cases, "frechet_distance/outputs.npz", _M.npz)
CASE_CROP = File(samples.cases, "crop/config.json", _M.json_text)
