"""One client's page: its camera, its picture, its panels."""

import functools
import html
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import viser

from scenetok_jax.geometry.origins import returned
from scenetok_jax.inference.live import Pause
from scenetok_jax.types import Cameras, InputError
from scenetok_jax.viewer import poses
from scenetok_jax.viewer.answers import Answer, Rate, Request, told
from scenetok_jax.viewer.library import Entry
from scenetok_jax.viewer.path_panel import PathPanel
from scenetok_jax.viewer.photo_panel import PhotoPanel
from scenetok_jax.viewer.poses import Stand
from scenetok_jax.viewer.scene_panel import ScenePanel
from scenetok_jax.viewer.studio import Studio
from scenetok_jax.viewer.view_panel import ViewPanel
from scenetok_jax.viewer.worker import Job

_SMALL = 128  # pixels: smaller pictures are sent without loss
_RED = "color:#d22;font-weight:600"


class Page:
  """A studio.Screen. entry: the scene that is open, None for none."""

  def __init__(self, client: viser.ClientHandle, studio: Studio):
    self.client, self.studio = client, studio
    self.entry: Entry | None = None
    self._rate = Rate()
    self._speed = client.gui.add_html(_line(""))
    self._news = client.gui.add_html(_line(""))
    self.scenes = ScenePanel(self)
    self.view = ViewPanel(self)
    self.path = PathPanel(self)
    self.photos = (
      PhotoPanel(self) if studio.scenetok.model.generator is not None else None
    )
    client.camera.on_update(lambda _: self.look())

  def begin(self) -> None:
    """Opens the first scene, if there is one."""
    if names := self.studio.library.names:
      self.scenes.open(names[0])

  @property
  def here(self) -> bool:
    """Whether the client has not left."""
    return self.studio.worker.slots.known(self.client.client_id)

  def camera(self) -> Cameras:
    """The page's camera [1] in the open scene's own coordinates."""
    camera = self.client.camera
    return poses.cameras(camera.wxyz, camera.position, camera.fov)

  def look(self) -> None:
    """Asks for the view from where the camera is now."""
    if self.entry is None:
      return
    self.scenes.uncover()
    live = self.entry.live
    request = Request(
      scene=live,
      camera=returned(self.camera(), self.origin),
      aspect=self.client.camera.aspect,
      sampling=self.view.sampling(),
      seed=self.view.seed(),
      samples=self.view.samples(),
    )
    self.studio.worker.slots.move(self.client.client_id, request)

  @property
  def origin(self) -> np.ndarray:
    """[3] of the open scene."""
    if self.entry is None:
      raise InputError("scene: none is open; open one first")
    return np.array(self.entry.live.scene.origin)

  def place(self, stand: Stand) -> None:
    """Moves the page's camera."""
    camera = self.client.camera
    with self.client.atomic():
      camera.position = stand.position
      camera.look_at = stand.look_at
      camera.up_direction = stand.up
      camera.fov = stand.fov

  def do(self, what: str, job: Job) -> None:
    """Has the worker do something long, and says so."""
    self.tell(f"{what} ...")
    self.studio.worker.slots.job(
      self.client.client_id, functools.partial(self._done, what, job)
    )

  def _done(self, what: str, job: Job, pause: Pause) -> None:
    start = time.monotonic()
    job(pause)
    self.tell(f"{what}: {time.monotonic() - start:.1f} s")

  def show(self, answer: Answer) -> None:
    """The picture behind everything, and what it took."""
    start = time.perf_counter()
    small = answer.image.shape[0] <= _SMALL
    self.client.scene.set_background_image(
      answer.image, format="png" if small else "jpeg", jpeg_quality=90
    )
    sent = {"send": 1000 * (time.perf_counter() - start)}
    answer = Answer(answer.image, {**answer.milliseconds, **sent}, answer.note)
    self._speed.content = _line(told(answer, self._rate.count()))
    self.client.flush()

  def compare(self, request: Request, pause: Pause) -> None:
    """The new scenes side by side, from the camera at rest."""
    if self.photos:
      self.photos.compare(request, pause)

  def tell(self, line: str) -> None:
    """One line of news."""
    self._news.content = _line(line)

  def fail(self, line: str) -> None:
    """One line that says what is wrong."""
    self._news.content = _line(f"error: {line}", _RED)

  def guarded(self, do: Callable[[], None]) -> Callable[[Any], None]:
    """A callback of a button, whose InputErrors are shown."""

    def callback(event: Any) -> None:
      try:
        do()
      except InputError as error:
        self.fail(" ".join(str(error).split()))

    return callback


def _line(text: str, style: str = "") -> str:
  """A line of HTML; what comes from files is text."""
  return (
    f'<div style="font-size:0.8em;padding:0.2em 0.8em;{style}">'
    f"{html.escape(text)}</div>"
  )
