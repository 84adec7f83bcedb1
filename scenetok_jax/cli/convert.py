"""Converts the authors' checkpoints to this package's, and back."""

import argparse

from scenetok_jax import console, flags
from scenetok_jax.reading.shown import say
from scenetok_jax.workdir.conversion import ConvertOptions, convert

_EPILOG = """\
A released checkpoint:
  scenetok convert --config=configs/scenetok_re10k.py \\
    --source=va-videodc_re10k.ckpt --out=runs/re10k
and back:
  scenetok convert --export --workdir=runs/re10k --out=re10k.ckpt
A codec, an evaluation network (of one or two files):
  scenetok convert --codec=va_vae --source=vavae.pt --out=codecs/va_vae
  scenetok convert --metric=fvd_i3d --source=rgb_imagenet.pt \\
    --out=metrics/fvd_i3d
Config fields are set by --config.FIELD=VALUE.
"""


def main(argv: console.Argv = None) -> None:
  """Imports networks, a codec or a metric; with --export writes them back."""
  parser = console.parser("convert", __doc__, ConvertOptions, json=True)
  parser.formatter_class = argparse.RawDescriptionHelpFormatter
  parser.epilog = _EPILOG
  args, overrides = parser.parse_known_args(argv)
  report = convert(flags.take_options(args, ConvertOptions), overrides)
  say(*report.lines)
  console.write_json(args, report.values)


if __name__ == "__main__":
  console.script(main)
