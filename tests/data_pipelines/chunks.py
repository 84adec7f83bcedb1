"""Writes RealEstate10K chunks as torch.save does, without torch."""

import io
import json
import struct
import zipfile

import numpy as np
from PIL import Image

from data_pipelines.sources.re10k_chunks import rows_from_cameras
from scenetok_jax.types import Cameras
from tests.data_pipelines import clips

_STORAGES = {"f4": "FloatStorage", "u1": "ByteStorage", "i8": "LongStorage"}


class Code:
  """Pickles into a call of os.system, which no reader may make."""


def save(path, content) -> None:
  """A zip of data.pkl and one stored member per array of `content`."""
  storages: list[np.ndarray] = []
  body = b"\x80\x02" + _pickle(content, storages) + b"."
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr("chunk/data.pkl", body)
    archive.writestr("chunk/byteorder", b"little")
    archive.writestr("chunk/version", b"3\n")
    for number, array in enumerate(storages):
      archive.writestr(f"chunk/data/{number}", array.tobytes())


def _pickle(value, storages: list[np.ndarray]) -> bytes:
  """Opcodes of pickle protocol 2 that push a value."""
  if isinstance(value, str):
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data
  if isinstance(value, int):
    return b"J" + struct.pack("<i", value)
  if isinstance(value, tuple):
    return b"(" + b"".join(_pickle(v, storages) for v in value) + b"t"
  if isinstance(value, list):
    return b"](" + b"".join(_pickle(v, storages) for v in value) + b"e"
  if isinstance(value, dict):
    items = [v for pair in value.items() for v in pair]
    return b"}(" + b"".join(_pickle(v, storages) for v in items) + b"u"
  if isinstance(value, Code):
    return b"cos\nsystem\n(X\x04\x00\x00\x00truetR"
  storages.append(np.ascontiguousarray(value))
  return _tensor(storages[-1], str(len(storages) - 1), storages)


def _tensor(array: np.ndarray, key: str, storages: list) -> bytes:
  storage = _STORAGES[array.dtype.str[1:]]
  size = array.size
  steps = [int(np.prod(array.shape[i + 1 :])) for i in range(array.ndim)]
  return b"".join(
    [
      b"ctorch._utils\n_rebuild_tensor_v2\n((",
      _pickle("storage", storages),
      f"ctorch\n{storage}\n".encode(),
      _pickle(key, storages) + _pickle("cpu", storages),
      _pickle(size, storages) + b"tQ" + _pickle(0, storages),
      _pickle(tuple(array.shape), storages) + _pickle(tuple(steps), storages),
      b"\x89ccollections\nOrderedDict\n)RtR",
    ]
  )


def scene(key: str, frames: int = 12, size=(24, 32), seed: int = 0) -> dict:
  """A scene as the chunks hold it; images and cameras are arrays."""
  height, width = size
  k = [[0.9 * height / width, 0, 0.5], [0, 0.9, 0.5], [0, 0, 1]]
  cameras = Cameras(
    clips.poses(frames, seed).astype(np.float32),
    np.tile(np.array(k, np.float32), (frames, 1, 1)),
  )
  return {
    "key": key,
    "url": "",
    "timestamps": np.arange(frames),
    "cameras": rows_from_cameras(cameras),
    "images": [jpeg(height, width, 5 * i) for i in range(frames)],
  }


def jpeg(height: int, width: int, level: int) -> np.ndarray:
  """The bytes of a smooth JPEG, uint8 [n]."""
  ramp = np.linspace(0, 90, width).astype(np.uint8)
  image = np.tile(ramp[None, :, None], (height, 1, 3)) + np.uint8(level)
  buffer = io.BytesIO()
  Image.fromarray(image).save(buffer, "JPEG", quality=95)
  return np.frombuffer(buffer.getvalue(), np.uint8)


def save_split(folder, scenes: dict[str, list[dict]]) -> None:
  """Chunks by file name, and an index.json that names all their keys."""
  folder.mkdir(parents=True)
  index = {}
  for name, content in scenes.items():
    save(folder / name, content)
    index |= {item["key"]: name for item in content}
  (folder / "index.json").write_text(json.dumps(index))
