"""The renderer: latents of target views from scene tokens and cameras."""
