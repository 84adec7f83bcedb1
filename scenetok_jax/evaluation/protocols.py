"""The protocols of the paper's tables, by the name of their index file."""

import dataclasses
from pathlib import Path

from scenetok_jax.types import InputError

HELDOUT, INDEX = "heldout", "index"
PAPER_METRICS = ("lpips", "fid", "fvd")  # those that need weights
SOURCE = "assets/evaluation_index of the authors' repository"


@dataclasses.dataclass(frozen=True)
class Protocol:
  """What is compared with what.

  index: name of the index file, None where frames are chosen here. scenes,
  context, frames: of the published file. dataset: as `scenetok prepare` calls
  it. generation: new scenes from one view, scored as a set.
  """

  name: str
  index: str | None = None
  dataset: str = ""
  scenes: int | None = None
  context: int | None = None
  frames: int | None = None
  generation: bool = False
  metrics: tuple[str, ...] = PAPER_METRICS


def _published(
  dataset: str,
  context: int,
  frames: int,
  scenes: int,
) -> Protocol:
  name = f"{dataset}_c{context}_{frames}"
  generation = context == 1
  metrics = ("fid", "fvd") if generation else PAPER_METRICS
  return Protocol(
    name, f"{name}.json", dataset, scenes, context, frames, generation, metrics
  )


# Counts of scenes in the published files.
PROTOCOLS = {
  protocol.name: protocol
  for protocol in (
    Protocol(HELDOUT, metrics=()),
    Protocol(INDEX),
    _published("re10k", 12, 128, 136),
    _published("re10k", 5, 128, 136),
    _published("re10k", 12, 64, 268),
    _published("re10k", 5, 64, 268),
    _published("re10k", 2, 32, 277),
    _published("re10k", 2, 64, 280),
    _published("re10k", 2, 128, 284),
    _published("re10k", 1, 64, 280),
    _published("re10k", 1, 192, 270),
    _published("acid", 12, 128, 181),
    _published("acid", 5, 64, 112),
    _published("dl3dv", 16, 32, 140),
    _published("dl3dv", 16, 64, 140),
    _published("dl3dv", 16, 34, 139),
  )
}


def index_path(protocol: Protocol, given: str | None) -> Path | None:
  """The index file of a protocol, from --index: a file, or their folder.

  Raises:
    InputError: not given, not there, or given to a protocol without one.
  """
  if protocol.name == HELDOUT:
    if given is not None:
      raise InputError(
        f"--index: protocol {HELDOUT} chooses frames itself; use"
        f" --protocol={INDEX} to score those of {given}"
      )
    return None
  if given is None:
    wanted = protocol.index or "FILE.json"
    raise InputError(
      f"--index: protocol {protocol.name} needs {wanted} or its folder, from"
      f" {SOURCE}, or one by scenetok make-index"
    )
  path = Path(given)
  if path.is_dir() and protocol.index:
    path = path / protocol.index
  if not path.is_file():
    raise InputError(
      f"{path}: --index: no such file; published ones are in {SOURCE}"
    )
  return path
