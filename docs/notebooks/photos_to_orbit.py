# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # From photos to an orbit
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/)
# takes this file as `make notebooks` writes it (*Upload*), with the wheel of
# `pip wheel --no-deps .` beside it; the next line installs that.
#
# Photos of a place become a few kilobytes of scene tokens, and from them the
# view from any camera. `PHOTOS` is a folder of photos or a video, whose poses
# are estimated (extra `[colmap]`), or a folder with a `transforms.json`; while
# it is `None` a room is drawn and written as such a capture. The model is the
# one that ships: 64 x 64 pixels, an hour of two CPU cores.

# %%
# %pip install -q scenetok_jax-*.whl

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from data_pipelines.rooms import render_clip
from scenetok_jax import Scene, SceneTok, media
from scenetok_jax.inference.scenes import open_capture, open_photos

PHOTOS = None
POSES_KNOWN = False  # PHOTOS has a transforms.json or a COLMAP model
OUT = Path("photos_to_orbit")


def show(name, picture):
  """Keeps a picture, and shows it where there is a screen."""
  media.write_png(OUT / name, picture)
  height, width = picture.shape[:2]
  plt.figure(figsize=(10, 10 * height / width))
  plt.imshow(picture)
  plt.axis("off")
  plt.show()


# %% [markdown]
# ## A capture
# Images, and for each the 4x4 matrix from camera to world with OpenGL axes, as
# nerfstudio writes them; focal lengths are in pixels.


# %%
def drawn_room(folder, size=128):
  """A room that no model has seen, as a capture."""
  clip = render_clip(seed=0, scene=1_000_004, frames=24, size=size)
  media.write_frames(folder / "images", clip.images)
  focal = float(clip.cameras.intrinsics[0, 0, 0]) * size
  opengl = clip.cameras.extrinsics * np.array([1, -1, -1, 1], np.float32)
  frames = [
    {"file_path": f"images/{i:04d}.png", "transform_matrix": pose.tolist()}
    for i, pose in enumerate(opengl)
  ]
  lens = {"w": size, "h": size, "fl_x": focal, "fl_y": focal}
  text = json.dumps({**lens, "frames": frames})
  (folder / "transforms.json").write_text(text, "utf-8")
  return folder


# %%
model = SceneTok.from_pretrained("rooms")
if PHOTOS is None:
  opened = open_capture(model, str(drawn_room(OUT / "capture")))
elif POSES_KNOWN:
  opened = open_capture(model, PHOTOS)
else:
  opened = open_photos(model, PHOTOS, str(OUT / "poses"))
print(f"{len(opened.clip.images)} images, {len(opened.context)} are read")

# %% [markdown]
# ## Tokens
# The context views go in; what comes out needs no image any more.

# %%
scene = opened.encode(model)
scene.save(OUT / "room.tok")
size = (OUT / "room.tok").stat().st_size
print(f"{scene.tokens.shape} tokens, {size} bytes in room.tok")

# %% [markdown]
# ## Frames that were not given
# Rendered beside the truth, and the error between them. Large shapes and
# colours are right; two by two tokens a frame hold no details.

# %%
novel = opened.take(opened.novel[:: max(1, len(opened.novel) // 8)][:8])
rendered = model.render(scene, novel.cameras, steps=4, seed=0)
show(
  "novel.png",
  media.contact_sheet(
    [
      ("context views", opened.context_views.images),
      ("rendered", rendered),
      ("truth", novel.images),
      ("error", media.error_map(rendered, novel.images)),
    ],
    columns=8,
  ),
)

# %% [markdown]
# ## An orbit
# From the file alone. `spline`, `dolly`, `lateral`, your own `Cameras` or a
# path of nerfstudio's viewer (`camera_path.json`) may stand in its place.

# %%
video = model.render(
  Scene.load(OUT / "room.tok"), "orbit", frames=24, steps=4, seed=0
)
media.write_mp4(OUT / "orbit.mp4", video)
show("orbit.png", media.contact_sheet([("orbit", video)], columns=8))
