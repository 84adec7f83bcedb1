"""SceneTok and SceneGen in JAX: scene tokens, rendering and generation."""

__version__ = "0.1.0"
