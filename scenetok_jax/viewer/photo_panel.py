"""A photo becomes new scenes, which are compared, opened and saved."""

from typing import TYPE_CHECKING, Any

import numpy as np

from scenetok_jax.flow.solvers import SOLVERS
from scenetok_jax.inference.changes import GenerationChanges, SamplingChanges
from scenetok_jax.inference.live import Pause
from scenetok_jax.media import enlarge
from scenetok_jax.sampling.options import GenerateOptions
from scenetok_jax.sampling.paths import MOTIONS
from scenetok_jax.viewer.answers import Request
from scenetok_jax.viewer.library import Entry
from scenetok_jax.viewer.photos import (
  PhotoChoice,
  new_scenes,
  read_photo,
  scene_bytes,
)

if TYPE_CHECKING:
  from scenetok_jax.viewer.page import Page

_GAP = 4  # pixels between scenes side by side
_SIDE = 128  # of each


class PhotoPanel:
  """New scenes of the last photo, side by side from the page's camera."""

  def __init__(self, page: "Page"):
    self._page, self._made = page, dict[str, Entry]()
    self._rows: list[Any] = []
    self._strip: Any = None
    gui: Any = page.client.gui
    own = GenerateOptions.of(page.studio.scenetok.config.generation)
    with gui.add_folder("New scenes") as self._folder:
      self._fov = gui.add_slider(
        "photo's view", 10, 150, 1, 60, hint="horizontal, degrees"
      )
      self._anchors = gui.add_dropdown("visited", MOTIONS)
      self._seeds = gui.add_slider("seeds", 1, 8, 1, 2)
      self._seed = gui.add_number("first seed", 0, min=0, max=2**31, step=1)
      self._steps = gui.add_slider(
        "token steps", 1, max(200, own.steps), 1, own.steps
      )
      self._solver = gui.add_dropdown(
        "token solver", tuple(SOLVERS), initial_value=own.solver
      )
      self._guidance = gui.add_slider(
        "token guidance", 1.0, max(10.0, own.guidance), 0.1, own.guidance
      )
      self._photo = gui.add_upload_button("Photo", mime_type="image/*")
    self._photo.on_upload(page.guarded(self._uploaded))

  def compare(self, request: Request, pause: Pause) -> None:
    """The scenes from one camera, in a step each."""
    if len(self._made) < 2:
      return
    page, squares = self._page, []
    for entry in self._made.values():
      pause()
      view = page.studio.renderer.render(
        entry.live, request.camera, SamplingChanges(steps=1), seed=request.seed
      )
      squares.append(enlarge(view.image, _SIDE))
    strip = np.pad(
      np.stack(squares),
      ((0, 0), (0, 0), (0, _GAP), (0, 0)),
      constant_values=255,
    )
    image = np.concatenate(list(strip), axis=1)
    if self._strip is None:
      with self._folder:
        self._strip = page.client.gui.add_image(image, label="side by side")
    else:
      self._strip.image = image

  def _uploaded(self) -> None:
    page, file = self._page, self._photo.value
    choice = PhotoChoice(
      float(self._fov.value),
      str(self._anchors.value),
      int(self._seeds.value),
      int(self._seed.value),
      GenerationChanges(
        int(self._steps.value),
        str(self._solver.value),
        float(self._guidance.value),
      ),
    )

    def job(pause: Pause) -> None:
      photo = read_photo(file.content, file.name)
      studio = page.studio
      made = new_scenes(studio.scenetok, photo, file.name, choice, pause)
      self._made = {s.key: Entry(studio.renderer.open(s)) for s in made}
      self._list()
      page.scenes.offer(self._made)
      page.scenes.opened(made[0].key)

    page.do(f"making {choice.seeds} scenes of {file.name}", job)

  def _list(self) -> None:
    """A row of buttons for each scene."""
    for old in self._rows:
      old.remove()
    self._rows = []
    with self._folder:
      for name, entry in self._made.items():
        row: Any = self._page.client.gui.add_button_group(
          name, ("open", "save")
        )
        row.on_click(lambda event, n=name, e=entry: self._clicked(event, n, e))
        self._rows.append(row)

  def _clicked(self, event: Any, name: str, entry: Entry) -> None:
    page = self._page
    if event.target.value == "open":
      page.scenes.open(name)
    else:
      page.client.send_file_download(
        f"{name}.tok", scene_bytes(entry.live.scene), save_immediately=True
      )
