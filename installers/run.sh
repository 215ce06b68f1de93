#!/bin/sh
# Installs what is missing and starts the workstation.
#   sh installers/run.sh              the workstation
#   sh installers/run.sh --demo       with an embedded archive that holds a sample study
# Without a display the demo runs headless and leaves pictures, an export and a report in ./lightbox-demo
# (another folder: --out DIR). Other arguments go to the `lightbox` command.
set -eu
cd "$(dirname "$0")/.."
. installers/common.sh

# shellcheck disable=SC2046
install_packages $(missing_libraries)
make_environment installers/requirements.lock

demo=""
if [ "${1:-}" = "--demo" ]; then
  demo=1
  shift
fi
headless=""
if [ "$(uname -s)" = Linux ] && [ -z "${DISPLAY:-}" ] && [ -z "${WAYLAND_DISPLAY:-}" ]; then
  headless=1
fi
for argument in "$@"; do
  [ "$argument" = "--headless" ] && headless=1
done
if [ -n "$headless" ] && { [ -n "$demo" ] || [ $# -eq 0 ] || [ "${1:-}" = "--headless" ]; }; then
  say "there is no display: running the demo headless; pictures, export and report go to ./lightbox-demo unless --out says otherwise"
  has_out=""
  for argument in "$@"; do
    [ "$argument" = "--out" ] && has_out=1
  done
  [ -n "$has_out" ] || set -- "$@" --out lightbox-demo
  case " $* " in *" --headless "*) ;; *) set -- "$@" --headless ;; esac
  exec .venv/bin/lightbox demo "$@"
fi
if [ -n "$demo" ]; then
  exec .venv/bin/lightbox demo "$@"
fi
exec .venv/bin/lightbox "$@"
