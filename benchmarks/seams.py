"""Ceilings and seams of the codecs without weights, at equal coefficients.

  python -m benchmarks.seams [FOLDER ...] [--json seams.json]

Rooms, and of every folder the first pictures, cropped to squares: PSNR of the
round trip, and the mean jump between pixels across the borders of blocks over
that inside them, by the code of `scenetok codec-check`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.rooms import render_clip
from scenetok_jax import console
from scenetok_jax.analyses.codec_check import ClipOptions, check, read_clips
from scenetok_jax.codecs.api import get_codec
from scenetok_jax.io import write_json

# Those of VA-VAE, of the Video DC-AE, of configs/rooms.py, and finer ones.
GEOMETRIES = (
  {"spatial": 16, "channels": 32},
  {"spatial": 32, "channels": 128, "frames_per_latent": 4},
  {"spatial": 32, "channels": 192},
  {"spatial": 8, "channels": 12},
)
CODECS = ("block_dct", "lapped_dct")
_SIZE, _FRAMES, _ROOMS = 256, 8, 6


def main(argv: Sequence[str] | None = None) -> None:
  parser = console.parser("benchmarks.seams", __doc__ or "", json=True)
  parser.add_argument("folders", nargs="*", help="of pictures")
  args = parser.parse_args(argv)
  rows = [
    {"images": name, **geometry, **scores(clips, geometry)}
    for geometry in GEOMETRIES
    for name, clips in sets(args.folders, geometry).items()
  ]
  print("| images | pixels | frames | channels | block DCT | seams | lapped |"
        " seams |")  # fmt: skip
  print("|---|---|---|---|---|---|---|---|")
  for row in rows:
    print(line(row))
  if args.json:
    write_json(args.json, {"rows": rows})


def sets(
  folders: Sequence[str], geometry: dict[str, int]
) -> dict[str, list[np.ndarray]]:
  """Name -> clips uint8 [T H W 3]."""
  codec = get_codec(CODECS[0], **geometry)
  rooms = [render_clip(7, room, _FRAMES, 64).images for room in range(_ROOMS)]
  found = {"rooms": rooms}
  options = ClipOptions(size=_SIZE, frames=_FRAMES)
  for folder in folders:
    found["/".join(Path(folder).parts[-2:])] = read_clips(
      [folder], codec, options
    )
  return found


def scores(
  clips: list[np.ndarray], geometry: dict[str, int]
) -> dict[str, dict[str, float]]:
  """Codec -> psnr, seams."""
  checked = {name: check(get_codec(name, **geometry), clips) for name in CODECS}
  return {
    name: {"psnr": found.means()["psnr"], "seams": found.seams[0]}
    for name, found in checked.items()
  }


def line(row: dict[str, Any]) -> str:
  """A row of the table."""
  cells = [row["images"], row["spatial"], row.get("frames_per_latent", 1)]
  cells.append(row["channels"])
  for name in CODECS:
    cells += [f"{row[name]['psnr']:.2f}", f"{row[name]['seams']:.2f}"]
  return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
  sys.exit(console.run(main))
