"""What must be equal for latents to be exchangeable."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict

from data_pipelines.latents.records import WEIGHTS
from scenetok_jax.codecs.api import Codec
from scenetok_jax.model import Model


def codec_identities(config: Any, model: Model) -> dict[str, dict]:
  """What latents for a configuration must have been made with, by part."""
  codecs = {"context": model.context_codec, "target": model.target_codec}
  return {
    part: identity(codec, config.codecs[part].to_dict())
    for part, codec in codecs.items()
  }


def identity(codec: Codec, fields: Mapping[str, Any]) -> dict:
  """What must be equal for latents to be exchangeable, as JSON.

  Args:
    codec: the codec.
    fields: its section of the configuration; options of the block DCT and of
      network modules are taken from it.
  """
  grouping = ("frames_per_latent", "chunked")
  own = ("name", "spatial", "channels")
  other = {*own, *grouping, "weights", "dtype", "frames_at_once"}
  options = {k: v for k, v in dict(fields).items() if k not in other}
  value = {
    **{field: getattr(codec, field) for field in own},
    **{field: getattr(codec.grouping, field) for field in grouping},
    "options": options,
    "scaling": dataclasses.asdict(codec.scaling),
    WEIGHTS: weights_hash(codec.load()),
  }
  return json.loads(json.dumps(value))


def weights_hash(params: Any) -> str:
  """Hash of a codec's float32 arrays and their names, whatever the file."""
  digest = hashlib.sha256()
  for name, leaf in sorted(flatten_dict(dict(params), sep="/").items()):
    array = np.ascontiguousarray(leaf, np.float32)
    digest.update(f"{name} {array.shape}\0".encode())
    digest.update(array.tobytes())
  return digest.hexdigest() if params else ""
