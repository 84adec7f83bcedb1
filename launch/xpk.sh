#!/usr/bin/env bash
# Trains on TPU slices of a GKE cluster through xpk; several slices form one
# job, whose restarts resume from the workdir.
#
#   CLUSTER=c PROJECT=p ZONE=us-east5-a TYPE=v5p-128 IMAGE=gcr.io/p/scenetok \
#     CONFIG=configs/scenetok_re10k.py WORKDIR=/data/runs/re10k \
#     DATA=/data/re10k launch/xpk.sh
#
# Settings:
#   CLUSTER, PROJECT, ZONE   where
#   TYPE             xpk's name of a slice, such as v5litepod-64, v5p-128
#   SLICES           slices (default 1); they are split over the data axis
#   IMAGE            image made with launch/Dockerfile
#   NAME             of the workload (default scenetok)
#   RESTARTS         restarts before giving up (default 50)
#   PRIORITY         of the workload (default medium)
#   STORAGE          name of an xpk storage that is mounted in the pods
#   CONFIG, WORKDIR, DATA, OVERRIDES   as for every launcher
# --dry-run prints the command.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/lib.sh
source "$here/lib.sh"
if [[ "${1:-}" == --dry-run ]]; then DRY_RUN=1; fi
need CLUSTER "the GKE cluster"
need PROJECT "the Google Cloud project"
need ZONE "the cluster's zone"
need TYPE "the slice, such as v5p-128"
need IMAGE "the image made with launch/Dockerfile"
train_command
# shellcheck source=launch/env_tpu.sh
source "$here/env_tpu.sh"

printf -v command '%q ' "${TRAIN[@]}"
words=(
  xpk workload create "--cluster=$CLUSTER" "--project=$PROJECT" "--zone=$ZONE"
  "--workload=${NAME:-scenetok}" "--tpu-type=$TYPE"
  "--num-slices=${SLICES:-1}" "--docker-image=$IMAGE"
  "--max-restarts=${RESTARTS:-50}" "--priority=${PRIORITY:-medium}"
  # Time to save a checkpoint after SIGTERM.
  "--termination-grace-period-seconds=${GRACE:-300}"
  "--env=LIBTPU_INIT_ARGS=$LIBTPU_INIT_ARGS"
  "--env=JAX_COMPILATION_CACHE_DIR=$JAX_COMPILATION_CACHE_DIR"
)
[[ -z "${STORAGE:-}" ]] || words+=("--storage=$STORAGE")
run "${words[@]}" "--command=${command% }"
