"""Loads a configuration, by path or name, with typed overrides."""

import difflib
import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_collections
from absl import flags
from ml_collections.config_flags import config_flags, config_path

from scenetok_jax.configs import common
from scenetok_jax.types import InputError
from scenetok_jax.workdir import builtin, fields
from scenetok_jax.workdir.known import check_known, field_names
from scenetok_jax.workdir.ranges import check_numbers

# What --config.FIELD=auto stands for where the field holds numbers.
_AUTO = {
  "mesh": {f"mesh.{axis}": size for axis, size in common.AUTO_MESH.items()},
  "data.workers": {"data.workers": -1},
}
_OVERRIDE = re.compile(r"^--?(no)?config\.([^=]+)")
# What absl and ml_collections raise for a value that a field does not take.
_REFUSALS = (flags.Error, AttributeError, KeyError, TypeError, ValueError)


def load_config(
  spec: str, overrides: Sequence[str] = ()
) -> ml_collections.ConfigDict:
  """Runs get_config([variant]) of a config file and applies overrides.

  spec: "path.py", "path.py:variant", or the name of a built-in one instead of
  a path: "rooms:smoke". overrides: arguments such as
  "--config.train.total_steps=10"; a value must have the type of the field it
  replaces. Returns the locked config: unknown fields can no longer be set or
  read. InputError, of one line, where file, variant, field or value is wrong.
  """
  config = _run_config_file(spec)
  with config.unlocked():
    fields.rename(config, spec)
  if "stage" in config:
    check_known(spec, config)
  arguments = []
  for argument in overrides:
    if match := _OVERRIDE.match(argument):
      name = fields.renamed(match[2], argument.partition("=")[0])
      _check_field(spec, config, name)
      argument = argument.replace(match[2], name, 1)
      if name in _AUTO and argument.endswith("=auto"):
        meant = _AUTO[name].items()
        arguments += [f"--config.{field}={value}" for field, value in meant]
        continue
    elif argument.startswith("-"):
      raise InputError(
        f"{argument}: unknown option; config fields are set by "
        "--config.FIELD=VALUE"
      )
    arguments.append(argument)
  config = _apply(spec, config, arguments)
  fields.check_paths(config)
  if "stage" in config:
    check_numbers(config, spec)
  return config


def _run_config_file(spec: str) -> ml_collections.ConfigDict:
  name, _, variant = spec.partition(":")
  path = builtin.config_file(name)
  if not path.is_file():
    raise InputError(f"{name}: no such config file; {_other_files(path)}")
  try:
    module = _import_file(path)
    config = module.get_config(*([variant] if variant else []))
  except InputError as error:
    raise InputError(f"{spec}: {error}") from error
  except Exception as error:
    # A config file is user code: it may fail in any way.
    where = f"variant {variant!r}: " if variant else ""
    raise InputError(
      f"{name}: {where}{type(error).__name__}: {error}; the file must define "
      "get_config(variant) and know this variant"
    ) from error
  if not isinstance(config, ml_collections.ConfigDict):
    raise InputError(
      f"{name}: get_config returned {type(config).__name__}; return an "
      "ml_collections.ConfigDict"
    )
  return config


def _import_file(path: Path) -> Any:
  spec = importlib.util.spec_from_file_location(f"_config_{path.stem}", path)
  if spec is None or spec.loader is None:
    raise InputError("not a Python file; give a config such as configs/x.py")
  module = importlib.util.module_from_spec(spec)
  sys.modules[spec.name] = module  # dataclasses look their module up there
  spec.loader.exec_module(module)
  return module


def _other_files(path: Path) -> str:
  names = sorted(p.name for p in path.parent.glob("[!_]*.py"))
  near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.4)
  if near:
    return f"did you mean {path.parent / near[0]}?"
  names = builtin.config_names()
  near = difflib.get_close_matches(path.stem, names, n=1, cutoff=0.6)
  hint = f"did you mean {near[0]}? " if near else ""
  return f"{hint}give a path, or a built-in one of {', '.join(names)}"


def _check_field(spec: str, config: Any, field: str) -> None:
  """Raises InputError unless `field`, such as "data.path", exists."""
  known = list(field_names(config))
  name = field.partition("[")[0]
  if name in known:
    return
  parent = name.rpartition(".")[0]
  if near := _nearest(name, known):
    hint = f"did you mean --config.{near}?"
  else:
    # The fields beside it, or those of the whole config.
    group = config_path.get_value(parent, config) if parent in known else None
    if not isinstance(group, ml_collections.ConfigDict):
      parent, group = "the config", config
    hint = f"{parent} has {', '.join(sorted(group.keys()))}"
  raise InputError(f"{spec}: field {name!r} does not exist; {hint}")


def _nearest(name: str, names: Sequence[str]) -> str | None:
  """The field meant by a mistyped one: a sibling, a leaf elsewhere, a twin."""
  parent, _, leaf = name.rpartition(".")
  leaves = {field.rpartition(".")[2]: field for field in reversed(names)}
  siblings = {
    field.rpartition(".")[2]: field
    for field in names
    if field.rpartition(".")[0] == parent
  }
  twins = {} if siblings else dict(zip(names, names, strict=True))
  for word, known, cutoff in (
    (leaf, siblings, 0.7),
    (leaf, leaves, 0.85),
    (name, twins, 0.6),
  ):
    if near := difflib.get_close_matches(word, known, n=1, cutoff=cutoff):
      return known[near[0]]
  return None


def _apply(
  spec: str, config: ml_collections.ConfigDict, overrides: Sequence[str]
) -> ml_collections.ConfigDict:
  # Own FlagValues: nothing leaks into the process-wide absl flags.
  values = flags.FlagValues()
  argv = ["scenetok", *overrides]
  try:
    config_flags.DEFINE_config_dict(
      "config", config, flag_values=values, sys_argv=argv
    )
    rest = values(argv)[1:]
  except config_flags.UnsupportedOperationError as error:
    field = _named_field(str(error), overrides)
    raise InputError(
      f"{spec}: {field}: a field of this type cannot be set on the command "
      "line; edit the config file"
    ) from error
  except _REFUSALS as error:
    field = _named_field(str(error), overrides)
    # The part of absl's message that follows the repeated flag.
    reason = re.sub(r"^flag --\S+?=.*?: ", "", str(error))
    raise InputError(
      f"{spec}: {field}: {reason}; {_expected(config, field)}"
    ) from error
  if rest:
    raise InputError(
      f"{rest[0]!r}: unexpected argument; config fields are set by "
      "--config.FIELD=VALUE"
    )
  return values["config"].value


def _named_field(message: str, overrides: Sequence[str]) -> str:
  """The override that an absl message speaks about."""
  matches = [m for m in map(_OVERRIDE.match, overrides) if m]
  named = [m[2] for m in matches if f"config.{m[2]}" in message]
  return max(named, key=len) if named else ", ".join(m[2] for m in matches)


def _expected(config: ml_collections.ConfigDict, field: str) -> str:
  """What a field takes, from its present value."""
  try:
    value = config_path.get_value(field, config)
    kind = config_path.get_type(field, config)
  except (LookupError, AttributeError, ValueError):
    return "see the config file"
  if isinstance(value, ml_collections.ConfigDict):
    return f"set one of its fields: {', '.join(sorted(value.keys()))}"
  example = "" if value is None else f" such as {value!r}"
  return f"expected {kind.__name__}{example}"
