"""A client without a browser: the messages that a page would send."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import viser
import websockets.asyncio.client
import zstandard


class Client:
  """Connected to a viewer; got: every message, by its type, as it came."""

  def __init__(self, port: int, origin: Any = None):
    self._uri, self._origin = f"ws://127.0.0.1:{port}", origin
    self._loop = asyncio.new_event_loop()
    self._socket: Any = None
    self.got: list[dict[str, Any]] = []
    self._thread = threading.Thread(target=self._run, daemon=True)
    self._ready = threading.Event()
    self._thread.start()
    assert self._ready.wait(30)

  def _run(self) -> None:
    self._task = self._loop.create_task(self._receive())
    with contextlib.suppress(asyncio.CancelledError):
      self._loop.run_until_complete(self._task)
    self._loop.close()

  async def _receive(self) -> None:
    version = f"viser-v{viser.__version__}"
    async with websockets.asyncio.client.connect(
      self._uri,
      subprotocols=[version],
      origin=self._origin,
      max_size=None,
      compression=None,
    ) as self._socket:
      self._ready.set()
      with contextlib.suppress(websockets.exceptions.ConnectionClosed):
        async for data in self._socket:
          self.got.extend(_messages(data))

  def send(self, **message: Any) -> None:
    """One message, as the page packs it."""
    data = msgspec.msgpack.encode(message)
    asyncio.run_coroutine_threadsafe(
      self._socket.send(data), self._loop
    ).result(30)

  def move(self, position: Any, look_at: Any = (0.0, 0.0, 0.0)) -> None:
    """A camera that the user has moved."""
    self.send(
      type="ViewerCameraMessage",
      wxyz=(1.0, 0.0, 0.0, 0.0),
      position=tuple(map(float, position)),
      fov=1.0,
      near=0.01,
      far=1000.0,
      image_height=300,
      image_width=400,
      look_at=look_at,
      up_direction=(0.0, -1.0, 0.0),
    )

  def of(self, kind: str) -> list[dict[str, Any]]:
    """The messages of a type."""
    return [m for m in list(self.got) if m["type"] == kind]

  def said(self, text: str) -> bool:
    """Whether the page was told this."""
    return any(text in str(m) for m in list(self.got) if "Gui" in m["type"])

  def control(self, label: str) -> str:
    """The page's name of a control, by its last label."""
    return wait_for(
      lambda: [
        m["uuid"]
        for m in list(self.got)
        if m.get("props", {}).get("label") == label
      ]
    )[-1]

  def set(self, label: str, value: Any) -> None:
    """Turns a control, or clicks a button."""
    self.send(
      type="GuiUpdateMessage",
      uuid=self.control(label),
      updates={"value": value},
    )

  def upload(self, label: str, name: str, content: bytes) -> None:
    """A file, in one part."""
    control = self.control(label)
    self.send(
      type="FileTransferStartUpload",
      source_component_uuid=control,
      transfer_uuid=name,
      filename=name,
      mime_type="",
      part_count=1,
      size_bytes=len(content),
    )
    self.send(
      type="FileTransferPart",
      source_component_uuid=control,
      transfer_uuid=name,
      part_index=0,
      content=content,
    )

  def download(self, name: str) -> bytes:
    """A file that the page was given last, by the end of its name."""
    start = wait_for(
      lambda: [
        m
        for m in self.of("FileTransferStartDownload")
        if m["filename"].endswith(name)
      ]
    )[-1]

    def parts() -> list[bytes]:
      found = {
        m["part_index"]: m["content"]
        for m in self.of("FileTransferPart")
        if m["transfer_uuid"] == start["transfer_uuid"]
      }
      return list(found.values()) if len(found) == start["part_count"] else []

    return b"".join(wait_for(parts))

  def close(self) -> None:
    """As a tab that is closed."""
    self._loop.call_soon_threadsafe(self._task.cancel)
    self._thread.join(30)
    assert not self._thread.is_alive()


def _messages(data: bytes) -> list[dict[str, Any]]:
  """Of a packet: sizes, packed messages, arrays that no test looks at."""
  size = int.from_bytes(data[8:16], "little")
  inner = zstandard.ZstdDecompressor().decompress(data[16 : 16 + size])
  return list(msgspec.msgpack.decode(inner)["messages"])


@contextlib.contextmanager
def connected(port: int, origin: Any = None) -> Iterator[Client]:
  """A client that has sent its first camera."""
  client = Client(port, origin)
  try:
    client.move((0.0, 0.0, -1.0))
    yield client
  finally:
    client.close()


def wait_for(found: Callable[[], Any], seconds: float = 120) -> Any:
  """What `found` gives as soon as that is true."""
  for _ in range(int(seconds * 50)):
    if value := found():
      return value
    threading.Event().wait(0.02)
  raise AssertionError("it never came")
