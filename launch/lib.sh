# shellcheck shell=bash
# Shared by the launchers: --dry-run, required settings, shown commands.

DRY_RUN=${DRY_RUN:-0}

# need NAME WHAT: stops unless the environment variable NAME is set.
need() {
  if [[ -z "${!1:-}" ]]; then
    echo "${0##*/}: error: set $1: $2" >&2
    exit 2
  fi
}

# show COMMAND...: one line that can be pasted into a shell.
show() {
  local text
  printf -v text '%q ' "$@"
  echo "+ ${text% }"
}

# run COMMAND...: shows the command and, unless --dry-run, runs it.
run() {
  show "$@"
  if [[ "$DRY_RUN" == 0 ]]; then
    "$@"
  fi
}

# Words of the training command that every launcher builds from settings:
# CONFIG, WORKDIR, DATA and OVERRIDES (words such as --config.mesh.fsdp=4).
train_command() {
  need CONFIG "a configuration, such as configs/scenetok_re10k.py"
  need WORKDIR "a folder that every process sees"
  TRAIN=(scenetok train "--config=$CONFIG" "--workdir=$WORKDIR")
  if [[ -n "${DATA:-}" ]]; then
    TRAIN+=("--config.data.path=$DATA")
  fi
  local words
  read -ra words <<< "${OVERRIDES:-}"
  TRAIN+=("${words[@]}")
}
