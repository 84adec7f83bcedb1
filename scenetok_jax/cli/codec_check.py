"""Sends images or a video through a frozen codec and back, and scores it.

The score is the ceiling of every reconstruction number with that codec:
evaluate reports it by the same code.
"""

import contextlib

from scenetok_jax import console, flags, outputs
from scenetok_jax.analyses import codec_check
from scenetok_jax.analyses.codec_check import ClipOptions, CodecOptions
from scenetok_jax.codecs.registry import CODECS
from scenetok_jax.reading.shown import say


def main(argv: console.Argv = None) -> None:
  """Prints PSNR and SSIM; writes --json, a contact sheet and a video."""
  options = CodecOptions, ClipOptions
  parser = console.parser("codec-check", __doc__, *options, json=True)
  add = parser.add_argument
  add("inputs", nargs="+", help="image files, a folder of them, or one video")
  add("--codec", required=True, choices=CODECS)
  add("--out", metavar="DIR", help="write contact_sheet.png, round_trip.mp4")
  args = parser.parse_args(argv)
  given = flags.take_options(args, CodecOptions)
  codec = codec_check.make_codec(args.codec, given)
  wanted = flags.take_options(args, ClipOptions)
  with contextlib.ExitStack() as stack:
    out = args.out and outputs.opened(args.out, codec_check.FILES)
    held = stack.enter_context(out) if out else None
    clips = codec_check.read_clips(args.inputs, codec, wanted)
    checked = codec_check.check(codec, clips)
    say(checked.line())
    console.write_json(args, {**checked.report(), "weights": given.weights})
    if held:
      codec_check.draw(checked, held)


if __name__ == "__main__":
  console.script(main)
