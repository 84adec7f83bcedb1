"""Hostile files: valid ones changed by their structure, as Hypothesis draws.

Each function takes the bytes of a valid file and is a strategy of others.
"""

import copy
import io
import json
import struct
import zipfile
import zlib

import numpy as np
from hypothesis import strategies as st
from PIL import Image

DEEP = 100_000  # brackets
# What stands for text that json.dumps does not write.
RAW = {
  "@digits@": "1" + "0" * 400,
  "@power@": "1e999",
  "@deep@": "[" * DEEP + "]" * DEEP,
  "@objects@": '{"a":' * DEEP + "1" + "}" * DEEP,
  "@open@": "[" * DEEP,
  "@nan@": "NaN",
  "@infinity@": "-Infinity",
  "@surrogate@": '"\\ud800"',
}
NAMES = [
  "", ".", "..", "../../near/secret.txt", "/etc/passwd", "a\0b", "a\nb",
  "x" * 300, "y" * 70_000, "\udcff", "x1\u00b22.png", "\x1b[31mred",
  "\u2028", "-1", "NaN",
  "caf\u00e9", "a/" * 2000, "__class__", "\u0664",
]  # fmt: skip
NUMBERS = [
  0, 1, -1, 2, 3, 255, 2**31, 2**32 - 1, 2**40, 2**53, 2**63, 2**64, -(2**63),
  10**19, 0.5, -0.0, 1e-300, 1e-30, 1e10, 1e38, 3.5e38, 1e300, -1e300,
]  # fmt: skip
OTHERS = [None, True, False, [], {}, [[]], [None], {"": 0}, [0] * 1000, [{}]]
VALUES = [*RAW, *NAMES, *NUMBERS, *OTHERS]
WORDS = [
  b"nan", b"inf", b"-1e999", b"1" * 400, b"", b"x", b"-1", b"0", b"1e38",
  b"\0", b"\xc2\xb2", b"\xff\xfe", b"0x10", b"1_0", b"9" * 5000, b"# #",
]  # fmt: skip


@st.composite
def damaged(draw, data: bytes) -> bytes:
  """Cut, flipped, overwritten, inserted, moved, doubled or emptied."""
  for _ in range(draw(st.integers(1, 3))):
    at = draw(st.integers(0, len(data)))
    end = min(len(data), at + draw(st.integers(1, 16)))
    size = end - at
    data = draw(
      st.sampled_from(
        [
          data[:at],
          data[:at] + data[end:],
          data[:at] + bytes(x ^ 1 << at % 8 for x in data[at:end]) + data[end:],
          data[:at] + b"\xff" * size + data[end:],
          data[:at] + b"\0" * size + data[end:],
          data[:at] + data[:at][-16:] + data[at:],
          data[end:] + data[:end],
          data + data,
          data + b"\0" * 5000,
          b"",
        ]
      )
    )
  return data


def _place(draw, root):
  """(the holder of a value, the value's name in it), found by going down."""
  holder, name = root, 0
  while isinstance(holder[name], list | dict) and holder[name]:
    if holder is not root and not draw(st.integers(0, 3)):
      break
    holder = holder[name]
    names = list(holder) if isinstance(holder, dict) else range(len(holder))
    name = draw(st.sampled_from(names))
  return holder, name


def changed(draw, value):
  """A JSON value with one to three changes of its structure; see RAW."""
  root = [copy.deepcopy(value)]
  for _ in range(draw(st.integers(1, 3))):
    holder, name = _place(draw, root)
    other = copy.deepcopy(draw(st.sampled_from(VALUES)))
    way = draw(st.sampled_from(["value", "value", "without", "more", "number"]))
    if way == "value" or (holder is root and way != "number"):
      holder[name] = other
    elif way == "without":
      del holder[name]
    elif way == "number":
      holder[name] = draw(st.sampled_from(NUMBERS))
    elif isinstance(holder, dict):
      new = draw(st.sampled_from([*NAMES, f"{name}@twice@"]))
      holder[new] = draw(st.sampled_from([holder[name], other]))
    else:
      holder.insert(name, draw(st.sampled_from([holder[name], other])))
  return root[0]


def written(value) -> bytes:
  """JSON text, with what only text can say."""
  text = json.dumps(value).replace('@twice@"', '"')
  for name, raw in RAW.items():
    text = text.replace(f'"{name}"', raw)
  return text.encode()


@st.composite
def json_text(draw, data: bytes) -> bytes:
  """A document."""
  if not draw(st.integers(0, 9)):
    return draw(damaged(data))
  return written(changed(draw, json.loads(data)))


@st.composite
def json_lines(draw, data: bytes) -> bytes:
  """Documents, one a line: one of them changed, gone, doubled or damaged."""
  lines = data.splitlines()
  number = draw(st.integers(0, len(lines) - 1))
  way = draw(st.integers(0, 9))
  if way == 0:
    return draw(damaged(data))
  if way == 1:
    return b"\n".join([*lines[:number], *lines[number + 1 :]])
  if way == 2:
    return b"\n".join([lines[number], *lines])
  lines[number] = draw(json_text(lines[number]))
  return b"\n".join(lines) + b"\n"


@st.composite
def text(draw, data: bytes) -> bytes:
  """Words in lines: a word, a line or some bytes."""
  lines = [line.split(b" ") for line in data.split(b"\n")]
  number = draw(st.integers(0, len(lines) - 1))
  words = lines[number]
  way = draw(st.integers(0, 9))
  if way == 0:
    return draw(damaged(data))
  if way == 1:
    lines.insert(draw(st.integers(0, len(lines))), words)
  elif way == 2:
    del lines[number]
  elif way == 3:
    del words[draw(st.integers(0, len(words) - 1))]
  else:
    at = draw(st.integers(0, len(words) - 1))
    words[at] = draw(st.sampled_from(WORDS))
  return b"\n".join(map(b" ".join, lines))


def _array(draw, x: np.ndarray) -> np.ndarray:
  """Of another type, shape or with another number in it."""
  x = np.array(x)
  way = draw(st.integers(0, 9))
  if way < 4 and x.size:
    kinds = {"f": [np.nan, np.inf, -1e38, 6e4, 0, 1e-30]}
    with np.errstate(all="ignore"):
      x.flat[draw(st.integers(0, x.size - 1))] = np.array(
        draw(st.sampled_from(kinds.get(x.dtype.kind, [0, 1, -1, 127])))
      ).astype(x.dtype)
    return x
  if way < 6:
    kind = draw(st.sampled_from(["f2", "f4", "f8", "i8", "u1", "?", "i1"]))
    with np.errstate(all="ignore"):
      return x.astype(kind)
  return draw(
    st.sampled_from(
      [x[:0], x[:1], x[None], x.reshape(-1), x.T, np.concatenate([x, x]), x * 0]
      if x.ndim
      else [x[None]]
    )
  )


@st.composite
def arrays(draw, found: dict) -> dict:
  """Named arrays: one of them changed, gone, or called otherwise."""
  found = dict(found)
  name = draw(st.sampled_from(sorted(found)))
  way = draw(st.integers(0, 4))
  if way == 0:
    found[draw(st.sampled_from(["other", "a/b", "x" * 300]))] = found.pop(name)
  elif way == 1:
    del found[name]
  else:
    found[name] = _array(draw, found[name])
  return found


def _metadata(value: str) -> st.SearchStrategy[str]:
  """Other JSON where a value of a header is JSON, else other words."""
  try:
    json.loads(value)
  except ValueError:
    return st.sampled_from([*NAMES[:-2], value + "0"])
  inner = json_text(value.encode())
  return inner.map(lambda told: told.decode("utf-8", "replace"))


@st.composite
def safetensors(draw, data: bytes) -> bytes:
  """Header, its metadata (JSON within JSON), arrays or bytes."""
  from safetensors.numpy import load, save

  size = int.from_bytes(data[:8], "little")
  header, body = json.loads(data[8 : 8 + size]), data[8 + size :]
  way = draw(st.integers(0, 9))
  meta = header.get("__metadata__") or {}
  if way < 2:
    return draw(damaged(data))
  meta.pop("sha256", None)  # which would tell first
  if way < 5 and meta:
    name = draw(st.sampled_from(sorted(meta)))
    meta[name] = draw(_metadata(meta[name]))
  elif way < 7:
    other = draw(arrays(load(data)))
    return save({n: np.ascontiguousarray(x) for n, x in other.items()}, meta)
  else:
    header = changed(draw, header)
  told = written(header)
  lengths = [len(told)] * 5 + [0, len(told) + 1, 2**31, 2**63]
  return draw(st.sampled_from(lengths)).to_bytes(8, "little") + told + body


def zip_file(members: dict[str, bytes]) -> bytes:
  """Members stored as they are, with right checksums."""
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, "w") as archive:
    for name, value in members.items():
      archive.writestr(name, value)
  return buffer.getvalue()


def zip_members(data: bytes) -> dict[str, bytes]:
  with zipfile.ZipFile(io.BytesIO(data)) as archive:
    return {name: archive.read(name) for name in archive.namelist()}


@st.composite
def zipped(draw, data: bytes) -> bytes:
  """Members of a zip file: one of them damaged, gone or doubled; or all."""
  if not draw(st.integers(0, 3)):
    return draw(damaged(data))
  members = zip_members(data)
  # The first, a pickle or a header, is where others are named.
  names = [*members, *[next(iter(members))] * len(members)]
  name = draw(st.sampled_from(names))
  if not draw(st.integers(0, 5)):
    del members[name]
  else:
    members[name] = draw(damaged(members[name]))
  return zip_file(members)


@st.composite
def npz(draw, data: bytes) -> bytes:
  """Arrays, their headers, JSON in one of bytes, or the zip file."""
  way = draw(st.integers(0, 9))
  if way < 2:
    return draw(zipped(data))
  members = zip_members(data)
  name = draw(st.sampled_from(sorted(members)))
  if way < 4:  # a header that claims other things
    told = members[name]
    for old in (b"'shape': (", b"'descr': '"):
      lies = [b"9999999999, ", b"-1, ", b"", b"0, ", b"|O", b"<U9", b">"]
      told = told.replace(old, old + draw(st.sampled_from([b"", *lies])), 1)
    return zip_file({**members, name: told})
  with np.load(io.BytesIO(data)) as file:
    found = dict(file)
  texts = [n for n in found if n.endswith(".json")]
  if way < 7 and texts:
    inner = draw(json_text(found[texts[0]].tobytes()))
    found[texts[0]] = np.frombuffer(inner, np.uint8)
  elif way == 9:
    found[name.removesuffix(".npy")] = np.array([{"a": 1}], object)
  else:
    found = draw(arrays(found))
  buffer = io.BytesIO()
  np.savez(buffer, **found)
  return buffer.getvalue()


@st.composite
def floats(draw, data: bytes) -> bytes:
  """Plain float32 numbers: one of them, their count or their bytes."""
  if not draw(st.integers(0, 2)):
    return draw(damaged(data))
  values = np.frombuffer(data, np.float32)
  return _array(draw, values).astype(np.float32).tobytes()


@st.composite
def picture(draw, data: bytes) -> bytes:
  """A picture of another size, mode or kind, a header that lies, or damage."""
  way = draw(st.integers(0, 5))
  if way < 3:
    return draw(damaged(data))
  if way == 3:
    return png_header(*draw(st.tuples(*[st.sampled_from(SIDES)] * 2)))
  mode = draw(st.sampled_from(["1", "L", "P", "RGBA", "I;16", "RGB", "CMYK"]))
  size = draw(st.sampled_from([(40, 30), (1, 1), (30, 40), (400, 3)]))
  buffer = io.BytesIO()
  with io.BytesIO(data) as file:
    kind = Image.open(file).format
  kinds = [k for k in (kind, "PNG", "TIFF", "GIF", "BMP") if _saves(k, mode)]
  Image.new(mode, size).save(buffer, draw(st.sampled_from(kinds)))
  return buffer.getvalue()


SIDES = [0, 1, 40, 8192, 13_000, 65_536, 2**31 - 1, 2**32 - 1]


def _saves(kind: str, mode: str) -> bool:
  plain = mode in ("L", "RGB")
  return plain or kind == "TIFF" or (kind == "PNG" and mode != "CMYK")


def png_header(width: int, height: int) -> bytes:
  """A PNG that claims so many pixels, with right checksums and few bytes."""

  def part(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check

  head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
  body = part(b"IHDR", head) + part(b"IDAT", zlib.compress(bytes(1000)))
  return b"\x89PNG\r\n\x1a\n" + body + part(b"IEND", b"")
