"""The kernels equal the written-out attention, values and gradients.

They run as JAX interprets them on a CPU.
"""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.ops import splash
from scenetok_jax.ops.attention import attend, check_attention, softmax_average
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.types import InputError
from tests.networks import normals

# Queries, keys, size of a head: of scenetok_re10k, scenegen_re10k,
# scenetok_re10k_paper, scenetok_512, scenetok_dl3dv_wan.
PUBLISHED = (
  (512, 512, 64),
  (512, 768, 64),
  (512, 780, 64),
  (1024, 3072, 64),
  (2048, 2048, 72),
  (2560, 1024, 64),
  (3072, 3072, 64),
)
# dtype -> largest error of values, of gradients. Half a digit of bfloat16 is
# 2e-3; the written-out attention's errors in it are 2.4e-3 and 2.9e-3.
LIMITS = {"float32": (1e-5, 1e-5), "bfloat16": (2e-3, 4e-3)}


def inputs(queries, keys, size, dtype="float32", batch=1, heads=1):
  sizes = queries, keys, keys
  arrays = [normals(i, batch, n, heads, size) for i, n in enumerate(sizes)]
  query, *others = (jnp.asarray(x, dtype) for x in arrays)
  return [query * jnp.asarray(size**-0.5, dtype), *others]


def outputs(average, arrays, causal):
  """Result and gradients, in float32."""

  def loss(*arrays):
    out = average(*arrays, causal).astype(jnp.float32)
    return jnp.mean(jnp.sin(out)), out

  gradient = jax.grad(loss, argnums=(0, 1, 2), has_aux=True)
  gradients, out = jax.jit(gradient)(*arrays)
  return [out, *(x.astype(jnp.float32) * out.size for x in gradients)]


kernels = functools.partial(splash.splash_attention, interpret=True)


def check(arrays, causal):
  """Errors against float32, as shares of the norm."""
  exact = [x.astype(jnp.float32) for x in arrays]
  expected = outputs(softmax_average, exact, causal)
  found = outputs(kernels, arrays, causal)
  value, *gradients = (
    float(jnp.linalg.norm(ours - wanted) / jnp.linalg.norm(wanted))
    for ours, wanted in zip(found, expected, strict=True)
  )
  of_values, of_gradients = LIMITS[str(arrays[0].dtype)]
  assert value < of_values and max(gradients) < of_gradients


@pytest.mark.parametrize("causal", [False, True])
def test_lengths_that_are_no_whole_tiles_are_filled(causal):
  check(inputs(130, 130 if causal else 200, 72), causal)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("sizes", PUBLISHED)
def test_published_lengths(sizes, dtype):
  check(inputs(*sizes, dtype), causal=False)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", LIMITS)
def test_a_causal_mask_over_several_tiles(dtype):
  check(inputs(2560, 2560, 64, dtype), causal=True)


@pytest.mark.parametrize("axis", ["tensor", "sequence"])
def test_devices_of_a_mesh_take_their_examples_and_heads(axis):
  arrays = inputs(8, 8, 8, batch=4, heads=2)
  expected = softmax_average(*arrays, False)
  with jax.set_mesh(make_mesh({"data": 2, "fsdp": 2, axis: 2})):
    average = jax.jit(functools.partial(kernels, causal=False))
    np.testing.assert_allclose(average(*arrays), expected, atol=1e-5)
    program = average.lower(*arrays).compile().as_text()
  # An array of one device's part, and nothing sent.
  assert "f32[1,1,128,8]" in program and "all-gather" not in program


@pytest.mark.parametrize(
  "lengths, tiles",
  [
    ((512, 512), (512, 512, 512, 512)),
    ((512, 780), (512, 896, 512, 896)),
    ((2560, 3072), (512, 1024, 2560, 3072)),
    ((130, 1100), (256, 640, 256, 1280)),
  ],
)
def test_tiles_are_large_and_waste_little(lengths, tiles):
  assert splash.Tiles.of(*lengths, splash.ROWS) == tiles


@pytest.mark.parametrize(
  "attention, tile", [("splash", (512, 1024)), ("splash:128x256", (128, 256))]
)
def test_a_configuration_may_say_the_rows_of_tiles(attention, tile):
  asked = functools.partial(attend, attention=attention)
  array = jax.ShapeDtypeStruct((1, 1024, 1, 64), jnp.bfloat16)
  program = str(jax.make_jaxpr(asked)(array, array, array))
  found = set(re.findall(r"Ref<default>{bf16\[(\d+),64\]}", program))
  assert found == set(map(str, tile))


@pytest.mark.parametrize("name", ["splash:100x256", "splash:0x128", "splash:"])
def test_rows_that_no_tile_has_are_refused(name):
  with pytest.raises(InputError, match="splash:QxK with multiples of 128"):
    check_attention(name)
