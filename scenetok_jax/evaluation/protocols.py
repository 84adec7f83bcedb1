"""The protocols of the paper's tables, by the name of their index file."""

import dataclasses
from pathlib import Path

from scenetok_jax.evaluation.paper import INDEX_SCENES
from scenetok_jax.types import InputError

HELDOUT, INDEX = "heldout", "index"
SOURCE = "assets/evaluation_index of the authors' repository"


@dataclasses.dataclass(frozen=True)
class Protocol:
  """What is compared with what.

  scenes: of the published index file, None where there is none. generation:
  new scenes from one view, scored as a set. metrics: those that need weights.
  """

  name: str
  scenes: int | None = None
  generation: bool = False
  metrics: tuple[str, ...] = ("lpips", "fid", "fvd")


PROTOCOLS = {
  HELDOUT: Protocol(HELDOUT, metrics=()),
  INDEX: Protocol(INDEX),
  **{
    name: Protocol(name, scenes, True, ("fid", "fvd"))
    if "_c1_" in name
    else Protocol(name, scenes)
    for name, scenes in INDEX_SCENES.items()
  },
}


def index_path(protocol: Protocol, given: str | None) -> Path | None:
  """The index file of a protocol, from --index: a file, or their folder.

  Raises InputError: not given, not there, or given to a protocol without one.
  """
  if protocol.name == HELDOUT:
    if given is not None:
      raise InputError(
        f"--index: protocol {HELDOUT} chooses frames itself; use"
        f" --protocol={INDEX} to score those of {given}"
      )
    return None
  index = f"{protocol.name}.json" if protocol.scenes else "FILE.json"
  if given is None:
    raise InputError(
      f"--index: protocol {protocol.name} needs {index} or its folder, from"
      f" {SOURCE}, or one by scenetok make-index"
    )
  path = Path(given)
  if path.is_dir() and protocol.scenes:
    path = path / index
  if not path.is_file():
    raise InputError(
      f"{path}: --index: no such file; published ones are in {SOURCE}"
    )
  return path
