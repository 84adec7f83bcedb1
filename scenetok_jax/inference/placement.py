"""A model for a command: what it compiles is kept for the next one."""

import os
from pathlib import Path

import jax

from scenetok_jax.inference.scenetok import SceneTok


def open_model(workdir: str) -> SceneTok:
  """SceneTok.from_pretrained, with compiled programs kept."""
  keep_compilations()
  return SceneTok.from_pretrained(workdir)


def keep_compilations() -> None:
  """Compiled programs outlive the process, in JAX_COMPILATION_CACHE_DIR.

  By default below the user's cache folder; JAX_ENABLE_COMPILATION_CACHE=false
  turns it off.
  """
  if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "scenetok_jax" / "compiled"
    jax.config.update("jax_compilation_cache_dir", str(folder))
