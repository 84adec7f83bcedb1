"""Names of configuration fields that something reads; others are errors."""

import difflib
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from scenetok_jax.configs import common
from scenetok_jax.types import InputError

# Read, though no preset sets them.
_MORE = (
  *("data.target_path", "flow.mean", "flow.deviation"),
  *("mean_flow", "mean_flow.equal", "mean_flow.power", "mean_flow.turns"),
)
# What is built of these checks their fields.
_CHECKED = (
  *("tokenizer.", "decoder.", "generator.", "data.view_sampler."),
  *("codecs.context.", "codecs.target."),
)


def field_names(config: Any, prefix: str = "") -> Iterator[str]:
  """Names of all fields, "data.path"."""
  for key, value in config.items(preserve_field_references=True):
    yield f"{prefix}{key}"
    if isinstance(value, ConfigDict):
      yield from field_names(value, f"{prefix}{key}.")


def check_known(spec: str, config: ConfigDict) -> None:
  """InputError for a field of an experiment that no stage reads."""
  known = {*_MORE}
  for stage in ("tokenizer", "generator"):
    known |= set(field_names(common.base(stage)))
  for name in field_names(config):
    if name not in known and not name.startswith(_CHECKED):
      near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
      hint = f"did you mean {near[0]}?" if near else "remove it"
      raise InputError(
        f"{spec}: config.{name}: nothing reads this field; {hint}"
      )
