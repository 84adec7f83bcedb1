"""Opening the viewer: what it needs, what is told."""

import importlib.util
from typing import TYPE_CHECKING

from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.reading.shown import remark
from scenetok_jax.sampling.slices import Progress, silent
from scenetok_jax.types import InputError
from scenetok_jax.viewer.address import Address, is_local
from scenetok_jax.viewer.library import ViewerChoice
from scenetok_jax.viewer.studio import Studio

if TYPE_CHECKING:
  from scenetok_jax.viewer.server import Viewer


def check_available() -> None:
  """Raises InputError where viser is not installed."""
  if importlib.util.find_spec("viser") is None:
    raise InputError(
      "view: viser is not installed; pip install 'scenetok_jax[viewer]'"
    )


def start(
  scenetok: SceneTok,
  choice: ViewerChoice,
  address: Address = Address(),
  progress: Progress = silent,
) -> "Viewer":
  """Compiles, and serves the page; close what it returns.

  progress: of the compilation. Another host than this one's is warned of.
  Raises InputError: viser is missing, scenes that are not there, or an address
  that cannot be listened on.
  """
  check_available()
  from scenetok_jax.viewer.server import Viewer

  if not is_local(address.host):
    remark(
      f"--host: {address.host}: whoever reaches it can open the page, upload"
      " files and keep this machine busy; there is no password"
    )
  studio = Studio(scenetok, choice, progress)
  try:
    return Viewer(studio, address.host, address.port)
  except BaseException:
    studio.close()
    raise
