"""The codecs by the names that configurations call them.

A codec is a module and a line here. The module of a published network offers
  PUBLISHED: network.Published, its geometry, scaling, file and names there,
  network(*, dtype, **options) -> network.Network,
  renames(**options): more of them, where the options decide.
The module of a codec without weights offers
  codec(spatial, channels, grouping, **options) -> codec.Codec.
"""

from types import ModuleType

from scenetok_jax.codecs import (
  block_dct,
  lapped_dct,
  va_vae,
  video_dc_ae,
  wan_vae,
)
from scenetok_jax.codecs.network import Published
from scenetok_jax.types import check_known

CODECS: dict[str, ModuleType] = {
  "block_dct": block_dct,
  "lapped_dct": lapped_dct,
  "va_vae": va_vae,
  "video_dc_ae": video_dc_ae,
  "wan_vae": wan_vae,
}


def codec_module(name: str) -> ModuleType:
  """The module of a codec; InputError for an unknown name."""
  check_known(name, CODECS, "config: codecs")
  return CODECS[name]


def published_names() -> list[str]:
  """Codecs that have a file of weights."""
  return sorted(
    n for n, module in CODECS.items() if hasattr(module, "PUBLISHED")
  )


def published(name: str) -> Published:
  """What a codec has published; InputError for a name that has nothing."""
  module = codec_module(name)
  check_known(name, published_names(), "codecs with published weights")
  entry: Published = module.PUBLISHED
  return entry
