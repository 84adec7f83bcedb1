"""Out of memory is one line: what was needed, and which field needs less."""

import jax
import jax.numpy as jnp
import pytest

from scenetok_jax.train import auto
from scenetok_jax.train.memory import advice, memory_advice, needed_bytes
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config

TPU = (
  "RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used 20.5G of"
  " 15.75G hbm. Exceeded hbm capacity by 4.75G."
)
GPU = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 16.50GiB."


def resolved(*overrides):
  return auto.resolve(load_config("rooms:smoke", overrides))


def told(error):
  with pytest.raises(InputError) as caught, memory_advice(resolved()):
    raise jax.errors.JaxRuntimeError(error)
  return str(caught.value)


def test_what_the_compiler_misses_is_read_from_its_error():
  assert needed_bytes(TPU, 0) == int(20.5 * (1 << 30))
  assert needed_bytes("INTERNAL: other", 0) is None
  line = told(TPU)
  assert "a step needs 20.50 GiB, a device has 15.75 GiB" in line
  assert "16.50 GiB were asked for" in told(GPU)
  assert "\n" not in told("RESOURCE_EXHAUSTED: by\nsomething else")


def test_an_allocation_that_fails_becomes_advice():
  with pytest.raises(InputError) as caught, memory_advice(resolved()):
    jnp.zeros(1 << 48).block_until_ready()
  line = str(caught.value)
  assert "1048576.00 GiB were asked for" in line and "\n" not in line
  assert "--config.remat=dots" in line


def test_other_errors_pass():
  with pytest.raises(jax.errors.JaxRuntimeError), memory_advice(resolved()):
    raise jax.errors.JaxRuntimeError("INTERNAL: other")
  with pytest.raises(InputError, match="mine"), memory_advice(resolved()):
    raise InputError("mine")


@pytest.mark.parametrize(
  "overrides, named, unnamed",
  [
    (
      [],
      [
        "remat=dots or --config.remat=narrow or --config.remat=full",
        "mesh.fsdp=2",
      ],
      ["accumulate"],
    ),
    (["remat=dots"], ["set --config.remat=narrow"], ["remat=dots"]),
    (["remat=offload"], ["set --config.remat=full"], ["remat=narrow"]),
    (["remat=full", "mesh.fsdp=2"], ["set --config.mesh.fsdp=4"], ["remat"]),
    (
      ["remat=full", "mesh.fsdp=8", "data.batch_size=16"],
      ["set --config.train.accumulate=2"],
      ["fsdp"],
    ),
    (["remat=full", "mesh.fsdp=8"], ["larger devices"], ["set "]),
  ],
)
def test_fields_that_would_help_are_named(overrides, named, unnamed):
  found = "; ".join(advice(resolved(*(f"--config.{o}" for o in overrides))))
  assert all(part in found for part in named), found
  assert not [part for part in unnamed if part in found], found
