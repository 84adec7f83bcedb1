"""`scenetok pose-score`: whose frames it judges, what it keeps and refuses."""

import json

import numpy as np
import pytest

from data_pipelines.photos import sfm
from data_pipelines.storage.records import Dataset
from scenetok_jax import console
from scenetok_jax.cli import pose_score
from scenetok_jax.evaluation.pose import clip_scores, score, structure
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import write_frames
from scenetok_jax.metrics.loading import LoadedMetrics
from tests.cli import workdirs

EVERY = 2


def _means(images: np.ndarray) -> np.ndarray:
  """Stands for Inception, whose weights come with no package: [B 3]."""
  return images.astype(np.float32).mean(axis=(1, 2))


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  return workdirs.stage1(tmp_path_factory.mktemp("pose") / "stage1")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  return workdirs.rooms(tmp_path_factory.mktemp("rooms"), 2, 16)


@pytest.fixture
def truth(data):
  """True poses of the frames that are judged, by scene."""
  dataset = Dataset(data, "test")
  return {
    row.key: np.asarray(dataset.cameras(row).extrinsics)[::EVERY]
    for row in dataset.scenes
  }


@pytest.fixture
def oracle(monkeypatch, truth):
  """Gives the truth of one scene after the other; returns its calls."""
  calls: list[int] = []

  def estimate(images, intrinsics, *, seed, threads):
    calls.append(len(images))
    return list(truth.values())[(len(calls) - 1) % 2][: len(images)]

  monkeypatch.setattr(structure, "estimate_poses", estimate)
  monkeypatch.setattr(sfm, "available", lambda: True)
  nets = LoadedMetrics({"fid": _means}, {"fid": {"sha256": "0"}}, {})
  monkeypatch.setattr(score, "load_metrics", lambda *names, **options: nets)
  return calls


@pytest.fixture
def run(data, tmp_path):
  def call(*options):
    file = tmp_path / "x.json"
    file.unlink(missing_ok=True)
    code = console.run(
      pose_score.main,
      [f"--data={data}", f"--every={EVERY}", f"--json={file}", *options],
    )
    return code, json.loads(file.read_text()) if file.is_file() else None

  return call


@pytest.mark.slow
def test_transfer_renders_the_next_scene_and_continues(
  run, workdir, truth, oracle, tmp_path, monkeypatch
):
  tokens, render = [], SceneTok.render_batch

  def spied(self, given, *arguments, **options):
    tokens.extend(np.asarray(scene.tokens) for scene in given)
    return render(self, given, *arguments, **options)

  monkeypatch.setattr(SceneTok, "render_batch", spied)
  options = [f"--workdir={workdir}", "--scenes=2"]
  transfer = [*options, "--transfer", f"--out={tmp_path / 'out'}"]

  # Cut before the second scene is estimated, the first is kept.
  write = clip_scores.ResultStore.write

  def cut(self, result, picture):
    write(self, result, picture)
    raise KeyboardInterrupt

  monkeypatch.setattr(clip_scores.ResultStore, "write", cut)
  assert run(*transfer)[0] == 130
  monkeypatch.setattr(clip_scores.ResultStore, "write", write)
  code, result = run(*transfer)
  assert code == 0 and len(oracle) == len(tokens) == 2
  assert run(*transfer) == (0, result) and len(tokens) == 2

  first, second = truth
  sources = {key: row["source"] for key, row in result["per_scene"].items()}
  assert sources == {first: second, second: first}
  assert result["auc@30"] == 1 and result["shuffled_auc@30"] < 1
  assert result["fid"] > 0 and "fid" in result["confidence_intervals"]
  assert len(result["checkpoint_sha256"]) == 64
  assert result["checkpoint_step"] == 5
  frames = list((tmp_path / "out" / first).glob("*.png"))
  assert len(frames) == result["per_scene"][first]["frames"]

  assert run(*options, f"--out={tmp_path / 'own'}")[0] == 0
  np.testing.assert_array_equal(tokens[0], tokens[3])
  np.testing.assert_array_equal(tokens[1], tokens[2])
  assert np.abs(tokens[0] - tokens[1]).max() > 0


def test_a_folder_has_the_poses_of_every_scene(run, truth, tmp_path, capsys):
  folder = tmp_path / "poses"
  folder.mkdir()
  for key, poses in truth.items():
    (folder / f"{key}.json").write_text(
      json.dumps({"extrinsics": [None, *poses[1:].tolist()]})
    )
  code, result = run("--scenes=2", f"--poses={folder}")
  assert code == 0 and result["pairs"] == 2 * 28
  assert [row["placed"] for row in result["per_scene"].values()] == [7, 7]
  assert result["racc@10"] == pytest.approx(21 / 28)
  assert result["checkpoint_sha256"] is None
  (folder / f"{next(iter(truth))}.json").unlink()
  assert run("--scenes=2", f"--poses={folder}")[0] == 2
  assert "not found" in capsys.readouterr().err


def test_frames_of_a_folder_are_compared_with_the_true_ones(
  run, data, truth, oracle, tmp_path
):
  dataset, key = Dataset(data, "test"), next(iter(truth))
  images, _ = dataset.read_frames(key, np.arange(16))
  write_frames(tmp_path / "frames", 255 - images)
  options = [f"--scene={key}", f"--images={tmp_path / 'frames'}"]
  code, result = run(*options)
  assert code == 0 and result["fid"] > 1


@pytest.mark.slow
def test_frames_are_rendered_for_another_estimator(run, workdir, tmp_path):
  options = [f"--workdir={workdir}", "--scenes=2", "--transfer"]
  assert run(*options, "--render-only", f"--out={tmp_path}")[0] == 0
  folders = [path for path in tmp_path.iterdir() if path.is_dir()]
  assert len(folders) == 2
  assert all(list(folder.glob("*.png")) for folder in folders)


@pytest.mark.parametrize(
  ("options", "message"),
  [
    (
      ["--workdir=x", "--transfer", "--scene=0", "--scenes=2", "--out=OUT"],
      "--transfer, --scene: one scene has no next one",
    ),
    (["--poses=one.json"], "one file is of one scene"),
    (["--images=frames"], "--images: say of which scene"),
    (["--scene=0"], "pycolmap is not installed"),
    (["--render-only"], "--render-only: needs --workdir"),
    (["--scenes=0"], "--scenes: invalid value"),
  ],
)
def test_bad_usage_is_one_line(
  run, tmp_path, capsys, monkeypatch, options, message
):
  monkeypatch.setattr(sfm, "available", lambda: False)
  options = [o.replace("OUT", str(tmp_path / "out")) for o in options]
  assert run(*options)[0] == 2
  error = capsys.readouterr().err
  assert message in error and error.count("\n") == 1


def test_a_single_scene_cannot_be_paired(
  run, workdir, oracle, tmp_path, tmp_path_factory, capsys
):
  single = workdirs.rooms(tmp_path_factory.mktemp("single"), 1, 16)
  options = [f"--workdir={workdir}", "--scenes=2", "--transfer"]
  code, _ = run(*options, f"--data={single}", f"--out={tmp_path / 'out'}")
  assert code == 2
  assert "--transfer: 1 scene; its tokens need" in capsys.readouterr().err
