"""SceneGen: new scene tokens from a few posed images."""
