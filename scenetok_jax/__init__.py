"""SceneTok and SceneGen in JAX: scene tokens, rendering and generation."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from scenetok_jax.inference.scenetok import SceneTok
  from scenetok_jax.sampling.scene_file import Scene
  from scenetok_jax.types import Cameras, InputError, Views

__version__ = "0.1.0"
__all__ = ["Cameras", "InputError", "Scene", "SceneTok", "Views", "__version__"]

# Loaded when first asked for: JAX takes seconds and looks for devices.
_HOMES = {
  "Cameras": "scenetok_jax.types",
  "InputError": "scenetok_jax.types",
  "Scene": "scenetok_jax.sampling.scene_file",
  "SceneTok": "scenetok_jax.inference.scenetok",
  "Views": "scenetok_jax.types",
}


def __getattr__(name: str) -> Any:
  if name not in _HOMES:
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
  return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
  return sorted({*globals(), *_HOMES})
