"""Which scenes are rendered together: fixed, whoever does the work."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from scenetok_jax.types import InputError, Views


@dataclasses.dataclass(frozen=True)
class EvaluationScene:
  """One scene: context views [V] and the frames [T] to be predicted.

  novel: bool [T], frames that are no context views; None where all are.
  """

  key: str
  context: Views
  target: Views
  novel: np.ndarray | None = None

  @property
  def novel_frames(self) -> np.ndarray:
    """bool [T]."""
    if self.novel is None:
      return np.ones(len(self.target.cameras.extrinsics), bool)
    return self.novel


@dataclasses.dataclass(frozen=True)
class SceneSource:
  """A scene that is read when its turn comes.

  views: context views. frames: target frames, whole latents only.
  identity: what was chosen of which clip; no two sources share it.
  """

  key: str
  views: int
  frames: int
  identity: str
  load: Callable[[], EvaluationScene]


@dataclasses.dataclass(frozen=True)
class EvaluationBatch:
  """Scenes rendered together.

  number: of the batch among those of the same shape, in scenes; the draws
  depend on it. filler: brings its context where scenes are missing.
  """

  scenes: tuple[SceneSource, ...]
  filler: SceneSource
  number: int
  size: int

  def load(self) -> list[EvaluationScene]:
    """The scenes, filled up to `size` with the filler's context."""
    scenes = [source.load() for source in self.scenes]
    missing = self.size - len(scenes)
    if not missing:
      return scenes
    other = self.filler.load()
    filler = dataclasses.replace(
      other, target=scenes[0].target, novel=scenes[0].novel
    )
    return scenes + [filler] * missing


def in_memory(scene: EvaluationScene) -> SceneSource:
  """A scene that has been read."""
  return SceneSource(
    key=scene.key,
    views=len(scene.context.cameras.extrinsics),
    frames=len(scene.target.cameras.extrinsics),
    identity=scene.key,
    load=lambda: scene,
  )


def batches(sources: Sequence[SceneSource], size: int) -> list[EvaluationBatch]:
  """Scenes by shape, sorted by key, `size` at a time.

  The order in which they are given does not matter, nor which process works
  on which batch: each is the same computation wherever it runs.

  Raises:
    InputError: a scene that is given twice, under one name or two.
  """
  check_once(sources)
  ordered = sorted(sources, key=lambda source: source.key)
  groups: dict[tuple[int, int], list[SceneSource]] = {}
  for source in ordered:
    groups.setdefault((source.views, source.frames), []).append(source)
  found = []
  for members in groups.values():
    for number in range(0, len(members), size):
      scenes = tuple(members[number : number + size])
      filler = _another(scenes[0], [*members, *ordered])
      found.append(EvaluationBatch(scenes, filler, number, size))
  return found


def check_once(sources: Sequence[SceneSource]) -> None:
  """InputError where a scene would be counted twice."""
  keys: set[str] = set()
  identities: dict[str, str] = {}
  for source in sources:
    if source.key in keys:
      raise InputError(
        f"scene {source.key}: given twice; every scene counts once, so remove"
        " one of the two"
      )
    keys.add(source.key)
    other = identities.setdefault(source.identity, source.key)
    if other != source.key:
      raise InputError(
        f"scenes {other} and {source.key}: the same frames of the same clip;"
        " every scene counts once, so remove one of the two"
      )


def _another(scene: SceneSource, sources: Sequence[SceneSource]) -> SceneSource:
  """One whose tokens can be swapped with those of `scene`, or itself.

  It must have as many context views.
  """
  for other in sources:
    if other.views == scene.views and other.key != scene.key:
      return other
  return scene


def shares(
  items: Sequence[EvaluationBatch], index: int, count: int
) -> list[EvaluationBatch]:
  """The batches of process `index` of `count`."""
  return list(items[index::count])
