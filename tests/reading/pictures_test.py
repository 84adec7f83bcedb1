"""Any kind of picture becomes the same upright 8-bit RGB, or is refused."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from data_pipelines.sources.capture import frames
from data_pipelines.storage.images import decode_image
from scenetok_jax import media
from scenetok_jax.reading import orientation, pictures
from scenetok_jax.types import InputError

_GREY = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)


def _file(array, kind, **more):
  buffer = io.BytesIO()
  Image.fromarray(array).save(buffer, kind, **more)
  return buffer.getvalue()


def _tagged(array, tag, kind="PNG"):
  exif = Image.Exif()
  exif[0x0112] = tag
  return _file(array, kind, exif=exif)


@pytest.mark.parametrize(
  "data",
  [
    _file(_GREY.astype(np.uint16) * 257, "PNG"),
    _file(_GREY.astype(np.uint16) * 257, "TIFF"),
    _file((_GREY / 255).astype(np.float32), "TIFF"),
    _file(_GREY, "PNG"),
  ],
  ids=["png16", "tiff16", "tiff float", "png8"],
)
def test_grey_of_any_depth_is_the_same_picture(tmp_path, data):
  path = tmp_path / "x.png"
  path.write_bytes(data)
  expected = np.repeat(_GREY[..., None], 3, axis=-1)
  for found in (
    pictures.read_picture(data).pixels,
    decode_image(data, "here"),
    media.read_image(path),
    frames.read_image(path).pixels,
  ):
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
  "array, problem",
  [
    (np.full((4, 4), 300, np.int32), "32 bits"),
    (np.full((4, 4), 1.5, np.float32), "not shares of white"),
    (np.full((4, 4), np.nan, np.float32), "not shares of white"),
  ],
)
def test_levels_without_a_meaning_are_refused(tmp_path, array, problem):
  path = tmp_path / "x.tif"
  path.write_bytes(_file(array, "TIFF"))
  for read in (media.read_image, frames.read_image):
    with pytest.raises(InputError, match=f"x.tif: .*{problem}"):
      read(path)


def test_what_is_transparent_lies_on_white_and_is_told(tmp_path, capsys):
  layer = np.zeros((2, 3, 4), np.uint8)
  layer[0] = [10, 20, 30, 255]
  layer[1] = [0, 0, 0, 128]
  picture = pictures.read_picture(_file(layer, "PNG"))
  np.testing.assert_array_equal(picture.pixels[0, 0], [10, 20, 30])
  np.testing.assert_array_equal(picture.pixels[1, 0], [127] * 3)
  assert picture.notes == (pictures.TRANSPARENT,)
  layer[..., 3] = 255
  assert not pictures.read_picture(_file(layer, "PNG")).notes
  (tmp_path / "x.png").write_bytes(_file(np.zeros_like(layer), "PNG"))
  assert media.read_image(tmp_path / "x.png").min() == 255
  assert "x.png: transparent" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["CMYK", "P", "L", "LA", "1"])
def test_other_modes_are_read(mode):
  picture = Image.new("RGB", (3, 2), "white").convert(mode)
  assert pictures.to_rgb(picture)[0].tolist() == [[[255] * 3] * 3] * 2


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_orientation_tags_are_applied_and_undone(kind, tag):
  array = np.random.default_rng(tag).integers(0, 255, (4, 6, 3), np.uint8)
  data = _tagged(array, tag, kind)
  picture = pictures.read_picture(data)
  with Image.open(io.BytesIO(data)) as opened:
    expected = np.array(ImageOps.exif_transpose(opened))
  np.testing.assert_array_equal(picture.pixels, expected)
  np.testing.assert_array_equal(picture.stored, array)
  header = pictures.read_header(data)
  assert header == picture.header == pictures.Header((6, 4), tag)
  assert header.shown == expected.shape[1::-1]
  # A pixel lands where the axes say.
  offset = orientation.axes(tag) @ [4.5 - 3, 1.5 - 2]
  x, y = np.array(header.shown) / 2 + offset
  np.testing.assert_array_equal(expected[int(y), int(x)], array[1, 4])


@pytest.mark.parametrize(
  "head, hint",
  [
    (b"\x76\x2f\x31\x01" + bytes(60), "tone-map"),
    (b"FUJIFILMCCD-RAW " + bytes(60), "develop it"),
  ],
)
def test_foreign_pictures_have_a_hint(tmp_path, head, hint):
  path = tmp_path / "x.exr"
  path.write_bytes(head)
  with pytest.raises(InputError, match=hint):
    frames.read_image(path)


def test_heic_is_read_by_its_extra_or_names_it(tmp_path):
  head = b"\0\0\0\x18ftypheic" + bytes(60)
  heif = pytest.importorskip("pillow_heif", reason="the extra [heic]")
  with pytest.raises(Exception, match=r".") as error:
    pictures.read_picture(head)
  assert "AssertionError" not in repr(error.value)
  picture = Image.new("RGB", (96, 64), (77, 77, 77))
  buffer = io.BytesIO()
  heif.from_pillow(picture).save(buffer, format="HEIF")
  found = pictures.read_picture(buffer.getvalue()).pixels
  assert found.shape == (64, 96, 3) and np.abs(found.astype(int) - 77).max() < 3
