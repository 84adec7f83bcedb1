"""The seven released checkpoints: what each is, and what belongs to it."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from scenetok_jax.types import InputError
from scenetok_jax.workdir import release


class Released(NamedTuple):
  """One checkpoint of the release; released.toml tells what its fields are."""

  config: str
  tables: Mapping[str, str] = {}
  tokenizer: str | None = None


_TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
RELEASED = {name: Released(**entry) for name, entry in _TABLES.items()}


def tokenizer_of(source: str | os.PathLike, folder: str | None) -> str:
  """What is to be known of the tokenizer of a SceneGen checkpoint; a line.

  source: its file. folder: config.tokenizer_from, where it is set. InputError
  where the folder was converted from a released checkpoint whose tokens this
  one does not generate.
  """
  entry = RELEASED.get(Path(source).stem)
  wanted = (entry and entry.tokenizer) or "va-videodc_re10k_scene"
  text = (
    f"tokenizer: the released SceneGen checkpoints generate the tokens of"
    f" {wanted}.ckpt and of no other"
  )
  if not folder:
    return f"{text}; name its folder in config.tokenizer_from"
  given = Path(release.source_of(folder) or "").stem
  if entry and given in RELEASED and given != wanted:
    raise InputError(
      f"config.tokenizer_from: {folder} is {given}.ckpt, but"
      f" {Path(source).name} generates tokens of {wanted}.ckpt; convert that"
      " and name its folder"
    )
  return f"{text}; {folder} is {given + '.ckpt' if given else 'of your own'}"
