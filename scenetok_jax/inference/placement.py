"""A model for a command: what it compiles is kept for the next one."""

import os
from pathlib import Path

import jax

from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.outputs import check_apart


def open_model(workdir: str, out: str | None = None) -> SceneTok:
  """SceneTok.from_pretrained, with compiled programs kept.

  out: what will be written; InputError where it is, holds or lies in what the
  model was trained on.
  """
  keep_compilations()
  model = SceneTok.from_pretrained(workdir)
  read = {
    "config.data.path": model.config.data.path,
    "config.tokenizer_from": model.config.get("tokenizer_from"),
  }
  if out:
    check_apart({"--out": out}, {name: p for name, p in read.items() if p})
  return model


def keep_compilations() -> None:
  """Compiled programs outlive the process, in JAX_COMPILATION_CACHE_DIR.

  By default below the user's cache folder; JAX_ENABLE_COMPILATION_CACHE=false
  turns it off.
  """
  if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "scenetok_jax" / "compiled"
    jax.config.update("jax_compilation_cache_dir", str(folder))
