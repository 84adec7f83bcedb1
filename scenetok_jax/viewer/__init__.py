"""Scenes in a browser: a live camera, keyframes, new scenes from photos."""
