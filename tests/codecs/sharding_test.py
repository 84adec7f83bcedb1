"""Published codecs give the same on eight devices as on one."""

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from scenetok_jax.codecs.api import get_codec
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import batch_sharding
from tests.codecs.video_nets import drawn
from tests.networks import normals, quick_jit

SLOW = pytest.mark.slow

# The published topology, smaller; clips of images [T H W 3].
CASES = {
  "va_vae": (
    {"width": 4, "multipliers": (1, 1), "blocks": 1, "groups": 2},
    (1, 16, 16, 3),
  ),
  "video_dc_ae": (
    {
      "latent_channels": 2,
      "head_dim": 2,
      "encoder_widths": (2, 2, 2, 2, 4, 4),
      "decoder_widths": (2, 2, 2, 2, 4, 4),
      "encoder_depths": (1, 1, 1, 1, 1, 1),
      "decoder_depths": (1, 1, 1, 1, 1, 1),
    },
    (4, 32, 32, 3),
  ),
  "wan_vae": (
    {
      "encoder_width": 2,
      "decoder_width": 2,
      "blocks": 1,
      "multipliers": (1, 2, 2, 2),
    },
    (17, 16, 16, 3),
  ),
}


@pytest.mark.parametrize(
  "name", ["va_vae", "wan_vae", pytest.param("video_dc_ae", marks=SLOW)]
)
def test_eight_devices_equal_one(name):
  """Clips are spread over data and fsdp, and stay so in the results."""
  fields, shape = CASES[name]
  codec = get_codec(name, **fields)
  params = drawn(codec.make().shapes())
  images = np.random.default_rng(0).uniform(size=(8, *shape))
  images = images.astype(np.float32)
  key = jax.random.key(1)

  @quick_jit
  def run(params, images):
    latents = codec.encode(params, images, key)
    return latents, codec.decode(params, latents)

  expected = run(params, images)
  assert all(np.std(x) > 1e-3 for x in expected)
  mesh = make_mesh({"data": 4, "fsdp": 2})
  with jax.set_mesh(mesh):
    placed = jax.device_put(
      (params, images), (NamedSharding(mesh, P()), batch_sharding(mesh))
    )
    found = run(*placed)
  for a, b in zip(found, expected, strict=True):
    assert {shard.data.shape[0] for shard in a.addressable_shards} == {1}
    np.testing.assert_allclose(a, b, atol=5e-5 * np.abs(b).max())


def test_fewer_clips_than_devices_are_coded_too():
  """One scene at a time, as evaluate does."""
  fields, shape = CASES["va_vae"]
  codec = get_codec("va_vae", **fields)
  params = drawn(codec.make().shapes())
  images = np.abs(normals(0, 1, 3, *shape[1:])) % 1.0
  expected = quick_jit(codec.round_trip)(images, params)
  with jax.set_mesh(make_mesh({"data": 4, "fsdp": 2})):
    found = quick_jit(lambda x, p: codec.round_trip(x, p))(images, params)
  np.testing.assert_allclose(found, expected, atol=1e-5)
