"""The limits that docs/data_limits.md tells are those of the code."""

import re
from pathlib import Path

import pytest

from data_pipelines.sources import posed_clips, torch_chunks
from data_pipelines.sources.capture import colmap_files
from scenetok_jax import media, types
from scenetok_jax.geometry import camera_checks
from scenetok_jax.reading import images, json_text, npz
from scenetok_jax.sampling import scene_file

_PAGE = Path(__file__).parents[2] / "docs/data_limits.md"
_LIMITS = {
  "JSON document": (
    f"{json_text.MAX_BYTES >> 20} MiB",
    f"{json_text.MAX_DEPTH} brackets",
    f"{json_text._MAX_DIGITS} digits",
  ),
  "picture": (
    f"{images.MAX_PIXELS:,} pixels",
    f"{posed_clips._MAX_FILE >> 20} MiB",
  ),
  "frames of": (f"{media._MAX_BYTES >> 30} GiB",),
  "array of": (f"{npz._MAX_BYTES >> 30} GiB",),
  "`.torch` chunk": (f"{torch_chunks._MAX_PICKLE >> 20} MiB",),
  "COLMAP model": (
    f"{colmap_files._MAX_SIDE:,} pixels",
    f"{colmap_files._MAX_NAME:,} bytes",
  ),
  "scene key": (f"{types._MAX_KEY} bytes",),
  "camera": (
    f"{camera_checks.MAX_POSITION:,.0f} of",
    f"{camera_checks.MAX_GIVEN:,.0f};",
    f"{camera_checks.MIN_FOCAL:g} to {camera_checks.MAX_FOCAL:g} image",
    f"{camera_checks._MAX_ASPECT:g} times",
    f"{camera_checks._MIN_CENTRE:g} to {camera_checks._MAX_CENTRE:g} sides",
  ),
  "scene tokens": (f"{scene_file.MAX_TOKEN:,.0f}",),
}


@pytest.mark.parametrize("what", _LIMITS)
def test_limits_are_told_as_they_are(what):
  section = _PAGE.read_text().split("## Limits of what is read\n")[1]
  (row,) = re.findall(rf"^\| {re.escape(what)}.*$", section, re.MULTILINE)
  assert all(limit in row for limit in _LIMITS[what]), row
