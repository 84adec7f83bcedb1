"""Published codecs give the same on eight devices as on one."""

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from scenetok_jax.codecs.api import get_codec
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import batch_sharding
from tests.codecs.video_nets import TINY, drawn
from tests.networks import normals, quick_jit

SLOW = pytest.mark.slow

# Clips of images [T H W 3].
CLIPS = {
  "va_vae": (1, 16, 16, 3),
  "video_dc_ae": (4, 32, 32, 3),
  "wan_vae": (17, 16, 16, 3),
}


@pytest.mark.parametrize(
  "name",
  [
    "va_vae",
    *(pytest.param(n, marks=SLOW) for n in ("wan_vae", "video_dc_ae")),
  ],
)
def test_eight_devices_equal_one(name):
  """Clips are spread over data and fsdp, and stay so in the results."""
  codec, shape = get_codec(name, **TINY[name]), CLIPS[name]
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
  codec, shape = get_codec("va_vae", **TINY["va_vae"]), CLIPS["va_vae"]
  params = drawn(codec.make().shapes())
  images = np.abs(normals(0, 1, 3, *shape[1:])) % 1.0
  expected = quick_jit(codec.round_trip)(images, params)
  with jax.set_mesh(make_mesh({"data": 4, "fsdp": 2})):
    found = quick_jit(lambda x, p: codec.round_trip(x, p))(images, params)
  np.testing.assert_allclose(found, expected, atol=1e-5)
