"""Which scenes are rendered together: fixed, whoever does the work."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from scenetok_jax.types import InputError, Views


@dataclasses.dataclass(frozen=True)
class EvaluationScene:
  """One scene: context views [V] and the frames [T] to be predicted.

  novel: bool [T], frames that are no context views. depth: true depth of the
  target frames [T H W], where a metric needs it.
  """

  key: str
  context: Views
  target: Views
  novel: np.ndarray
  depth: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class SceneSource:
  """A scene that is read when its turn comes.

  views: context views. frames: target frames, whole latents only.
  identity: what was chosen of which clip; no two sources share it.
  clip, context, target: key of the clip in prepared data, and its frames.
  """

  key: str
  views: int
  frames: int
  identity: str
  load: Callable[[], EvaluationScene]
  clip: str = ""
  context: tuple[int, ...] = ()
  target: tuple[int, ...] = ()


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
    if missing := self.size - len(scenes):
      context = self.filler.load().context
      scenes += [dataclasses.replace(scenes[0], context=context)] * missing
    return scenes


def in_memory(scene: EvaluationScene) -> SceneSource:
  """A scene that has been read."""
  views = len(scene.context.cameras.extrinsics)
  frames = len(scene.target.cameras.extrinsics)
  return SceneSource(scene.key, views, frames, scene.key, lambda: scene)


def batches(sources: Sequence[SceneSource], size: int) -> list[EvaluationBatch]:
  """Scenes by shape, sorted by key, `size` at a time.

  The order in which they are given does not matter, nor which process works
  on which batch: each is the same computation wherever it runs.
  Raises InputError: a scene that is given twice, under one name or two.
  """
  once: dict[str, SceneSource] = {}
  for source in sources:
    other = once.setdefault(source.identity, source)
    if other is not source:
      raise InputError(
        f"scenes {other.key} and {source.key}: the same frames of the same"
        " clip; every scene counts once, so remove one of the two"
      )
  ordered = sorted(sources, key=lambda source: source.key)
  groups: dict[tuple[int, int], list[SceneSource]] = {}
  for source in ordered:
    groups.setdefault((source.views, source.frames), []).append(source)
  found = []
  for members in groups.values():
    for number in range(0, len(members), size):
      scenes = tuple(members[number : number + size])
      first = scenes[0]
      # One whose tokens can be swapped with those of the first, or itself.
      others = (
        other
        for other in (*members, *ordered)
        if other.views == first.views and other.key != first.key
      )
      filler = next(others, first)
      found.append(EvaluationBatch(scenes, filler, number, size))
  return found
