"""What commands that sample on devices share: mesh and compilation cache."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.parallel.placement import place_params, sampling_mesh


def open_model(workdir: str) -> SceneTok:
  """The model for a command, whose compiled programs are kept."""
  keep_compilations()
  return SceneTok.from_pretrained(workdir)


@contextlib.contextmanager
def on_devices(scenetok: SceneTok, batch: int) -> Iterator[SceneTok]:
  """The run with its parameters placed for `batch` videos at a time."""
  keep_compilations()
  mesh = sampling_mesh(batch)
  placed = dataclasses.replace(
    scenetok, params=place_params(scenetok.params, mesh)
  )
  with jax.set_mesh(mesh):
    yield placed


def keep_compilations() -> None:
  """Compiled programs outlive the process, in JAX_COMPILATION_CACHE_DIR.

  By default below the user's cache folder; JAX_ENABLE_COMPILATION_CACHE=false
  turns it off.
  """
  if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "scenetok_jax" / "compiled"
    jax.config.update("jax_compilation_cache_dir", str(folder))


@contextlib.contextmanager
def on_local_devices(scenetok: SceneTok, batch: int) -> Iterator[SceneTok]:
  """The same over this process's devices alone: others do other scenes."""
  keep_compilations()
  mesh = sampling_mesh(batch, jax.local_devices())
  # By way of the host: they were restored as copies over all processes.
  params = jax.tree.map(np.asarray, scenetok.params)
  placed = dataclasses.replace(scenetok, params=place_params(params, mesh))
  del scenetok, params
  with jax.set_mesh(mesh):
    yield placed
