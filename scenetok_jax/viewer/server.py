"""The server of the page: who comes, who goes."""

import contextlib
import io
import socket
import threading
import warnings
from collections.abc import Mapping
from urllib.parse import urlsplit

import viser

from scenetok_jax.types import InputError
from scenetok_jax.viewer.address import is_local
from scenetok_jax.viewer.page import Page
from scenetok_jax.viewer.studio import Studio


class _Server(viser.ViserServer):
  """Viser's, without its tunnel to a public address."""

  def request_share_url(self, verbose: bool = True) -> None:
    """Nothing: a page must not be able to open this machine to all."""


class Viewer:
  """A page at http://HOST:PORT for any number of clients; close it.

  port: 0 for any that is free.
  Raises InputError: a host or port that cannot be listened on.
  """

  def __init__(self, studio: Studio, host: str, port: int):
    self.studio, self._host = studio, host
    _check_free(host, port)
    self._left = set[int]()
    self._lock = threading.Lock()
    with contextlib.redirect_stdout(io.StringIO()):  # its banner
      self._server = _Server(
        host=host, port=port, label="scenetok", verbose=False
      )
    self._server.gui.configure_theme(show_logo=False, show_share_button=False)
    # Pages are written to until it is known that their clients have left.
    warnings.filterwarnings("ignore", "Queued a", UserWarning, "viser")
    # Beside the picture, not over it.
    self._server.gui.main_panel.dock_right()
    self._server.on_client_connect(self._connect)
    self._server.on_client_disconnect(self._disconnect)
    self.url = f"http://{host}:{self._server.get_port()}"

  def close(self) -> None:
    """Ends the worker and the server."""
    self.studio.close()
    with contextlib.redirect_stdout(io.StringIO()):
      self._server.stop()

  def _connect(self, client: viser.ClientHandle) -> None:
    sockets = self._server._websock_server._live_connections
    request = getattr(sockets.get(client.client_id), "request", None)
    if request is None or not trusted(self._host, request.headers):
      return  # an empty page
    page = Page(client, self.studio)
    # Callbacks run in threads: it may have gone before it was here.
    with self._lock:
      if client.client_id in self._left:
        self._left.remove(client.client_id)
        return
      self.studio.enter(client.client_id, page)
    page.begin()

  def _disconnect(self, client: viser.ClientHandle) -> None:
    with self._lock:
      if not self.studio.worker.slots.known(client.client_id):
        self._left.add(client.client_id)
      self.studio.leave(client.client_id)


def trusted(host: str, headers: Mapping[str, str]) -> bool:
  """Whether it is our own page that connects, and no other site's.

  Browsers let any site connect to this machine, and tell whose page it is.
  host: that the server listens on. A name that a site made point here is not
  local.
  """
  origin, target = headers.get("Origin"), headers.get("Host", "")
  if is_local(host) and not is_local(urlsplit(f"//{target}").hostname or ""):
    return False
  return origin is None or urlsplit(origin).netloc == target


def _check_free(host: str, port: int) -> None:
  """InputError unless a server may listen there: Viser would move on."""
  try:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    with socket.socket(family) as probe:
      probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      probe.bind((host, port))
  except (OSError, UnicodeError) as error:
    reason = getattr(error, "strerror", None) or "no such host"
    raise InputError(
      f"--host, --port: {host}:{port} cannot be listened on ({reason}); give"
      " others, or --port=0 for any free one"
    ) from None
