"""Images or a video through a frozen codec and back, and their scores."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data_pipelines.loading.transforms import rescale_and_crop
from data_pipelines.sources.capture.frames import VIDEO_SUFFIXES
from scenetok_jax import console
from scenetok_jax.codecs.api import Codec, get_codec
from scenetok_jax.codecs.check import RoundTrip
from scenetok_jax.codecs.registry import published, published_names
from scenetok_jax.media import (
  contact_sheet,
  error_map,
  read_image,
  read_video,
  write_mp4,
  write_png,
)
from scenetok_jax.metrics.image import psnr, ssim
from scenetok_jax.metrics.seams import seams
from scenetok_jax.outputs import Output
from scenetok_jax.reading.image_search import IMAGE_SUFFIXES, natural_key
from scenetok_jax.reading.schema import Few
from scenetok_jax.types import InputError, option

FILES = ("contact_sheet.png", "round_trip.mp4")
COLUMNS = 8  # of the contact sheet
# Of the codecs without weights, as configs/common.py:embedded_codecs has them.
BLOCK_DCT = {"spatial": 16, "channels": 96, "frames_per_latent": 1}


@dataclasses.dataclass(frozen=True)
class CodecOptions:
  """Which codec; the published ones need weights."""

  weights: str | None = option(
    None, "folder made by scenetok convert --codec NAME"
  )
  dtype: str | None = option(
    None, "of the computation", choices=["float32", "bfloat16"]
  )
  frames_at_once: Few | None = option(None, "that one device works on together")
  spatial: Few | None = option(
    None, "block_dct, lapped_dct: pixels per block side"
  )
  channels: Few | None = option(None, "and coefficients kept")
  frames_per_latent: Few | None = option(None, "and frames per block")


@dataclasses.dataclass(frozen=True)
class ClipOptions:
  """How images become clips that are coded by themselves."""

  size: Few | None = option(None, "resize to cover and crop to this square")
  frames: Few | None = option(None, "only the first so many frames")
  each: bool = option(False, "code every image alone, also with a video codec")


@dataclasses.dataclass(frozen=True)
class Checked:
  """Clips uint8 [T H W 3] before and after a codec.

  scores: psnr and ssim of every decoded frame. left_out: frames that fill no
  latent. seams: of the decoded frames, and of those before. seconds: that it
  took.
  """

  codec: str
  truths: list[np.ndarray]
  decoded: list[np.ndarray]
  scores: dict[str, np.ndarray]
  left_out: int
  seams: tuple[float, float]
  seconds: float

  def means(self) -> dict[str, float]:
    return {name: float(np.mean(x)) for name, x in self.scores.items()}

  def line(self) -> str:
    """For the screen."""
    means, frames = self.means(), len(self.scores["psnr"])
    left = f", {self.left_out} left out" if self.left_out else ""
    return (
      f"{self.codec}: {frames} frames{left}: PSNR {means['psnr']:.2f} dB,"
      f" SSIM {means['ssim']:.4f}, seams {self.seams[0]:.2f} (before:"
      f" {self.seams[1]:.2f})"
    )

  def report(self) -> dict[str, Any]:
    """As JSON values."""
    return {
      "codec": self.codec,
      **self.means(),
      "frames": len(self.scores["psnr"]),
      "frames_left_out": self.left_out,
      "size": list(self.truths[0].shape[1:3]),
      "seams": self.seams[0],
      "seams_before": self.seams[1],
      "per_frame": self.scores,
      "seconds": self.seconds,
    }


def check(codec: Codec, clips: Sequence[np.ndarray]) -> Checked:
  """Codes every clip uint8 [T H W 3] by itself and scores what comes back.

  The scores are the ceiling of every reconstruction with this codec; an
  evaluation reports the same ones.
  """
  start = time.monotonic()
  round_trip = RoundTrip(codec)
  coded = sum(round_trip.kept(clip) for clip in clips)
  truths, decoded = [], []
  with console.Progress("frames", coded, "frame") as progress:
    for clip in clips:
      out = round_trip(clip)
      truths.append(clip[: len(out)])
      decoded.append(out)
      progress.update(len(out))
  scores = [_scores(a, b) for a, b in zip(truths, decoded, strict=True)]
  return Checked(
    codec.name,
    truths,
    decoded,
    {
      name: np.concatenate([score[name] for score in scores])
      for name in ("psnr", "ssim")
    },
    left_out=sum(map(len, clips)) - sum(map(len, decoded)),
    seams=(seams(decoded, codec.spatial), seams(truths, codec.spatial)),
    seconds=time.monotonic() - start,
  )


def make_codec(name: str, options: CodecOptions) -> Codec:
  """A codec by name: one without weights, or a published one with them.

  Raises:
    InputError: options of another codec, or no weights.
  """
  own = {field: getattr(options, field) for field in BLOCK_DCT}
  if name not in published_names():
    fields: dict[str, Any] = {
      field: own[field] or default for field, default in BLOCK_DCT.items()
    }
    return get_codec(name, **fields)
  given = [field for field, value in own.items() if value is not None]
  if given:
    flag = given[0].replace("_", "-")
    raise InputError(f"--{flag}: is of codecs without weights; leave it out")
  if not options.weights:
    entry = published(name)
    raise InputError(
      f"--weights: {name} needs the folder that scenetok convert --codec"
      f" {name} makes from {entry.file} ({entry.source})"
    )
  return get_codec(
    name,
    weights=options.weights,
    dtype=options.dtype,
    frames_at_once=options.frames_at_once,
  )


def read_clips(
  inputs: Sequence[str], codec: Codec, options: ClipOptions
) -> list[np.ndarray]:
  """Image files, a folder of them or one video -> clips uint8 [T H W 3].

  Raises:
    InputError: nothing to read, or images that make no clip.
  """
  paths = [Path(name) for name in inputs]
  if len(paths) == 1 and paths[0].is_dir():
    paths = sorted(
      (p for p in paths[0].iterdir() if p.suffix.lower() in IMAGE_SUFFIXES),
      key=lambda path: natural_key(path.name),
    )
    if not paths:
      raise InputError(f"{inputs[0]}: holds no images; give a folder of")
  if any(path.suffix.lower() in VIDEO_SUFFIXES for path in paths):
    if len(paths) > 1:
      raise InputError(f"{paths[0]}: give one video at a time, or images")
    images = list(read_video(paths[0], options.frames))
  else:
    images = [read_image(path) for path in paths[: options.frames]]
  if options.size:
    identity = np.eye(3)
    shape = (options.size, options.size)
    images = [rescale_and_crop(x, identity, shape)[0] for x in images]
  unit = codec.grouping.unit_frames
  alone = options.each or (unit == 1 and len({x.shape for x in images}) > 1)
  if alone:
    return [image[None] for image in images]
  if len({image.shape for image in images}) > 1:
    raise InputError(
      f"{paths[0]}: the images of a clip differ in size; give --size N, or"
      " --each to code them one by one"
    )
  return [np.stack(images)]


_psnr = jax.jit(psnr)
_ssim = jax.jit(ssim)


def _scores(truth: np.ndarray, decoded: np.ndarray) -> dict[str, np.ndarray]:
  """uint8 [T H W 3] twice -> PSNR and SSIM per frame, a frame at a time."""
  found: dict[str, list[float]] = {"psnr": [], "ssim": []}
  for a, b in zip(truth, decoded, strict=True):
    pair = [jnp.asarray(x, jnp.float32) / 255.0 for x in (b, a)]
    found["psnr"].append(float(_psnr(*pair)))
    found["ssim"].append(float(_ssim(*pair)))
  return {name: np.asarray(values) for name, values in found.items()}


def draw(checked: Checked, out: Output) -> None:
  """Writes contact_sheet.png and, of a single clip, round_trip.mp4."""
  truths, decoded, rows = checked.truths, checked.decoded, []
  for i in np.unique(np.linspace(0, len(truths) - 1, COLUMNS).astype(int)):
    rows += [
      (f"{i}: input", truths[i]),
      (f"{i}: decoded", decoded[i]),
      (f"{i}: error", error_map(decoded[i], truths[i], top=0.25)),
    ]
  write_png(out.file(FILES[0]), contact_sheet(rows, columns=COLUMNS))
  if len(decoded) == 1 and len(decoded[0]) > 1:
    both = np.concatenate([truths[0], decoded[0]], axis=2)
    write_mp4(out.file(FILES[1]), both)
