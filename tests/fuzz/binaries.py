"""Hostile binary files: numbers in them, pickles, videos; see mutations."""

import struct

from hypothesis import strategies as st

from tests.fuzz import mutations

# What a number in a binary file may be, by its layout.
_EXTREME = {
  "<I": [0, 1, 2**31 - 1, 2**32 - 1],
  "<i": [-1, 17, 18, -(2**31), 2**31 - 1],
  "<Q": [0, 1, 2, 2**31, 2**40, 2**63 - 1, 2**64 - 1],
  "<d": [0.0, -1.0, 1e-300, 1e300, float("nan"), float("inf")],
  ">H": [0, 1, 2**15, 2**16 - 1],
  ">I": [0, 1, 8, 2**31, 2**32 - 1],
}
_HEAD = b"\x80\x02"  # a pickle of protocol 2
_LARGE = b"\x8a\x06\x00\x00\x00\x00\x00\x01"  # 2**40
_DEEP = 100_000
PICKLES = [
  _HEAD + b"]r\xff\xff\xff\x7f.",  # a memo of two billion
  _HEAD + b"]p99999999999\n.",
  b"cos\nsystem\n(S'true'\ntR.",  # a foreign function
  _HEAD + b"cbuiltins\nbytearray\n" + _LARGE + b"\x85R.",  # a terabyte
  _HEAD + b"c__builtin__\nbytearray\n" + _LARGE + b"\x85R.",
  _HEAD + b"ctorch\nFloatStorage\n" + _LARGE + b"\x85R.",
  _HEAD + b"X\xff\xff\xff\x7fabc.",  # texts and numbers that end too early
  _HEAD + b"\x8b\xff\xff\xff\x7f.",
  _HEAD + b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
  _HEAD + b"(" * _DEEP + b"t" * _DEEP + b".",
  _HEAD + b"]" * _DEEP + b"a" * (_DEEP - 1) + b".",
  # Each tuple holds the last one twice.
  _HEAD + b")q\x00" + b"h\x00h\x00\x86q\x00" * 64 + b".",
  _HEAD + b"}(K\x01K\x02u.",  # names that are none
  _HEAD + b"I" + b"9" * 5000 + b"\n.",
  _HEAD + b"N.",
  b"",
]
_OTHER_VIDEOS = [
  b"",
  b"no video",
  b"#EXTM3U\n#EXTINF:1,\n../near/secret.txt\n#EXT-X-ENDLIST\n",
  b"ffconcat version 1.0\nfile ../near/secret.txt\n",
  mutations.png_header(65_535, 65_535),
  b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00",
]


@st.composite
def packed(draw, data: bytes) -> bytes:
  """One to three numbers of any layout at any place, or damage."""
  if not draw(st.integers(0, 4)):
    return draw(mutations.damaged(data))
  for _ in range(draw(st.integers(1, 3))):
    layout = draw(st.sampled_from(sorted(_EXTREME)))
    number = struct.pack(layout, draw(st.sampled_from(_EXTREME[layout])))
    at = draw(st.integers(0, max(len(data) - len(number), 0)))
    data = data[:at] + number + data[at + len(number) :]
  return data


@st.composite
def pickled(draw, data: bytes) -> bytes:
  """Another pickle, or a number or some bytes of this one."""
  if not draw(st.integers(0, 2)):
    return draw(st.sampled_from(PICKLES))
  return draw(packed(data))


@st.composite
def torch_zip(draw, data: bytes) -> bytes:
  """The pickle in a torch file, or any member, or the zip file."""
  if not draw(st.integers(0, 2)):
    return draw(mutations.zipped(data))
  members = mutations.zip_members(data)
  name = next(name for name in members if name.endswith("data.pkl"))
  return mutations.zip_file({**members, name: draw(pickled(members[name]))})


@st.composite
def video(draw, data: bytes) -> bytes:
  """Cut, with other numbers, or no video at all."""
  if not draw(st.integers(0, 4)):
    return draw(st.sampled_from(_OTHER_VIDEOS))
  return draw(packed(data))


@st.composite
def packed_text(draw, data: bytes) -> bytes:
  """A package of furniture: a word of a text in it, or a picture."""
  members = mutations.zip_members(data)
  name = draw(st.sampled_from(sorted(members)))
  if name.endswith(".png"):
    members[name] = draw(mutations.picture(members[name]))
  else:
    # Values of catalogues are words, too.
    words = members[name].replace(b"=", b"= ")
    members[name] = draw(mutations.text(words)).replace(b"= ", b"=")
  return mutations.zip_file(members)
