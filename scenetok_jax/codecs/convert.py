"""From the files of published autoencoders to codec folders, and back."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenetok_jax.codecs import weights
from scenetok_jax.codecs.network import Network
from scenetok_jax.codecs.registry import codec_module, published
from scenetok_jax.convert.engine import Table, import_params, manifest
from scenetok_jax.convert.export import export
from scenetok_jax.convert.reader import Tensors, read_tensors
from scenetok_jax.types import InputError

Fields = Mapping[str, Any]


def codec_network(name: str, fields: Fields | None = None) -> Network:
  """The network of a codec, as published or with other fields."""
  found: Network = codec_module(name).network(**(fields or {}))
  return found


def codec_table(name: str, fields: Fields | None = None) -> Table:
  """The rename table of a codec's file."""
  entry, renames = published(name), getattr(codec_module(name), "renames", None)
  own = renames(**(fields or {})) if renames else ()
  return Table((*entry.renames, *own), entry.layouts)


def load_codec(
  name: str, source: str | Path, fields: Fields | None = None
) -> Any:
  """Parameters of a codec from the authors' file, strict both ways.

  source: the published file, or one with the same names. fields: of the network
  where they differ from the published ones. InputError where it is unreadable,
  of another network, or has tensors that are missing, unknown, not finite or of
  another shape.
  """
  entry, tensors = published(name), read_tensors(source)
  shapes = codec_network(name, fields).shapes()
  table = codec_table(name, fields)
  own = [n for n in tensors if n.startswith(entry.prefixes)]
  wanted = manifest(table, shapes)
  # A file of something else gets one short error, not a list of names.
  present = len(wanted.keys() & own)
  if 2 * present < len(wanted):
    raise InputError(
      f"{source}: not the {name} codec: {present} of its"
      f" {len(wanted)} tensors are there; give {entry.file} ({entry.source})"
    )
  return import_params(
    Tensors(own, tensors.__getitem__), table, shapes, str(source)
  )


def convert_codec(
  name: str,
  source: str | Path,
  out: str | Path,
  *,
  fields: Fields | None = None,
  form: str = "safetensors",
) -> weights.Manifest:
  """Writes the folder that the config field codecs.X.weights names.

  source: the published file. fields: see load_codec. form: "safetensors" or
  "orbax". InputError as load_codec, or where the folder holds a codec already.
  """
  params = load_codec(name, source, fields)
  with Path(source).open("rb") as file:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
  found = weights.Manifest(name, fields or {}, Path(source).name, digest)
  weights.save_weights(out, found, params, form=form)
  return found


def export_codec(folder: str | Path, path: str | Path) -> None:
  """A codec folder -> a file with the authors' names and layouts.

  Tensors that only their training needs are not restored. InputError where
  there is no such folder, or for a file of unknown suffix.
  """
  found = weights.read_manifest(folder)
  shapes = codec_network(found.codec, found.fields).shapes()
  table = codec_table(found.codec, found.fields)
  export(path, [(table, weights.load_weights(folder, shapes))])
