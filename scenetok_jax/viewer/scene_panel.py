"""Which scene is open, and where its views were taken."""

from typing import TYPE_CHECKING, Any

import numpy as np

from scenetok_jax.geometry import trajectories
from scenetok_jax.viewer import poses
from scenetok_jax.viewer.library import Entry

if TYPE_CHECKING:
  from scenetok_jax.viewer.page import Page

_NONE = "(none)"
# ours: in shares of the cameras' extent
_SCALE = 0.05  # size of a frustum
_NEAR = 0.15  # a nearer one would cover the view


class ScenePanel:
  """The list of scenes, and the frusta of the one that is open.

  own: scenes that were made on this page.
  """

  def __init__(self, page: "Page"):
    self._page, self.own = page, dict[str, Entry]()
    self._frusta: list[Any] = []
    self._near = 0.0
    gui: Any = page.client.gui
    with gui.add_folder("Scene"):
      self._names = gui.add_dropdown("scene", self._options())
      self._shown = gui.add_checkbox("context cameras", True)
      back = gui.add_button("Back to the first view")
    self._names.on_update(self._chosen)
    self._shown.on_update(lambda _: self.uncover())
    back.on_click(page.guarded(self.go_back))

  def open(self, name: str) -> None:
    """Has a scene opened, and shown when it is."""
    page = self._page
    page.do(f"opening {name}", lambda pause: self.opened(name))

  def opened(self, name: str) -> None:
    """Opens a scene, on the worker's thread; the one before stays if not."""
    page = self._page
    entry = self.own.get(name) or page.studio.library.open(name)
    if not page.here:
      return
    page.entry = entry
    self._names.value = name
    self._draw(entry)
    page.client.scene.set_up_direction(poses.up_direction(entry.live.scene))
    self.go_back()
    page.look()

  def offer(self, entries: dict[str, Entry]) -> None:
    """More scenes for the list, of this page alone."""
    self.own.update(entries)
    self._names.options = self._options()

  def go_back(self) -> None:
    """To the middle one of the context views."""
    page = self._page
    if page.entry is None:
      return
    scene = page.entry.live.scene
    extent = trajectories.extent(scene.context.extrinsics)
    page.client.camera.near = 1e-3 * extent
    page.client.camera.min_orbit_distance = 1e-3 * extent
    stand = poses.first_stand(scene)
    page.place(stand)
    page.view.set_field_of_view(stand.fov)

  def _options(self) -> tuple[str, ...]:
    return (*self._page.studio.library.names, *self.own) or (_NONE,)

  def _chosen(self, event: Any) -> None:
    # Our own changes of the list have no client.
    if event.client_id is not None and self._names.value != _NONE:
      self.open(self._names.value)

  def uncover(self) -> None:
    """Shows the frusta, if they are to be seen, that are not too near."""
    where = self._page.client.camera.position
    for frustum in self._frusta:
      far = np.linalg.norm(frustum.position - where) > self._near
      visible = bool(self._shown.value and far)
      if frustum.visible != visible:
        frustum.visible = visible

  def _draw(self, entry: Entry) -> None:
    """Frusta with their pictures, where they are known."""
    for old in self._frusta:
      old.remove()
    scene, page = entry.live.scene, self._page
    extent = trajectories.extent(scene.context.extrinsics)
    self._frusta, self._near = [], _NEAR * extent
    for index, pose in enumerate(np.asarray(scene.context.extrinsics)):
      lens = scene.context.intrinsics[index]
      frustum: Any = page.client.scene.add_camera_frustum(
        f"/context/{index}",
        fov=poses.field_of_view(lens),
        aspect=float(lens[1, 1] / lens[0, 0]),
        scale=_SCALE * extent,
        thickness=0.002 * extent,
        color=(230, 120, 30),
        image=None if entry.pictures is None else entry.pictures[index],
        wxyz=poses.quaternion(pose[:3, :3]),
        position=pose[:3, 3],
        visible=False,
      )
      stand = poses.stand(pose, lens, poses.turning_distance(scene))
      frustum.on_click(lambda _, stand=stand: page.place(stand))
      self._frusta.append(frustum)
