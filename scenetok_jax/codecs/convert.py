"""From the files of published autoencoders to codec folders, and back."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenetok_jax.codecs.network import Network, Published
from scenetok_jax.codecs.registry import codec_module, published, table_module
from scenetok_jax.codecs.weights import (
  Manifest,
  load_weights,
  read_manifest,
  save_weights,
)
from scenetok_jax.convert.engine import Table, import_params
from scenetok_jax.convert.export import export
from scenetok_jax.convert.reader import Tensors, read_tensors
from scenetok_jax.types import InputError

Fields = Mapping[str, Any]


def codec_fields(name: str, sizes: Fields | None) -> dict[str, Any]:
  """Fields of the network from the authors' sizes; None: as published."""
  found: dict[str, Any] = table_module(name).fields(sizes) if sizes else {}
  return found


def codec_network(name: str, fields: Fields | None = None) -> Network:
  """The network of a codec, as published or with other fields."""
  found: Network = codec_module(name).network(**(fields or {}))
  return found


def codec_table(name: str, fields: Fields | None = None) -> Table:
  """The rename table of a codec's file."""
  found: Table = table_module(name).table(**(fields or {}))
  return found


def load_codec(
  name: str, source: str | Path, fields: Fields | None = None
) -> Any:
  """Parameters of a codec from the authors' file, strict both ways.

  Args:
    name: one of registry.published_names().
    source: the published file, or one with the same names.
    fields: of the network where they differ from the published ones.

  Raises:
    InputError: unreadable, of another network, or tensors that are missing,
      unknown, not finite or of another shape.
  """
  entry, table = published(name), codec_table(name, fields)
  tensors = read_tensors(source)
  prefixes = getattr(table_module(name), "PREFIXES", ("",))
  own = [n for n in tensors if n.startswith(prefixes)]
  _check_kind(name, entry, source, own, table)
  shapes = codec_network(name, fields).shapes()
  return import_params(
    Tensors(own, tensors.__getitem__), table, shapes, str(source)
  )


def _check_kind(
  name: str,
  entry: Published,
  source: str | Path,
  names: list[str],
  table: Table,
) -> None:
  """A file of something else gets one short error, not a list of names."""
  wanted = {rule.torch for rule in table.rules}
  known = sum(n in wanted for n in names)
  if 2 * known < len(wanted):
    raise InputError(
      f"{source}: not the {name} codec: {known} of its {len(wanted)} tensors"
      f" are there; give {entry.file} ({entry.source})"
    )


def convert_codec(
  name: str,
  source: str | Path,
  out: str | Path,
  *,
  reduced: Fields | None = None,
  form: str = "safetensors",
) -> Manifest:
  """Writes the folder that the config field codecs.X.weights names.

  Args:
    name: one of registry.published_names().
    source: the published file.
    out: the folder to make.
    reduced: the authors' sizes where they are not the published ones.
    form: "safetensors" or "orbax".

  Raises:
    InputError: as load_codec, or the folder holds a codec already.
  """
  fields = codec_fields(name, reduced)
  params = load_codec(name, source, fields)
  found = Manifest(name, fields, Path(source).name, _sha256(Path(source)))
  save_weights(out, found, params, form=form)
  return found


def export_codec(folder: str | Path, path: str | Path) -> None:
  """A codec folder -> a file with the authors' names and layouts.

  Tensors that only their training needs are not restored.

  Raises:
    InputError: no such folder, or a file of unknown suffix.
  """
  found = read_manifest(folder)
  shapes = codec_network(found.codec, found.fields).shapes()
  table = codec_table(found.codec, found.fields)
  export(path, [(table, load_weights(folder, shapes))])


def _sha256(path: Path) -> str:
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()
