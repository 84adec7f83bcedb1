"""`import scenetok_jax` is light: JAX comes with the first name asked for."""

import subprocess
import sys

import pytest

import scenetok_jax

PROGRAM = """
import sys, time
start = time.perf_counter()
import scenetok_jax
seconds = time.perf_counter() - start
names = dir(scenetok_jax)
heavy = {"jax", "numpy", "flax"} & set(sys.modules)
assert not heavy, heavy
assert seconds < 0.3, seconds
assert set(scenetok_jax.__all__) <= set(names), names
from scenetok_jax import Cameras, InputError, Scene, SceneTok, Views
import jax
assert not jax._src.xla_bridge.backends_are_initialized()
"""


def test_importing_loads_no_jax_and_touches_no_device():
  done = subprocess.run(
    [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
  )
  assert not done.returncode, done.stderr


def test_an_unknown_name_is_an_attribute_error():
  with pytest.raises(AttributeError, match="no attribute 'Scenes'"):
    _ = scenetok_jax.Scenes
