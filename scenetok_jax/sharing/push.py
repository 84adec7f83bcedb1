"""Pushes a model to the hub: a compact folder, its card and its hashes."""

import dataclasses
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from data_pipelines.latents.identity import codec_identities
from scenetok_jax.convert.compact import PARAMS_FILE, load_compact, save_compact
from scenetok_jax.evaluation.results import Result, read_result
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import fetched, is_url, locate, write_json, write_text
from scenetok_jax.reading.images import open_image
from scenetok_jax.reading.shown import remark, shown
from scenetok_jax.sampling.digest import digest
from scenetok_jax.sharing.card import card, scored
from scenetok_jax.train.curves import CURVES_FILE
from scenetok_jax.types import InputError, explained, option
from scenetok_jax.workdir import places

README = "README.md"
_SHEETS = 2  # ours: of a result's contact sheets, those that the card shows


@dataclasses.dataclass(frozen=True)
class PushOptions:
  """Where a model goes, and what its card says beside what is known."""

  repo: str = option("", "repository OWNER/NAME", required=True)
  revision: str | None = option(
    None, "branch, made where it is not there (default: main)"
  )
  private: bool = option(False, "a repository that is made is private")
  storage: str | None = option(
    None,
    "of the parameters (default: int8; of a compact folder as it is)",
    choices=["int8", "float32"],
  )
  result: tuple[str, ...] = option(
    (),
    "of scenetok evaluate --json, for the card (default: the workdir's)",
    metavar="FILE",
  )
  picture: tuple[str, ...] = option(
    (), "PNG or JPEG, for the card", metavar="FILE"
  )
  licence: str = option("unknown", "of the weights, such as mit or cc-by-4.0")
  dry_run: bool = option(False, "write nothing; print the card")


@dataclasses.dataclass(frozen=True)
class Pushed:
  """What was pushed, or would be.

  name: hf://OWNER/NAME[@REVISION]. files: sizes in bytes. card: the text of
  README.md. commit: its hash on the hub.
  """

  name: str
  files: dict[str, int]
  card: str
  commit: str | None


def push(workdir: str, options: PushOptions) -> Pushed:
  """Pushes a model in one commit, from a run, a compact folder or the hub.

  InputError: no model there, a result of another one, no token, or what the
  hub refuses.
  """
  where = places.place(options.repo)
  if where.revision and options.revision:
    raise InputError(f"--revision: --repo={options.repo} names one; drop one")
  if not re.fullmatch(r"[\w.-]+", options.licence, re.ASCII):
    raise InputError(
      f"--licence: {shown(options.licence)}: not a name such as cc-by-4.0"
    )
  where = where._replace(revision=where.revision or options.revision)
  name = f"{places.SCHEME}{where.repo}"
  name += f"@{where.revision}" if where.revision else ""
  with tempfile.TemporaryDirectory() as temporary:
    folder = Path(temporary)
    write_folder(workdir, folder, name, options)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = {str(f.relative_to(folder)): f.stat().st_size for f in files}
    text = (folder / README).read_text("utf-8")
    commit = None
    if not options.dry_run:
      commit = _upload(folder, name, where, sizes, options.private)
  return Pushed(name, sizes, text, commit)


def write_folder(
  workdir: str, folder: Path, name: str, options: PushOptions
) -> None:
  """Writes what a repository will hold."""
  model = SceneTok.from_pretrained(workdir)
  source = locate(places.workdir(workdir))
  params = folder / PARAMS_FILE
  storage = _write_params(model, source / PARAMS_FILE, params, options.storage)
  write_json(folder / places.CONFIG_FILE, _shared(model.config.to_dict()))
  codecs = codec_identities(model.config, model.model)
  hashes = {file: places.file_sha256(folder / file) for file in places.FILES}
  values = {"version": places.VERSION, "files": hashes, "codecs": codecs}
  write_json(folder / places.HUB_FILE, values)
  whole, pushed = digest(model.params), digest(load_compact(params)[0])
  results = [(read_result(path), True) for path in options.result]
  results += [(result, False) for result in _found(source, options)]
  scores = [scored(r, whole, pushed, given) for r, given in results]
  of_model = [r for (r, _), score in zip(results, scores, strict=True) if score]
  text = card(
    model,
    name,
    licence=options.licence,
    storage=storage,
    codecs=codecs,
    scores=[score for score in scores if score],
    pictures=list(_pictures(source, of_model, options, folder)),
  )
  write_text(folder / README, text)


def _write_params(
  model: SceneTok, compact: Path, out: Path, storage: str | None
) -> str:
  """A compact file as it is, where it is whole; else the model's parameters.

  Returns how matrices are stored.
  """
  if storage is None and compact.is_file():
    with fetched(compact) as file:
      held = load_compact(file)[0]
      if held.keys() == model.params.keys():
        shutil.copyfile(file, out)
        return "they were"
  save_compact(out, model.params, model.step, exact=storage == "float32")
  return storage or "int8"


def _shared(value: Any) -> Any:
  """A configuration without the folders of this machine: their last names."""
  if isinstance(value, dict):
    return {
      key: _codec_folder(item)
      if key in ("context", "target")
      else _shared(item)
      for key, item in value.items()
    }
  if isinstance(value, str) and (value.startswith("/") or "://" in value):
    return PurePath(value).name
  return value


def _codec_folder(value: Any) -> Any:
  """A codec's section: its weights lie where the card says."""
  if isinstance(value, dict) and value.get("weights"):
    return {**value, "weights": f"codecs/{value['name']}"}
  return _shared(value)


def _found(source: Path, options: PushOptions) -> Iterator[Result]:
  """Results that evaluations left in a workdir, where none are given."""
  if not options.result and not is_url(source):
    for file in sorted(source.glob("**/result.json")):
      try:
        yield read_result(file)
      except InputError as error:  # the user has not asked for it
        remark(f"left out of the card: {error}")


def _pictures(
  source: Path, results: list[Result], options: PushOptions, folder: Path
) -> Iterator[str]:
  """Names of pictures, copied: curves, contact sheets, and those given."""
  files = [] if is_url(source) else [source / CURVES_FILE]
  for result in results:
    names = list(result.data.get("pictures", {}).values())[:_SHEETS]
    files += [result.path.parent / name for name in names]
  files = [file for file in files if file.is_file()]
  for number, file in enumerate([*files, *map(Path, options.picture)]):
    kinds = (OSError, ValueError, SyntaxError, KeyError)
    with (
      explained(f"{file}: not a picture", "give a PNG or JPEG", *kinds),
      open_image(file) as image,
    ):
      suffix = {"PNG": ".png", "JPEG": ".jpg"}[str(image.format)]
    place = folder / "pictures" / f"{number:02d}{suffix}"
    place.parent.mkdir(exist_ok=True)
    shutil.copyfile(file, place)
    yield place.relative_to(folder).as_posix()


def _upload(
  folder: Path, name: str, where: places.Place, files: Any, private: bool
) -> str:
  """One commit with all files; returns its hash."""
  with places.hub_errors(name):
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if not get_token():
      raise InputError(
        f"{name}: no token to push with; log in: hf auth login, or set HF_TOKEN"
      )
    api = HfApi(library_name="scenetok_jax")
    api.create_repo(where.repo, private=private, exist_ok=True)
    if where.revision:
      api.create_branch(where.repo, branch=where.revision, exist_ok=True)
    with places.bars_on_terminals():
      done = api.create_commit(
        where.repo,
        [CommitOperationAdd(file, folder / file) for file in files],
        commit_message="Push a model of scenetok_jax",
        revision=where.revision,
      )
  return str(done.oid)
