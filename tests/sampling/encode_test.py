"""Encoding is compiled once for scenes of one shape."""

import jax
import numpy as np

from scenetok_jax.sampling import encode
from scenetok_jax.types import Views
from tests import networks
from tests.sampling.models import tiny


def test_one_program_is_traced_once_for_several_scenes(monkeypatch):
  model, params = tiny()
  traced, tokenize = [], encode.tokenize

  def counted(*arguments):
    traced.append(1)
    return tokenize(*arguments)

  monkeypatch.setattr(encode, "tokenize", counted)
  program = encode.encode_program(model)
  found = []
  for seed in (0, 1):
    images = np.full((1, 3, 64, 64, 3), 40 + 100 * seed, np.uint8)
    views = Views(images=images, cameras=networks.cameras(seed, 1, 3))
    reference = views.cameras.extrinsics[:, 1]
    key = jax.random.key(seed)
    found.append(np.asarray(program(params, views, reference, key)))
  assert len(traced) == 1
  assert np.abs(found[0] - found[1]).max() > 1e-3
