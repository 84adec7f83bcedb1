"""Rename tables cover checkpoints exactly, both ways, or say what is wrong."""

import numpy as np
import pytest

from scenetok_jax.convert import layers
from scenetok_jax.convert.engine import (
  Table,
  export_tensors,
  file_buffers,
  import_params,
  manifest,
  with_buffers,
)
from scenetok_jax.types import InputError
from tests.networks import assert_same, normals

HEADS, DEPTH, WIDTH = 2, 3, 6
TABLE = Table(
  (
    *layers.RENAMES,
    ("^latents/embed", "embed/proj"),
    ("^blocks/a_attention", "blocks/{i}/attn"),
  ),
  layers.LAYOUTS,
  {"p": 2, "q": 2},
  "net.",
  {"table": lambda: np.arange(3, dtype=np.float32)},
)


def make_tensors():
  shapes = {
    "tokens": (1, 4, WIDTH),
    "embed.proj.weight": (WIDTH, 5, 2, 2),
    "embed.proj.bias": (WIDTH,),
    "head.weight": (3, WIDTH),
    "head.bias": (3,),
  }
  for i in range(DEPTH):
    attention = f"blocks.{i}.attn"
    shapes |= {
      f"{attention}.qkv.weight": (3 * WIDTH, WIDTH),
      f"{attention}.qkv.bias": (3 * WIDTH,),
      f"{attention}.proj.weight": (WIDTH, WIDTH),
      f"{attention}.proj.bias": (WIDTH,),
      f"{attention}.q_norm.weight": (WIDTH // HEADS,),
      f"{attention}.k_norm.weight": (WIDTH // HEADS,),
    }
  return {n: normals(i, *s) for i, (n, s) in enumerate(shapes.items())}


def make_params():
  heads = (HEADS, WIDTH // HEADS)
  project = {"kernel": (DEPTH, WIDTH, *heads), "bias": (DEPTH, *heads)}
  scale = {"scale": (DEPTH, heads[1])}
  shapes = {
    "tokens": (4, WIDTH),
    "latents": {"embed": {"kernel": (20, WIDTH), "bias": (WIDTH,)}},
    "blocks": {
      "a_attention": {
        "query": project,
        "key": project,
        "value": project,
        "out": {"kernel": (DEPTH, *heads, WIDTH), "bias": (DEPTH, WIDTH)},
        "query_norm": scale,
        "key_norm": scale,
      }
    },
    "head": {"kernel": (WIDTH, 3), "bias": (3,)},
  }

  def fill(node):
    if isinstance(node, tuple):
      return np.zeros(node, np.float32)
    return {name: fill(child) for name, child in node.items()}

  return fill(shapes)


def load(tensors):
  return import_params(tensors, TABLE, make_params(), "x.ckpt")


def test_an_import_exports_to_the_same_tensors():
  tensors = make_tensors()
  exported = dict(export_tensors(load(tensors), TABLE))
  assert exported.pop("net.table").shape == (3,)
  expected = {f"net.{name}": tensor for name, tensor in tensors.items()}
  assert_same(exported, expected, 0)


def test_layouts_compute_the_same_layers():
  tensors, x = make_tensors(), normals(99, WIDTH)
  params = load(tensors)
  np.testing.assert_allclose(
    x @ params["head"]["kernel"], tensors["head.weight"] @ x, rtol=1e-5
  )
  for i in range(DEPTH):
    fused = tensors[f"blocks.{i}.attn.qkv.weight"] @ x
    for part, name in enumerate(("query", "key", "value")):
      kernel = params["blocks"]["a_attention"][name]["kernel"][i]
      expected = fused[part * WIDTH : (part + 1) * WIDTH].reshape(HEADS, -1)
      np.testing.assert_allclose(
        np.einsum("i,ihd->hd", x, kernel), expected, rtol=1e-4, atol=1e-5
      )


def test_patches_are_rows_columns_channels():
  image = normals(5, 2, 2, 5)  # one patch, channels last
  weight = make_tensors()["embed.proj.weight"]
  kernel = load(make_tensors())["latents"]["embed"]["kernel"]
  np.testing.assert_allclose(
    image.reshape(-1) @ kernel,
    np.einsum("pqc,ocpq->o", image, weight),
    rtol=1e-4,
    atol=1e-5,
  )


def test_one_error_names_every_problem():
  tensors = make_tensors()
  del tensors["tokens"]
  tensors["blocks.3.attn.proj.bias"] = np.zeros(WIDTH)
  tensors["surprise"] = np.zeros(1)
  tensors["head.weight"] = tensors["head.weight"].T
  tensors["head.bias"] = np.array([0, np.nan, 0], np.float32)
  tensors["table"] = np.arange(3)  # a buffer: not missed, not too many
  with pytest.raises(InputError) as error:
    load(tensors)
  message = str(error.value)
  for part in (
    "x.ckpt: tensors: 1 missing (net.tokens)",
    "1 not in this model (net.blocks.3.attn.proj.bias)",
    "1 of unknown name (net.surprise)",
    "net.head.weight is [6, 3], the model's [3, 6]",
    "1 not finite (net.head.bias)",
  ):
    assert part in message
  assert "\n" not in message


def test_two_parameters_of_one_name_are_told():
  table = Table((("^(a|b)/", "x/"),))
  params = {name: {"bias": np.zeros(2)} for name in "ab"}
  with pytest.raises(ValueError, match=r"b/bias and a/bias are both x\.bias"):
    manifest(table, params)


def test_half_precision_is_widened():
  tensors = make_tensors()
  tensors["head.bias"] = tensors["head.bias"].astype(np.float16)
  bias = load(tensors)["head"]["bias"]
  assert bias.dtype == np.float32
  np.testing.assert_array_equal(bias, tensors["head.bias"])


def test_buffers_that_round_otherwise_can_be_kept():
  ours = TABLE.buffers["table"]()
  assert file_buffers({"table": ours}, TABLE) == {}
  theirs = np.nextafter(ours, 9)
  kept = file_buffers({"table": theirs}, TABLE)
  exported = dict(export_tensors(make_params(), with_buffers(TABLE, kept)))
  np.testing.assert_array_equal(exported["net.table"], theirs)
