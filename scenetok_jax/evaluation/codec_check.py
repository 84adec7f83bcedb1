"""Sends images or a video through a frozen codec and back, and scores it."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data_pipelines.loading.transforms import rescale_and_crop
from data_pipelines.sources.capture_frames import (
  IMAGE_SUFFIXES,
  VIDEO_SUFFIXES,
  natural_key,
)
from scenetok_jax import console
from scenetok_jax.codecs.api import Codec, get_codec
from scenetok_jax.codecs.check import RoundTrip
from scenetok_jax.codecs.published import PUBLISHED
from scenetok_jax.io import write_json
from scenetok_jax.media import (
  contact_sheet,
  error_map,
  read_image,
  read_video,
  write_mp4,
  write_png,
)
from scenetok_jax.metrics.image import psnr, ssim
from scenetok_jax.types import InputError

COLUMNS = 8  # of the contact sheet
# The block-DCT codecs that configs/console.py:embedded_codecs puts in place.
BLOCK_DCT = {"spatial": 16, "channels": 96, "frames_per_latent": 1}


def main(argv: Sequence[str] | None = None) -> int:
  """Prints PSNR and SSIM; writes --json, a contact sheet and a video."""
  args = _parser().parse_args(argv)
  start = time.monotonic()
  codec = _codec(args)
  clips = _clips(args, codec)
  round_trip = RoundTrip(codec)
  coded = sum(round_trip.kept(clip) for clip in clips)
  truths, decoded = [], []
  total = sum(len(clip) for clip in clips)
  with console.Progress("frames", coded, "frame") as progress:
    for clip in clips:
      out = round_trip(clip)
      truths.append(clip[: len(out)])
      decoded.append(out)
      progress.update(len(out))
  scores = [_scores(a, b) for a, b in zip(truths, decoded, strict=True)]
  per_frame = {
    name: np.concatenate([score[name] for score in scores])
    for name in ("psnr", "ssim")
  }
  frames = len(per_frame["psnr"])
  means = {name: float(np.mean(x)) for name, x in per_frame.items()}
  result: dict[str, Any] = {
    "codec": codec.name,
    "weights": args.weights,
    **means,
    "frames": frames,
    "frames_left_out": total - frames,
    "size": list(clips[0].shape[1:3]),
    "per_frame": per_frame,
    "seconds": time.monotonic() - start,
  }
  left = f", {total - frames} left out" if total > frames else ""
  print(
    f"{codec.name}: {frames} frames{left}: PSNR {means['psnr']:.2f} dB,"
    f" SSIM {means['ssim']:.4f}"
  )
  if args.json:
    write_json(args.json, result)
  if args.out:
    _pictures(Path(args.out), truths, decoded)
  return 0


def _parser() -> console.Parser:
  parser = console.parser(
    "codec-check",
    (__doc__ or "")
    + " The score is the ceiling of every reconstruction number with that"
    " codec: evaluate reports it by the same code.",
  )
  add = parser.add_argument
  add("inputs", nargs="+", help="image files, a folder of them, or one video")
  add("--codec", required=True, choices=["block_dct", *sorted(PUBLISHED)])
  add("--weights", help="folder made by scenetok convert --codec NAME")
  add("--size", type=int, help="resize to cover and crop to this square")
  add("--frames", type=int, help="only the first so many frames")
  add(
    "--each",
    action="store_true",
    help="code every image alone, also with a video codec",
  )
  add("--dtype", choices=["float32", "bfloat16"], help="of the computation")
  add("--frames-at-once", type=int, help="that one device works on together")
  add("--spatial", type=int, help="block_dct: pixels per block side")
  add("--channels", type=int, help="block_dct: coefficients kept")
  add("--frames-per-latent", type=int, help="block_dct: frames per block")
  add("--json", metavar="FILE", help="write the scores here")
  add("--out", metavar="DIR", help="write contact_sheet.png, round_trip.mp4")
  return parser


def _codec(args: argparse.Namespace) -> Codec:
  """The codec of the command line."""
  own = {name: getattr(args, name) for name in BLOCK_DCT}
  if args.codec == "block_dct":
    fields: dict[str, Any] = {
      name: own[name] or default for name, default in BLOCK_DCT.items()
    }
    return get_codec("block_dct", **fields)
  given = [name for name, value in own.items() if value is not None]
  if given:
    flag = given[0].replace("_", "-")
    raise InputError(f"--{flag}: is of block_dct alone; leave it out")
  if not args.weights:
    entry = PUBLISHED[args.codec]
    raise InputError(
      f"--weights: {args.codec} needs the folder that scenetok convert --codec"
      f" {args.codec} makes from {entry.file} ({entry.source})"
    )
  return get_codec(
    args.codec,
    weights=args.weights,
    dtype=args.dtype,
    frames_at_once=args.frames_at_once,
  )


def _clips(args: argparse.Namespace, codec: Codec) -> list[np.ndarray]:
  """Clips uint8 [T H W 3] that are coded by themselves."""
  paths = [Path(name) for name in args.inputs]
  if len(paths) == 1 and paths[0].is_dir():
    paths = sorted(
      (p for p in paths[0].iterdir() if p.suffix.lower() in IMAGE_SUFFIXES),
      key=lambda path: natural_key(path.name),
    )
    if not paths:
      raise InputError(f"{args.inputs[0]}: holds no images; give a folder of")
  if any(path.suffix.lower() in VIDEO_SUFFIXES for path in paths):
    if len(paths) > 1:
      raise InputError(f"{paths[0]}: give one video at a time, or images")
    images = list(read_video(paths[0], args.frames))
  else:
    images = [read_image(path) for path in paths[: args.frames]]
  if args.size:
    identity = np.eye(3)
    shape = (args.size, args.size)
    images = [rescale_and_crop(x, identity, shape)[0] for x in images]
  unit = codec.grouping.unit_frames
  alone = args.each or (unit == 1 and len({x.shape for x in images}) > 1)
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


def _pictures(
  out: Path, truths: Sequence[np.ndarray], decoded: Sequence[np.ndarray]
) -> None:
  """contact_sheet.png and, of a clip, round_trip.mp4."""
  rows = []
  for i in np.unique(np.linspace(0, len(truths) - 1, COLUMNS).astype(int)):
    rows += [
      (f"{i}: input", truths[i]),
      (f"{i}: decoded", decoded[i]),
      (f"{i}: error", error_map(decoded[i], truths[i], top=0.25)),
    ]
  write_png(out / "contact_sheet.png", contact_sheet(rows, columns=COLUMNS))
  if len(decoded) == 1 and len(decoded[0]) > 1:
    both = np.concatenate([truths[0], decoded[0]], axis=2)
    write_mp4(out / "round_trip.mp4", both)


if __name__ == "__main__":
  sys.exit(console.run(main))
