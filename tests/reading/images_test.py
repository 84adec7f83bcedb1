"""Every reader of pictures keeps to regular files and to 8K."""

import os
import socket
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from data_pipelines.sources import posed_clips, re10k_texts
from data_pipelines.sources.capture import frames
from data_pipelines.storage.depth_maps import decode_depth
from data_pipelines.storage.images import decode_image
from scenetok_jax.evaluation import html
from scenetok_jax.evaluation.results import Result
from scenetok_jax.media import read_image
from scenetok_jax.reading import image_search
from scenetok_jax.reading.images import MAX_PIXELS, open_image
from scenetok_jax.types import InputError


def _socket(path):
  with socket.socket(socket.AF_UNIX) as server:
    server.bind(str(path))


def _of_a_result(path):
  return html._picture(Result(path.with_name("result.json"), {}), path.name)


_READERS = [
  read_image,
  frames.read_image,
  frames.image_header,
  _of_a_result,
  posed_clips.read_bytes,
  re10k_texts.read_text,
]
_DECODERS = [decode_image, decode_depth]


def _png(width: int, height: int) -> bytes:
  """A whole header of a picture that is not there."""
  data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
  check = struct.pack(">I", zlib.crc32(data))
  pixels = b"\0\0\x01\0IDAT" + b"\0" * 256
  head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13)
  return head + data + check + pixels


@pytest.mark.parametrize("read", _READERS)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, _socket])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, read, make):
  path = tmp_path / "x.png"
  make(path)
  with pytest.raises(InputError, match=r"x\.png: |result\.json: "):
    read(path)


@pytest.mark.parametrize("read", _READERS[:4])
def test_a_header_beyond_8k_is_refused_of_files(tmp_path, read):
  path = tmp_path / "x.png"
  path.write_bytes(_png(13_000, 13_000))
  with pytest.raises(InputError, match=r"x\.png: .*13000x13000 pixels"):
    read(path)


@pytest.mark.parametrize("read", _DECODERS)
@pytest.mark.parametrize("size", [(13_000, 13_000), (7681, 4320)])
def test_a_header_beyond_8k_is_refused_of_bytes(read, size):
  with pytest.raises(InputError, match=r"here: .*x\d+ pixels"):
    read(_png(*size), "here")


@pytest.mark.parametrize("read", _READERS[:4])
@pytest.mark.filterwarnings("error")
def test_a_header_beyond_pillows_own_limit_is_refused(tmp_path, read):
  path = tmp_path / "x.png"
  path.write_bytes(_png(60_000, 60_000))
  with pytest.raises(InputError, match=r"x\.png: .*its header claims too much"):
    read(path)


@pytest.mark.parametrize(
  "name", ["a\0b", "x" * 300, "x" * 252, "d/" * 3000, "\ud800", "\x1b[2J"]
)
def test_names_that_no_file_has_are_one_error(tmp_path, name):
  (tmp_path / "images").mkdir()
  with pytest.raises(InputError, match="poses: ") as error:
    image_search.ImageFinder(tmp_path).find(name, "poses")
  assert len(str(error.value)) < 500 and str(error.value).isprintable()


def test_8k_itself_is_read(tmp_path):
  path = tmp_path / "x.png"
  Image.fromarray(np.zeros((4320, 7680), np.uint8)).save(path)
  with open_image(path) as picture:
    assert np.prod(picture.size) == MAX_PIXELS


@pytest.mark.parametrize(
  "names", [["x1²2", "x12", "x1²10"], ["x" + "9" * 5000, "x1"], ["٣", "3", "a"]]
)
def test_names_with_other_digits_are_sorted(names):
  assert sorted(names, key=image_search.natural_key)
  assert sorted(["f10", "f2"], key=image_search.natural_key) == ["f2", "f10"]
