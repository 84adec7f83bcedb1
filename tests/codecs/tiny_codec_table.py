"""Rename table of the tiny codec."""

from scenetok_jax.codecs.table_layers import conv3d
from scenetok_jax.convert.engine import Table
from scenetok_jax.convert.layers import linear


def table(**_) -> Table:
  """The rename table; takes the options of tiny_codec.network."""
  return Table(
    (
      *conv3d("encode", "encoder", bias=False),
      *linear("decode", "decoder", bias=False),
    )
  )


def fields(sizes) -> dict:
  """Options of tiny_codec.network from the authors' configuration."""
  return {"channels": sizes["z"]}
