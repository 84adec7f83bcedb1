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
#   GRACE            seconds to save in after SIGTERM (default 300)
#   PRIORITY         of the workload (default medium)
#   STORAGE          name of an xpk storage that is mounted in the pods
#   CONFIG, WORKDIR, DATA, OVERRIDES   as for every launcher; WORKDIR may be
#                    gs://BUCKET/NAME
#   XPK              more words for xpk workload create
# The configuration is checked here first. --dry-run prints the command.
#
# A job that saved because it was asked to end leaves with status 75, which
# restarts it; a finished one leaves with 0.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(dirname "$here")
# shellcheck source=launch/lib.sh
source "$here/lib.sh"
# shellcheck source=launch/tpu_types.sh
source "$here/tpu_types.sh"
arguments "$@"
need CLUSTER "the GKE cluster"
need PROJECT "the Google Cloud project"
need ZONE "the cluster's zone"
need TYPE "the slice, such as v5p-128"
need IMAGE "the image made with launch/Dockerfile"
train_command
workdir_or_url
# shellcheck source=launch/env_tpu.sh
source "$here/env_tpu.sh"
count=$(chips "$TYPE")
cd "$REPO"
check $((count * ${SLICES:-1})) config

printf -v command '%q ' "${TRAIN[@]}"
words=(
  xpk workload create "--cluster=$CLUSTER" "--project=$PROJECT" "--zone=$ZONE"
  "--workload=${NAME:-scenetok}" "--tpu-type=$TYPE"
  "--num-slices=${SLICES:-1}" "--docker-image=$IMAGE"
  "--max-restarts=${RESTARTS:-50}" "--restart-on-exit-codes=$PREEMPTED"
  "--priority=${PRIORITY:-medium}"
  # Time to save a checkpoint after SIGTERM.
  "--termination-grace-period-seconds=${GRACE:-300}"
  "--env=LIBTPU_INIT_ARGS=$LIBTPU_INIT_ARGS"
  "--env=JAX_COMPILATION_CACHE_DIR=$JAX_COMPILATION_CACHE_DIR"
)
[[ -z "${STORAGE:-}" ]] || words+=("--storage=$STORAGE")
words_of XPK
run "${words[@]}" "${WORDS[@]}" "--command=${command% }"
