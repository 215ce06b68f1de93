#!/bin/sh
# Regenerates the two lock files from pyproject.toml (needs `uv`). The listings hold hashes and no index address.
set -eu
cd "$(dirname "$0")/.."
flags="--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet"
# shellcheck disable=SC2086
uv pip compile $flags pyproject.toml installers/build-requirements.in -o installers/requirements.lock "$@"
# shellcheck disable=SC2086
uv pip compile $flags pyproject.toml installers/build-requirements.in --extra dev \
  -c installers/requirements.lock -o installers/requirements-dev.lock "$@"
