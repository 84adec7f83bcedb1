"""Which released checkpoints lie in a folder, told by names and shapes."""

import functools
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scenetok_jax.convert.engine import manifest
from scenetok_jax.convert.reader import read_shapes
from scenetok_jax.model import build
from scenetok_jax.types import InputError
from scenetok_jax.workdir import release
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.released import RELEASED

_SUFFIXES = (".ckpt", ".safetensors", ".pt", ".pth")
Shapes = Mapping[str, tuple[int, ...]]


class Expected(NamedTuple):
  """Tensors that a checkpoint holds, and names that it may hold besides."""

  needed: Shapes
  optional: frozenset[str]


@functools.cache
def expected(name: str) -> Expected:
  """What a released checkpoint holds, under torch's names."""
  config = load_config(RELEASED[name].config)
  model = build(config)
  shapes = release.initial(model, config, computed=False)
  needed: dict[str, tuple[int, ...]] = {}
  optional = {release.NULL_TOKEN}
  for network, table in release.tables(model, config.stage).items():
    entries = manifest(table, shapes[network]).items()
    needed |= {table.prefix + tensor: e.shape for tensor, e in entries}
    optional |= {table.prefix + tensor for tensor in table.buffers}
  return Expected(needed, frozenset(optional))


def differences(found: Shapes, wanted: Expected) -> str:
  """What tensors differ from those of a checkpoint, in words; "" if none."""
  needed, known = wanted.needed, {*wanted.needed, *wanted.optional}
  problems = {
    "missing": [name for name in needed if name not in found],
    "of another shape": [
      f"{name} is {list(found[name])}, published {list(shape)}"
      for name, shape in needed.items()
      if found.get(name, shape) != shape
    ],
    "of unknown name": [name for name in found if name not in known],
  }
  return ", ".join(
    f"{len(names)} tensors {kind} ({names[0]}{', ...' * (len(names) > 1)})"
    for kind, names in problems.items()
    if names
  )


def check_release(folder: str | os.PathLike) -> dict[str, Any]:
  """Which released checkpoints lie in a folder, and what they reproduce.

  Files are told by their names, and by the names and shapes of their tensors;
  no number is read, so that full-size files take a moment.

  Returns:
    JSON values. files: by released name, {file, status, problem, parameters,
    config, tokenizer}, status "ok", "missing" or "wrong". others: {file: what
    it looks like} of checkpoints under other names. tables: {protocol, what,
    checkpoint, needs, missing}; those that miss nothing can be reproduced.

  Raises:
    InputError: no such folder.
  """
  if not Path(folder).is_dir():
    raise InputError(f"{folder}: not a folder; give that of the checkpoints")
  paths = sorted(p for p in Path(folder).iterdir() if p.suffix in _SUFFIXES)
  files = {name: _check(name, paths) for name in RELEASED}
  named = {entry["file"] for entry in files.values()}
  tables = []
  for name, entry in RELEASED.items():
    needs = [name, *([entry.tokenizer] if entry.tokenizer else [])]
    lacking = [need for need in needs if files[need]["status"] != "ok"]
    tables += [
      {"protocol": protocol, "what": what, "checkpoint": name,
       "needs": needs, "missing": lacking}
      for protocol, what in entry.tables.items()
    ]  # fmt: skip
  others = {p.name: _resembles(p) for p in paths if p.name not in named}
  return {"files": files, "others": others, "tables": tables}


def _check(name: str, paths: list[Path]) -> dict[str, Any]:
  """The entry of one released checkpoint."""
  entry = RELEASED[name]
  result = {"file": None, "status": "missing", "problem": None}
  result |= {"config": entry.config, "tokenizer": entry.tokenizer}
  path = next((path for path in paths if path.stem == name), None)
  if path is None:
    return result
  problem, count = None, 0
  try:
    shapes = read_shapes(path)
    problem = differences(shapes, expected(name))
    count = sum(map(math.prod, shapes.values()))
    alike = [other for other in _fitting(shapes) if other != name]
    if problem and alike:
      problem = f"the tensors of {' or '.join(alike)}: renamed? {problem}"
  except InputError as error:
    problem = str(error).removeprefix(f"{path}: ")
  status = "wrong" if problem else "ok"
  result |= {"file": path.name, "status": status, "problem": problem or None}
  return result | {"parameters": count}


def _fitting(shapes: Shapes) -> Iterator[str]:
  """Released checkpoints that hold exactly these tensors."""
  for name in RELEASED:
    if not differences(shapes, expected(name)):
      yield name


def _resembles(path: Path) -> str:
  """What a checkpoint of another name is."""
  try:
    alike = list(_fitting(read_shapes(path)))
  except InputError as error:
    return str(error).removeprefix(f"{path}: ")
  if not alike:
    return "no released checkpoint"
  return f"the tensors of {' or '.join(alike)}; rename it to what it is"


def lines(folder: str | os.PathLike, found: Mapping[str, Any]) -> list[str]:
  """check_release's result for a person."""
  told = [f"{folder}:"]
  for name, entry in found["files"].items():
    text = f"missing ({entry['config']})"
    if entry["status"] == "wrong":
      text = f"WRONG: {entry['problem']}"
    elif entry["status"] == "ok":
      text = f"ok, {entry['parameters']:,} numbers, --config={entry['config']}"
      if entry["tokenizer"]:
        text += f", for tokens of {entry['tokenizer']}"
    told.append(f"  {name:<24}{text}")
  told += [f"  {name}: {what}" for name, what in found["others"].items()]
  told.append("tables (commands: docs/evaluation_paper.md):")
  for table in found["tables"]:
    lacking = ", ".join(f"{name}.ckpt" for name in table["missing"])
    state = f"not yet: without {lacking}" if lacking else "can be reproduced"
    told.append(f"  {table['what']:<36}{table['protocol']:<15}{state}")
  return told
