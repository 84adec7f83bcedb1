"""What a user says of a scene and its path, as flags of every verb alike."""

import dataclasses

from scenetok_jax.inference.context_choice import ContextChoice
from scenetok_jax.inference.rescaling import Rescaling
from scenetok_jax.reading import schema
from scenetok_jax.sampling import paths
from scenetok_jax.types import InputError, option


@dataclasses.dataclass(frozen=True)
class PreparedScene:
  """Which scene of prepared data."""

  scene: str | None = option(
    None, "key or number of a prepared scene", metavar="KEY"
  )
  data: str | None = option(
    None, "prepared data (default: what the run trained on)"
  )
  split: str | None = option(None, "default: test, else train")


@dataclasses.dataclass(frozen=True)
class SceneChoice(Rescaling, ContextChoice, PreparedScene):
  """Which scene: of prepared data, or a capture."""

  capture: str | None = option(
    None, "transforms.json or COLMAP, images", metavar="FOLDER"
  )
  estimate_poses: str | None = option(
    None,
    "--capture holds photos without poses, or is a video: estimate them (extra"
    " [colmap]) into this folder, which is a capture then",
    metavar="DIR",
  )

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.estimate_poses is not None and self.capture is None:
      raise InputError("--estimate-poses: give the photos as --capture")


@dataclasses.dataclass(frozen=True)
class RenderChoice(SceneChoice):
  """One scene, made already or not, and the path along which it is seen."""

  tokens: str | None = option(
    None, "a scene file by scenetok encode", metavar="FILE.tok"
  )
  trajectory: str = option(
    "context", f"{'|'.join(paths.SCENE_PATHS)}|FILE.json"
  )
  seed: schema.Seed = option(0, "of tokens and frames")

  def __post_init__(self) -> None:
    super().__post_init__()
    given = (self.scene, self.capture, self.tokens)
    if sum(x is not None for x in given) != 1:
      raise InputError("--scene, --capture, --tokens: give one of the three")
