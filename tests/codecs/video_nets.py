"""What the tests of the published autoencoders share."""

import csv
from typing import Any

import jax
import numpy as np
from einops import rearrange
from jax.extend import core

from scenetok_jax.codecs.convert import codec_table
from scenetok_jax.convert.engine import manifest
from tests.goldens import shared_dir
from tests.networks import normals

# Fields of small networks of the published topology; latents as published
# where their scaling is per channel. The VA-VAE's factor is 2 instead of 16.
TINY: dict[str, dict[str, Any]] = {
  "va_vae": {"width": 4, "multipliers": (1, 1), "blocks": 1, "groups": 2},
  "video_dc_ae": {
    "latent_channels": 2,
    "head_dim": 2,
    "encoder_widths": (2, 2, 2, 2, 4, 4),
    "decoder_widths": (2, 2, 2, 2, 4, 4),
    "encoder_depths": (1, 1, 1, 1, 1, 1),
    "decoder_depths": (1, 1, 1, 1, 1, 1),
  },
  "wan_vae": {
    "encoder_width": 2,
    "decoder_width": 2,
    "blocks": 1,
    "multipliers": (1, 2, 2, 2),
  },
}


def last(x: Any) -> Any:
  """torch's [... C h w] -> [... h w C]."""
  return rearrange(x, "... c h w -> ... h w c")


def drawn(shapes: Any) -> Any:
  """Seeded parameters of a size that keeps activations near one."""
  leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)
  return tree.unflatten(
    [
      normals(i, *leaf.shape) * max(np.prod(leaf.shape[:-1]), 9.0) ** -0.5
      + (path[-1].key == "scale")
      for i, (path, leaf) in enumerate(leaves)
    ]
  )


def assert_published(name: str, shapes: Any, file: str) -> None:
  """Every name and shape of a codec's file is the table's."""
  path = shared_dir() / "spec" / "spec_tables" / file
  with path.open() as rows:
    expected = {
      row["name"]: tuple(map(int, row["shape"].split(",")))
      for row in csv.DictReader(rows, delimiter="\t")
    }
  found = manifest(codec_table(name), shapes)
  assert {key: entry.shape for key, entry in found.items()} == expected


def largest_activation(function: Any, *args: Any) -> int:
  """Most values in one intermediate of more than three channels.

  Traces and compiles nothing: images and what loops stack are left out by
  their three channels.
  """
  return _largest(jax.make_jaxpr(function)(*args).jaxpr)


def _largest(jaxpr: Any) -> int:
  sizes = [0]
  for equation in jaxpr.eqns:
    inner = [
      getattr(part, "jaxpr", part)
      for value in equation.params.values()
      for part in (value if isinstance(value, (tuple, list)) else (value,))
      if isinstance(part, (core.Jaxpr, core.ClosedJaxpr))
    ]
    sizes += map(_largest, inner)
    if not inner:
      sizes += [
        var.aval.size
        for var in equation.outvars
        if len(var.aval.shape) > 3 and var.aval.shape[-1] > 3
      ]
  return max(sizes)
