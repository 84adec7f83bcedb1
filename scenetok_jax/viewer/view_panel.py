"""How the view is drawn: steps, solver, guidance, seed, lens, deviation."""

import math
from typing import TYPE_CHECKING, Any

from scenetok_jax.flow.solvers import SOLVERS
from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.viewer import overlay

if TYPE_CHECKING:
  from scenetok_jax.viewer.page import Page

_FIELDS = 10, 150  # degrees


class ViewPanel:
  """Sliders and boxes; each change is looked at, at once."""

  def __init__(self, page: "Page"):
    self._page = page
    studio = page.studio
    gui: Any = page.client.gui
    own = RenderOptions.of(studio.scenetok.config.sampling)
    with gui.add_folder("View"):
      self._steps = gui.add_slider(
        "steps", 1, max(50, own.steps), 1, own.steps,
        hint="of a camera at rest; one that moves has 1",
      )  # fmt: skip
      self._solver = gui.add_dropdown(
        "solver", tuple(SOLVERS), initial_value=own.solver
      )
      self._guidance = gui.add_slider(
        "guidance", 1.0, max(10.0, own.guidance), 0.1, own.guidance,
        disabled=not studio.guides,
        hint="1 is none; needs a renderer with a null token",
      )  # fmt: skip
      self._seed = gui.add_number("seed", 0, min=0, max=2**32 - 1, step=1)
      self._fov = gui.add_slider(
        "field of view", *_FIELDS, 1, 60, hint="vertical, degrees"
      )
      self._heat = gui.add_checkbox(
        "deviation", False,
        hint="where samples of the same view differ, at rest; brightest:"
        f" {overlay.TOP:g} of the range",
      )  # fmt: skip
      self._samples = gui.add_slider("samples", 2, 16, 1, 4)
    for handle in (
      *(self._steps, self._solver, self._guidance, self._seed),
      *(self._heat, self._samples),
    ):
      handle.on_update(lambda _: page.look())
    self._fov.on_update(lambda _: self._turn_lens())

  def sampling(self) -> SamplingChanges:
    """What the user has set."""
    guidance = float(self._guidance.value) if self._page.studio.guides else None
    return SamplingChanges(
      steps=int(self._steps.value),
      solver=str(self._solver.value),
      guidance=guidance,
    )

  def seed(self) -> int:
    """Of the noise."""
    return int(self._seed.value) % 2**32

  def samples(self) -> int:
    """Of which the deviation is shown; 1: it is not."""
    return int(self._samples.value) if self._heat.value else 1

  def set_field_of_view(self, fov: float) -> None:
    """Shows that of the camera, radians."""
    low, high = _FIELDS
    self._fov.value = min(max(round(math.degrees(fov)), low), high)

  def _turn_lens(self) -> None:
    """Sets the camera's, where it is not the same but for rounding."""
    camera = self._page.client.camera
    if abs(math.degrees(camera.fov) - self._fov.value) > 0.6:
      camera.fov = math.radians(self._fov.value)
      self._page.look()
