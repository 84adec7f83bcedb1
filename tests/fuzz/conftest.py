"""Samples that all tests of a run share."""

import pytest


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
  """fill -> a folder that it has filled, made once and left unchanged."""
  root = tmp_path_factory.mktemp("samples")
  made = {}

  def sample(fill):
    if fill not in made:
      made[fill] = root / fill.__name__
      made[fill].mkdir()
      fill(made[fill])
    return made[fill]

  return sample
