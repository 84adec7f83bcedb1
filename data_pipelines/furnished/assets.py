"""Furniture and textures of Sweet Home 3D, found in Debian's packages."""

import dataclasses
import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

from data_pipelines.furnished import archives
from scenetok_jax.types import InputError

INSTALLED = Path("/usr/share/sweethome3d")
REMEDY = (
  "run `apt-get install sweethome3d sweethome3d-furniture libllvm19`, or"
  " `apt-get download` these packages into a folder and give it as --source"
)
_CATALOGUE = "PluginFurnitureCatalog.properties"
_TEXTURES = "com/eteks/sweethome3d/io/DefaultTexturesCatalog.properties"
_LARGEST = 1e6  # centimetres
_OLDEST_LLVM = 16  # 15 aborts in Dr.Jit 1.5
# As /usr/share/doc/sweethome3d-furniture/copyright has it.
LICENCES = {
  "BlendSwap-CC-0": "CC0",
  "BlendSwap-CC-BY": "CC-BY-3.0",
  "KatorLegaz": "CC-BY-3.0-US",
  "Reallusion": "CC-BY-3.0-US",
  "Scopia": "CC-BY-3.0",
}


@dataclasses.dataclass(frozen=True)
class Piece:
  """A model of the catalogue; lengths in metres.

  size: across, from back to front, up. top: height at which things stand on
  it, or None. elevation: of its lowest point. rotation: row-major 3x3 that
  turns the file's axes upright, or None. bytes: size of its OBJ file.
  """

  key: str
  name: str
  category: str
  library: Path
  model: str
  creator: str
  size: tuple[float, float, float]
  top: float | None
  elevation: float
  rotation: tuple[float, ...] | None
  bytes: int

  @property
  def licence(self) -> str:
    """Short name of its licence."""
    return LICENCES.get(self.library.stem, "see the package's copyright file")


@dataclasses.dataclass(frozen=True)
class Pattern:
  """A texture that repeats every size (width, height) metres."""

  name: str
  category: str
  image: str
  size: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Assets:
  """Where everything lies.

  jar: Sweet Home 3D's, with textures. llvm: a library for Dr.Jit, or None
  where it must find one itself. cache: folder for converted models.
  """

  libraries: tuple[Path, ...]
  jar: Path
  llvm: Path | None
  cache: Path

  def fingerprint(self) -> str:
    """Hash of the names and sizes of the files."""
    digest = hashlib.sha256()
    for path in (*self.libraries, self.jar):
      digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
    return digest.hexdigest()


def find(source: str | os.PathLike | None, cache: Path | None = None) -> Assets:
  """Assets below a folder, which may hold .deb files or unpacked packages.

  Raises:
    InputError: they are not there, or the cache cannot be written.
  """
  folder = Path(source) if source else INSTALLED
  if not folder.is_dir():
    raise InputError(f"{folder}: --source: no such folder; {REMEDY}")
  cache = cache or _default_cache()
  try:
    cache.mkdir(parents=True, exist_ok=True)
    roots = [folder, *_unpack(folder, cache)]
  except OSError as error:
    raise InputError(
      f"{cache}: cannot be written ({error}); set XDG_CACHE_HOME"
    ) from None
  libraries = sorted(p for root in roots for p in root.rglob("*.sh3f"))
  jars = sorted(p for root in roots for p in root.rglob("sweethome3d*.jar"))
  if not libraries or not jars:
    what = "furniture (*.sh3f)" if not libraries else "textures (*.jar)"
    raise InputError(f"{folder}: --source: no {what} in it; {REMEDY}")
  by_name = {path.name: path for path in libraries}
  libraries = [by_name[name] for name in sorted(by_name)]
  return Assets(tuple(libraries), jars[0], _llvm(roots), cache)


def _default_cache() -> Path:
  base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
  return Path(base) / "scenetok" / "furnished"


def _unpack(folder: Path, cache: Path) -> Iterator[Path]:
  """Unpacks the .deb files of a folder once; gives the folders."""
  for package in sorted(folder.glob("*.deb")):
    if not package.name.startswith(("sweethome3d", "libllvm")):
      continue
    final = cache / f"{package.stem}-{package.stat().st_size}"
    if not final.is_dir():
      if not shutil.which("dpkg-deb"):
        raise InputError(
          f"{package}: --source: dpkg-deb is missing here; unpack it on a"
          " Debian machine with `dpkg-deb -x` and give that folder"
        )
      partial = cache / f".{final.name}.{os.getpid()}"
      done = subprocess.run(
        ["dpkg-deb", "-x", package, partial], capture_output=True, text=True
      )
      if done.returncode:
        raise InputError(
          f"{package}: --source: {done.stderr.strip()}; download it again"
        )
      if not final.is_dir():
        partial.rename(final)
    yield final


def _llvm(roots: list[Path]) -> Path | None:
  """The newest LLVM library that Dr.Jit can use, if it must be told."""
  if os.environ.get("DRJIT_LIBLLVM_PATH"):
    return None
  found = [p for root in roots[1:] for p in root.rglob("libLLVM*.so*")]
  found += [*Path("/usr/lib").glob("*/libLLVM*.so*")]
  found += [*Path("/usr/lib").glob("llvm-*/lib/libLLVM*.so*")]
  numbered = []
  for path in found:
    version = re.search(r"(?:-|\.so\.)(\d+)", path.name)
    if version and int(version[1]) >= _OLDEST_LLVM and path.is_file():
      numbered.append((int(version[1]), path))
  return max(numbered)[1] if numbered else None


def read_pieces(assets: Assets) -> list[Piece]:
  """Every model of every library, in the order of their keys."""
  pieces = []
  for library in assets.libraries:
    with archives.opened(library) as archive:
      sizes = {info.filename: info.file_size for info in archive.infolist()}
      for row in _rows(archive, _CATALOGUE):
        model = row.get("model", "").lstrip("/")
        if model.lower().endswith(".obj") and model in sizes:
          pieces.append(_piece(row, library, model, sizes[model]))
  return sorted(pieces, key=lambda piece: piece.key)


def read_patterns(assets: Assets) -> list[Pattern]:
  """Every texture of the jar, in the order of their names."""
  with archives.opened(assets.jar) as archive:
    patterns = [
      Pattern(
        Path(row["image"]).stem,
        row["category"],
        row["image"].lstrip("/"),
        (_side(row, "width"), _side(row, "height")),
      )
      for row in _rows(archive, _TEXTURES)
      if "image" in row
    ]
  return sorted(patterns, key=lambda pattern: pattern.name)


def _piece(row: dict[str, str], library: Path, model: str, size: int) -> Piece:
  def metres(field: str, default: float = 0.0) -> float:
    return _number(row, field, 100 * default) / 100

  turn = row.get("modelRotation", "").split()
  rotation = tuple(_number({"modelRotation": x}, "modelRotation") for x in turn)
  top = metres("dropOnTopElevation", metres("height"))
  return Piece(
    key=f"{library.stem}/{Path(model).parent.name}",
    name=row["name"],
    category=row["category"],
    library=library,
    model=model,
    creator=row.get("creator", "unknown"),
    size=(metres("width"), metres("depth"), metres("height")),
    top=top if top >= 0 else None,
    elevation=metres("elevation"),
    rotation=rotation if len(rotation) == 9 else None,
    bytes=size,
  )


def _number(row: dict[str, str], field: str, default: float = 0.0) -> float:
  value = float(row.get(field, default))
  if not abs(value) <= _LARGEST:
    raise ValueError(f"{field}={row[field]}")
  return value


def _side(row: dict[str, str], field: str) -> float:
  metres = _number(row, field) / 100
  if metres <= 0:
    raise ValueError(f"{field}={row.get(field)}")
  return metres


def _rows(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
  """The numbered entries `field#7=value` of a Java properties file."""
  text = archives.member(archive, name).decode("latin-1")
  rows: dict[int, dict[str, str]] = {}
  for field, number, value in re.findall(
    r"^(\w+)#([0-9]{1,9})=(.*?)\r?$", text, re.MULTILINE
  ):
    rows.setdefault(int(number), {})[field] = _unescape(value)
  return [rows[number] for number in sorted(rows)]


def _unescape(value: str) -> str:
  return re.sub(
    r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), value
  ).strip()
