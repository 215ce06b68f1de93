#!/bin/sh
# Installs what is missing and runs every check: lint, types, architecture contracts, all tests.
# The tests that talk to Orthanc and DCMTK run in a private network namespace.
set -eu
cd "$(dirname "$0")/.."
. installers/common.sh

# missing_tools: prints the Debian packages of the reference programs that the tests compare with.
missing_tools() {
  PATH=$PATH:/usr/sbin:/sbin
  for pair in Orthanc:orthanc dcmqrscp:dcmtk dcm2niix:dcm2niix dciodvfy:dicom3tools ip:iproute2 unshare:util-linux; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s\n' "${pair##*:}"
  done
  [ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || printf '%s\n' orthanc-dicomweb
}

# shellcheck disable=SC2046
install_packages $(missing_libraries) $(missing_tools)
make_environment installers/requirements-dev.lock

export QT_QPA_PLATFORM=offscreen VTK_DEFAULT_OPENGL_WINDOW=vtkEGLRenderWindow PYTHONUNBUFFERED=1
export PATH="$PATH:/usr/sbin:/sbin"
bin="$PWD/.venv/bin"

step() { say "$1"; shift; "$@"; }
step "lint" "$bin/ruff" check app tests resources docs
step "format" "$bin/ruff" format --check app tests resources docs
step "types" "$bin/basedpyright"
step "architecture" "$bin/lint-imports"
step "lock files" sh -c '! grep -nE "https?://|--index-url|--extra-index-url|--find-links" installers/*.lock'

# Everything runs without any network but loopback; without the right to make a namespace the peers' tests say so.
say "tests"
LIGHTBOX_REQUIRE_PEERS="${LIGHTBOX_REQUIRE_PEERS:-${CI:+1}}"
export LIGHTBOX_REQUIRE_PEERS
if unshare -rn true 2>/dev/null; then
  exec unshare -rn sh -c 'ip link set lo up && exec "$0" -n 2 --dist loadgroup --max-worker-restart=0 "$@"' "$bin/pytest" "$@"
fi
exec "$bin/pytest" -n 2 --dist loadgroup --max-worker-restart=0 "$@"
