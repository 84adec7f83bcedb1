"""Opening the viewer: what it needs, what is told."""

import dataclasses
import importlib.util
import ipaddress
import sys
from typing import TYPE_CHECKING, Annotated

from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.reading.schema import Between
from scenetok_jax.sampling.slices import Progress, silent
from scenetok_jax.types import InputError, option
from scenetok_jax.viewer.library import ViewerChoice
from scenetok_jax.viewer.studio import Studio

if TYPE_CHECKING:
  from scenetok_jax.viewer.server import Viewer

Port = Annotated[int, Between(0, 65535)]


@dataclasses.dataclass(frozen=True)
class Address:
  """Where the page is served."""

  host: str = option(
    "127.0.0.1", "address to listen on; others than this reach the network"
  )
  port: Port = option(8080, "0 for any that is free")


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
    print(
      f"--host: {address.host}: whoever reaches it can open the page, upload"
      " files and keep this machine busy; there is no password",
      file=sys.stderr,
    )
  studio = Studio(scenetok, choice, progress)
  try:
    return Viewer(studio, address.host, address.port)
  except BaseException:
    studio.close()
    raise


def is_local(host: str) -> bool:
  """Whether a host is this machine to itself alone."""
  try:
    return ipaddress.ip_address(host).is_loopback
  except ValueError:
    return host == "localhost"
