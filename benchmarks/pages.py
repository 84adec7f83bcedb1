"""The viewer in a process of its own, and a browser without a window.

The browser is Chromium: CHROMIUM names it, or it is on the PATH.
"""

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from websockets.sync.client import ClientConnection, connect

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# WebGL without a graphics card; tabs beside each other are all awake.
_FLAGS = (
  *("--headless=new", "--no-sandbox", "--remote-debugging-port=0"),
  *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
  *("--no-first-run", "--hide-scrollbars", "--disable-renderer-backgrounding"),
  *("--disable-background-timer-throttling", "--mute-audio"),
  *("--disable-backgrounding-occluded-windows",),
)
# Notes when a picture came, and when the pointer last moved, in ms.
_NOTES = """
window.pictures = []; window.moved = 0;
const make = URL.createObjectURL;
URL.createObjectURL = blob => {
  if (blob.type.startsWith("image/")) pictures.push(performance.now());
  return make.call(URL, blob);
};
addEventListener("pointermove", () => { moved = performance.now(); }, true);
"""


class Served(NamedTuple):
  """A running viewer: its address and its process."""

  url: str
  pid: int


@contextlib.contextmanager
def served(
  *flags: str,
  seconds: float = 300,
  python: str = sys.executable,
  folder: Path | None = None,
) -> Iterator[Served]:
  """`scenetok view FLAGS --port=0`, until the context ends.

  python, folder: of another checkout.
  """
  command = [python, "-m", "scenetok_jax.cli.view", "--port=0", *flags]
  process = subprocess.Popen(
    command, cwd=folder, stdout=subprocess.PIPE, text=True
  )
  try:
    assert process.stdout is not None
    found = re.match(r"http://\S+", process.stdout.readline())
    if not found:
      raise RuntimeError(f"{' '.join(command)}: exit {process.wait(seconds)}")
    yield Served(found[0], process.pid)
  finally:
    process.terminate()
    process.wait(30)


def browser_path() -> str | None:
  """The browser's program; None where there is none."""
  named = os.environ.get("CHROMIUM")
  return named or next(filter(None, map(shutil.which, _NAMES)), None)


class Tab:
  """A page in the browser, by the DevTools protocol."""

  def __init__(self, socket: ClientConnection):
    self._socket, self._count = socket, 0

  def call(self, method: str, **parameters: Any) -> dict[str, Any]:
    """A command of the protocol and its result."""
    self._count += 1
    message = {"id": self._count, "method": method, "params": parameters}
    self._socket.send(json.dumps(message))
    while True:
      answer = json.loads(self._socket.recv(timeout=120))
      if answer.get("id") == self._count:
        if "error" in answer:
          raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

  def js(self, expression: str) -> Any:
    """What an expression of the page is."""
    found = self.call(
      "Runtime.evaluate", expression=expression, returnByValue=True
    )
    return found["result"].get("value")

  def wait(self, expression: str, seconds: float = 120) -> Any:
    """What an expression is as soon as it is true."""
    return until(lambda: self.js(expression), seconds, expression)

  def says(self, text: str, seconds: float = 120) -> None:
    """Waits for a text."""
    self.wait(f"document.body.innerText.includes({json.dumps(text)})", seconds)

  def click(self, label: str) -> None:
    """Clicks a button by its text."""
    self.wait(
      "(() => { const found = [...document.querySelectorAll('button')]"
      f".find(b => b.innerText.trim() == {json.dumps(label)});"
      " if (found) found.click(); return !!found; })()"
    )

  def pointer(self, kind: str, x: float, y: float) -> None:
    """kind: mousePressed, mouseMoved or mouseReleased, of the left button."""
    held = {"button": "left", "buttons": 1, "clickCount": 1}
    self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)

  def screenshot(self) -> bytes:
    """A PNG of the page."""
    shot = self.call("Page.captureScreenshot", format="png")
    return base64.b64decode(shot["data"])


class Browser:
  """A running browser. downloads: the folder of what pages save."""

  def __init__(self, port: int, downloads: Path, stack: contextlib.ExitStack):
    self._port, self._stack, self.downloads = port, stack, downloads
    root = self._socket(self._get("version"))
    root.call(
      "Browser.setDownloadBehavior",
      behavior="allow", downloadPath=str(downloads),
    )  # fmt: skip
    self._root = root

  def open(self, url: str) -> Tab:
    """A page in a window of its own."""
    found = self._root.call(
      "Target.createTarget", url="about:blank", newWindow=True
    )
    (target,) = (t for t in self._get("list") if t["id"] == found["targetId"])
    tab = self._socket(target)
    tab.call("Page.enable")
    tab.call("Page.addScriptToEvaluateOnNewDocument", source=_NOTES)
    tab.call("Page.navigate", url=url)
    return tab

  def _get(self, what: str) -> Any:
    address = f"http://127.0.0.1:{self._port}/json/{what}"
    with urllib.request.urlopen(address, timeout=60) as answer:
      return json.load(answer)

  def _socket(self, target: dict[str, Any]) -> Tab:
    address = target["webSocketDebuggerUrl"]
    return Tab(self._stack.enter_context(connect(address, max_size=None)))


@contextlib.contextmanager
def browser(size: Sequence[int] = (1200, 700)) -> Iterator[Browser]:
  """A browser whose windows are so wide and high."""
  program = browser_path()
  if program is None:
    raise RuntimeError("no browser; set CHROMIUM or install chromium")
  with contextlib.ExitStack() as stack:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    command = [
      *(program, *_FLAGS, f"--user-data-dir={folder / 'profile'}"),
      f"--window-size={size[0]},{size[1]}",
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    stack.callback(process.wait, 60)
    stack.callback(process.terminate)
    file = folder / "profile" / "DevToolsActivePort"
    lines = until(lambda: file.exists() and file.read_text().split())
    (folder / "downloads").mkdir()
    # Sockets close before the process ends.
    with contextlib.ExitStack() as sockets:
      yield Browser(int(lines[0]), folder / "downloads", sockets)


def until(
  found: Callable[[], Any], seconds: float = 120, what: str = "it"
) -> Any:
  """What `found` gives as soon as that is true."""
  end = time.monotonic() + seconds
  while time.monotonic() < end:
    if value := found():
      return value
    time.sleep(0.02)
  raise TimeoutError(f"{what}: not within {seconds:g} s")
