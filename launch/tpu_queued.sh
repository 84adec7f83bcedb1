#!/usr/bin/env bash
# Trains on a Cloud TPU slice through queued resources, and again on a new
# slice whenever a spot slice is taken away: the run resumes from its workdir.
#
#   PROJECT=p ZONE=us-east5-a TYPE=v5p-32 NAME=scenetok \
#     CONFIG=configs/scenetok_re10k.py WORKDIR=/mnt/bucket/runs/re10k \
#     DATA=/mnt/bucket/re10k BUCKET=my-bucket launch/tpu_queued.sh
#
# Settings:
#   PROJECT, ZONE    Google Cloud project and zone
#   TYPE             accelerator type, such as v5litepod-16, v5p-32, v6e-16
#   NAME             of the slice (default scenetok)
#   CONFIG, WORKDIR  needed; below /mnt/bucket when BUCKET is set
#   DATA, OVERRIDES  prepared data; words such as --config.mesh.fsdp=4
#   BUCKET           bucket to mount at /mnt/bucket on every host (gcsfuse). It
#                    needs a hierarchical namespace (gcloud storage buckets
#                    create --enable-hierarchical-namespace): a checkpoint is
#                    complete when its folder is renamed, which others copy
#   RUNTIME          software version (default: by TYPE)
#   SPOT             1 for cheap slices that may be taken away (default 0)
#   SOURCE           what pip installs on the hosts (default: the last commit
#                    of this repository, copied)
#   POLL             seconds between looks at the queue (default 60)
#   KEEP             1 leaves the slice running at the end (default 0)
# --dry-run prints the commands of one life of a slice.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/lib.sh
source "$here/lib.sh"
if [[ "${1:-}" == --dry-run ]]; then DRY_RUN=1; fi
need PROJECT "the Google Cloud project"
need ZONE "the zone of the slice, such as us-east5-a"
need TYPE "the accelerator type, such as v5p-32"
train_command
# Asked for by value: it is expanded on the hosts, not here.
# shellcheck source=launch/env_tpu.sh
source "$here/env_tpu.sh"
NAME=${NAME:-scenetok}
case "$TYPE" in
  v6e-*) default_runtime=v2-alpha-tpuv6e ;;
  v5p-*) default_runtime=v2-alpha-tpuv5 ;;
  v5litepod-*) default_runtime=v2-alpha-tpuv5-lite ;;
  v4-*) default_runtime=tpu-ubuntu2204-base ;;
  *)
    echo "tpu_queued.sh: error: TYPE: '$TYPE' is unknown; set RUNTIME too" >&2
    [[ -n "${RUNTIME:-}" ]] || exit 2
    ;;
esac
where=("--project=$PROJECT" "--zone=$ZONE")
queue=(gcloud compute tpus queued-resources)
hosts=(gcloud compute tpus tpu-vm)

create() {
  local words=(
    "${queue[@]}" create "$NAME" "${where[@]}" "--node-id=$NAME"
    "--accelerator-type=$TYPE" "--runtime-version=${RUNTIME:-$default_runtime}"
  )
  [[ "${SPOT:-0}" == 0 ]] || words+=(--spot)
  run "${words[@]}"
}

state() {
  "${queue[@]}" describe "$NAME" "${where[@]}" \
    "--format=value(state.state)" 2> /dev/null || echo ABSENT
}

await() {
  show "${queue[@]}" describe "$NAME" "${where[@]}" \
    "--format=value(state.state)"
  [[ "$DRY_RUN" == 0 ]] || return 0
  local now
  until now=$(state) && [[ "$now" == ACTIVE ]]; do
    case "$now" in
      FAILED | SUSPENDED | ABSENT) return 1 ;;
    esac
    echo "$NAME: $now"
    sleep "${POLL:-60}"
  done
}

every_host() {
  run "${hosts[@]}" ssh "$NAME" "${where[@]}" --worker=all "--command=$1"
}

# bash ignores `set -e` where a function is a condition: every step says so.
install() {
  if [[ -z "${SOURCE:-}" ]]; then
    local archive=${TMPDIR:-/tmp}/$NAME.tar.gz
    run git -C "$here/.." archive --format=tar.gz --prefix=scenetok/ \
      "--output=$archive" HEAD || return 1
    run "${hosts[@]}" scp "$archive" "$NAME:scenetok.tar.gz" "${where[@]}" \
      --worker=all || return 1
    run rm -f "$archive"
    every_host "tar -xzf scenetok.tar.gz" || return 1
  fi
  if [[ -n "${BUCKET:-}" ]]; then
    every_host "mountpoint -q /mnt/bucket || { sudo mkdir -p /mnt/bucket && \
sudo chmod 777 /mnt/bucket && gcsfuse --implicit-dirs $BUCKET /mnt/bucket; }" \
      || return 1
  fi
  # The images' own Python may be older than 3.11: uv brings one.
  every_host "python3 -m pip install -q --user uv && \
python3 -m uv venv -q --allow-existing --python 3.11 \$HOME/env && \
python3 -m uv pip install -q --python \$HOME/env/bin/python \
'${SOURCE:-./scenetok}[tpu]'"
}

train() {
  local words
  printf -v words '%q ' "${TRAIN[@]}"
  every_host "cd scenetok 2> /dev/null; \
export LIBTPU_INIT_ARGS='$LIBTPU_INIT_ARGS' \
JAX_COMPILATION_CACHE_DIR=$JAX_COMPILATION_CACHE_DIR; \
\$HOME/env/bin/${words% }"
}

delete() {
  run "${queue[@]}" delete "$NAME" "${where[@]}" --force --quiet
}

if [[ "$DRY_RUN" == 1 ]]; then
  create
  await
  install
  train
  [[ "${KEEP:-0}" == 1 ]] || delete
  exit 0
fi

while true; do
  [[ "$(state)" != ABSENT ]] || create
  if await && install && train; then
    [[ "${KEEP:-0}" == 1 ]] || delete
    exit 0
  fi
  if [[ "$(state)" == ACTIVE ]]; then
    echo "tpu_queued.sh: training failed on a healthy slice; it is kept:" \
      "look at it, then run this again or delete it" >&2
    exit 1
  fi
  echo "tpu_queued.sh: the slice is gone; asking for another" >&2
  delete || true
done
