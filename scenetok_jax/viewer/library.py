"""The scenes that the page offers, each made when it is first opened."""

import collections
import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np

from scenetok_jax.inference import scenes
from scenetok_jax.inference.live import LiveRenderer, LiveScene
from scenetok_jax.inference.rescaling import Rescaling
from scenetok_jax.inference.scene_choice import PreparedScene
from scenetok_jax.inference.scenes import OpenScene
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.sampling.scene_file import Scene
from scenetok_jax.types import InputError, option

_KEPT = 16  # opened scenes
_LISTED = 500  # more than that no list in a page is for


@dataclasses.dataclass(frozen=True)
class ViewerChoice(Rescaling, PreparedScene):
  """Which scenes: of prepared data, a capture, scene files, or none yet."""

  capture: str | None = option(
    None, "transforms.json or COLMAP, images", metavar="FOLDER"
  )
  scenes: tuple[str, ...] = option(
    (), "scene files", metavar="FILE.tok", nargs="+"
  )
  photos: bool = option(False, "begin without a scene, with photos")


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
  """live: the scene. pictures: its context views uint8 [V H W 3], if known."""

  live: LiveScene
  pictures: np.ndarray | None = None


Open = Callable[[], Entry]


class Library:
  """Scenes by name; the last few that were opened are kept."""

  def __init__(self, openers: Mapping[str, Open]):
    self._openers = dict(openers)
    self._kept = collections.OrderedDict[str, Entry]()

  @property
  def names(self) -> tuple[str, ...]:
    """In the order in which they are offered."""
    return tuple(self._openers)

  def open(self, name: str) -> Entry:
    """InputError where it cannot be; another time it may."""
    if name not in self._kept:
      self._kept[name] = self._openers[name]()
    self._kept.move_to_end(name)
    while len(self._kept) > _KEPT:
      self._kept.popitem(last=False)
    return self._kept[name]


def library(
  scenetok: SceneTok, renderer: LiveRenderer, choice: ViewerChoice
) -> Library:
  """What a user chose; nothing is opened yet.

  Raises InputError: two sources, or prepared data that is none.
  """
  given = {
    "--data, --scene": choice.data or choice.scene,
    "--capture": choice.capture,
    "--scenes": choice.scenes,
    "--photos": choice.photos,
  }
  named = [name for name, value in given.items() if value]
  if len(named) > 1:
    raise InputError(f"{', '.join(named)}: give one source of scenes")
  if choice.rescale is not False and (choice.photos or choice.scenes):
    raise InputError("--rescale: only for scenes that are encoded here")
  if choice.photos:
    if scenetok.model.generator is None:
      raise InputError(
        "--photos: new scenes need a stage-2 --workdir (config.stage=generator)"
      )
    return Library({})
  if choice.capture is not None:
    load = functools.partial(scenes.open_capture, scenetok, choice.capture)
    opener = _encoded(scenetok, renderer, load, choice.rescale)
    return Library({choice.capture: opener})
  if choice.scenes:
    return Library(
      {
        name: functools.partial(_loaded, renderer, name)
        for name in choice.scenes
      }
    )
  return _prepared(scenetok, renderer, choice)


def _prepared(
  scenetok: SceneTok, renderer: LiveRenderer, choice: ViewerChoice
) -> Library:
  """Scenes of prepared data, the chosen one first."""
  dataset = scenes.open_data(
    scenetok, choice.data, choice.split, choice.scene or ""
  )
  keys = [row.key for row in dataset.scenes[:_LISTED]]
  if choice.scene is not None:
    first = dataset.scene(choice.scene).key
    keys = [first, *(key for key in keys if key != first)]
  openers = {}
  for key in keys:
    load = functools.partial(
      scenes.open_prepared, scenetok, choice.data, choice.split, key
    )
    openers[key] = _encoded(scenetok, renderer, load, choice.rescale)
  return Library(openers)


def _encoded(
  scenetok: SceneTok,
  renderer: LiveRenderer,
  load: Callable[[], OpenScene],
  rescale: bool | float,
) -> Open:
  def encode() -> Entry:
    opened = load()
    live = renderer.open(opened.encode(scenetok, rescale=rescale))
    return Entry(live, np.asarray(opened.context_views.images))

  return encode


def _loaded(renderer: LiveRenderer, name: str) -> Entry:
  return Entry(renderer.open(Scene.load(name)))
