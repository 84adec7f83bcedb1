"""Keyframes: set, play, save, load, and make a video of them."""

import dataclasses
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from scenetok_jax.inference.live import Pause
from scenetok_jax.inference.pictures import FPS
from scenetok_jax.viewer import keyframes, poses
from scenetok_jax.viewer.keyframes import Keyframes
from scenetok_jax.viewer.videos import video_bytes

if TYPE_CHECKING:
  from scenetok_jax.viewer.page import Page


class PathPanel:
  """The keyframes of a page, in the open scene's coordinates."""

  def __init__(self, page: "Page"):
    self._page, self._stop = page, threading.Event()
    self.keys, self._video = Keyframes(), b""
    gui: Any = page.client.gui
    with gui.add_folder("Path"):
      self._count = gui.add_text("keyframes", "0", disabled=True)
      add = gui.add_button("Add keyframe")
      remove = gui.add_button("Remove the last")
      self._every = gui.add_slider(
        "frames between", 1, 60, 1, self.keys.every,
        hint=f"keyframes, at {FPS:g} frames/s",
      )  # fmt: skip
      play, stop = gui.add_button("Play"), gui.add_button("Stop")
      save = gui.add_button("Save path")
      self._load = gui.add_upload_button(
        "Load path", mime_type="application/json"
      )
      render = gui.add_button("Render mp4")
      self._download = gui.add_button("Download mp4", visible=False)
    add.on_click(page.guarded(self._add))
    remove.on_click(page.guarded(lambda: self._set(self.keys.without_last())))
    self._every.on_update(page.guarded(self._stretch))
    play.on_click(page.guarded(self._play))
    stop.on_click(lambda _: self._stop.set())
    save.on_click(page.guarded(self._save))
    self._load.on_upload(page.guarded(self._loaded))
    render.on_click(page.guarded(self._render))
    self._download.on_click(page.guarded(self._send))

  def _set(self, keys: Keyframes) -> None:
    self.keys = keys
    frames = max(0, (len(keys) - 1) * keys.every + 1)
    self._count.value = f"{len(keys)}, {frames} frames"

  def _add(self) -> None:
    _ = self._page.origin  # of a scene
    self._set(self.keys.added(self._page.camera()))

  def _stretch(self) -> None:
    every = int(self._every.value)
    self._set(dataclasses.replace(self.keys, every=every))

  def _play(self) -> None:
    """Moves the page's camera along the path, in the time of the video."""
    page, path = self._page, self.keys.path()
    self._stop.clear()
    start = time.monotonic()
    lenses = np.asarray(path.intrinsics)
    for index, pose in enumerate(np.asarray(path.extrinsics)):
      if self._stop.is_set() or not page.here:
        return
      page.place(poses.stand(pose, lenses[index], 1.0))
      time.sleep(max(0.0, start + (index + 1) / FPS - time.monotonic()))

  def _save(self) -> None:
    content = self.keys.to_json(self._page.origin)
    self._page.client.send_file_download(
      "camera_path.json", content, save_immediately=True
    )

  def _loaded(self) -> None:
    page, file = self._page, self._load.value
    side = page.studio.scenetok.model.image_size
    self._set(keyframes.load(file.content, file.name, page.origin, side))
    self._every.max = max(self._every.max, self.keys.every)
    self._every.value = self.keys.every
    told = (f"{file.name}: {len(self.keys)} keyframes", *self.keys.notes)
    page.tell("; ".join(told))

  def _render(self) -> None:
    page, path = self._page, self.keys.path()
    entry, sampling, seed = page.entry, page.view.sampling(), page.view.seed()
    if entry is None:
      _ = page.origin  # raises
      return

    def job(pause: Pause) -> None:
      def progress(done: int, total: int) -> None:
        page.tell(f"rendering: {done} of {total} steps")
        pause()

      scene = entry.live.scene
      self._video = video_bytes(
        page.studio.scenetok, scene, path, sampling, seed, progress
      )
      self._download.visible = True

    page.do(f"rendering {len(path.extrinsics)} frames", job)

  def _send(self) -> None:
    self._page.client.send_file_download(
      "path.mp4", self._video, save_immediately=True
    )
