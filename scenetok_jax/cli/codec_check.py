"""Sends images or a video through a frozen codec and back, and scores it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from scenetok_jax import console
from scenetok_jax.analyses import codec_check
from scenetok_jax.analyses.codec_check import ClipOptions, CodecOptions
from scenetok_jax.codecs.registry import CODECS


def main(argv: Sequence[str] | None = None) -> int:
  """Prints PSNR and SSIM; writes --json, a contact sheet and a video."""
  parser = console.parser(
    "codec-check",
    (__doc__ or "")
    + " The score is the ceiling of every reconstruction number with that"
    " codec: evaluate reports it by the same code.",
    json="write the scores here",
  )
  add = parser.add_argument
  add("inputs", nargs="+", help="image files, a folder of them, or one video")
  add("--codec", required=True, choices=CODECS)
  console.add_options(parser, CodecOptions)
  console.add_options(parser, ClipOptions)
  add("--out", metavar="DIR", help="write contact_sheet.png, round_trip.mp4")
  args = parser.parse_args(argv)
  options = console.take_options(args, CodecOptions)
  codec = codec_check.make_codec(args.codec, options)
  clips = codec_check.read_clips(
    args.inputs, codec, console.take_options(args, ClipOptions)
  )
  checked = codec_check.check(codec, clips)
  print(checked.line())
  console.write_json(args, {**checked.report(), "weights": options.weights})
  if args.out:
    codec_check.draw(checked, Path(args.out))
  return 0


if __name__ == "__main__":
  sys.exit(console.run(main))
