# Shared by run.sh and test.sh: finds Python, installs missing system libraries, creates the virtual environment.
# POSIX sh; sourced with the repository root as working directory.

say() { printf '%s\n' "lightbox: $*" >&2; }
die() { say "$*"; exit 1; }

# Prints the first Python that is at least 3.11.
find_python() {
  for candidate in "${LIGHTBOX_PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.14; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

# install_packages PACKAGE...: through apt as root or with sudo; otherwise lists what is missing and stops.
install_packages() {
  [ $# -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    die "these system packages (Debian names) are missing; install them with your package manager: $*"
  fi
  as_root=""
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
      as_root="sudo"
    else
      die "these system packages are missing and need an administrator: apt-get install $*"
    fi
  fi
  say "installing system packages: $*"
  # Servers that come with packages must not start by themselves on this machine.
  policy=/usr/sbin/policy-rc.d
  made_policy=""
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null && $as_root chmod 755 "$policy" && made_policy=1
  fi
  status=0
  { $as_root apt-get update -qq &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >&2 || status=$?
  [ -z "$made_policy" ] || $as_root rm -f "$policy"
  [ "$status" -eq 0 ] || die "apt-get could not install: $*"
}

# missing_libraries: prints the Debian packages of the shared libraries that Qt and VTK need and that are not here.
missing_libraries() {
  [ "$(uname -s)" = Linux ] || return 0
  known=$( (ldconfig -p || /sbin/ldconfig -p) 2>/dev/null || true)
  for pair in \
    libGL.so.1:libgl1 libEGL.so.1:libegl1 libxkbcommon.so.0:libxkbcommon0 libdbus-1.so.3:libdbus-1-3 \
    libfontconfig.so.1:libfontconfig1 libglib-2.0.so.0:libglib2.0-0 libgssapi_krb5.so.2:libgssapi-krb5-2 \
    libX11-xcb.so.1:libx11-xcb1 libxkbcommon-x11.so.0:libxkbcommon-x11-0 libxcb-cursor.so.0:libxcb-cursor0 \
    libxcb-icccm.so.4:libxcb-icccm4 libxcb-keysyms.so.1:libxcb-keysyms1 libxcb-xkb.so.1:libxcb-xkb1 \
    libxcb-randr.so.0:libxcb-randr0 libxcb-shape.so.0:libxcb-shape0 libxcb-sync.so.1:libxcb-sync1 \
    libxcb-xfixes.so.0:libxcb-xfixes0 libxcb-image.so.0:libxcb-image0 libxcb-render-util.so.0:libxcb-render-util0 \
    libXrender.so.1:libxrender1 libXext.so.6:libxext6; do
    case "$known" in
      *"${pair%%:*}"*) ;;
      *) printf '%s\n' "${pair##*:}" ;;
    esac
  done
  if ! find /usr/share/fonts /usr/local/share/fonts "${HOME:-/root}/.fonts" -name '*.[to]tf' 2>/dev/null | grep -q .; then
    printf '%s\n' fonts-dejavu-core
  fi
}

# make_environment LOCKFILE: a virtual environment in .venv with exactly what the lock file lists, and Lightbox itself.
make_environment() {
  lock=$1
  python=$(find_python) || { install_packages python3 python3-venv; python=$(find_python); } ||
    die "Python 3.11 or newer is needed; none was found"
  if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import pip' >/dev/null 2>&1; then
    rm -rf .venv
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
      version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
      install_packages "python$version-venv"
      "$python" -m venv .venv || die "the virtual environment could not be created"
    fi
  fi
  wanted=$(cat "$lock" pyproject.toml | sha256sum | cut -d ' ' -f 1)
  stamp=".venv/lightbox-$(basename "$lock" .lock).stamp"
  if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]; then
    say "installing Python packages (the first time takes some minutes)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock" ||
      die "the Python packages could not be installed"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ||
      die "Lightbox could not be installed into its virtual environment"
    .venv/bin/python -m compileall -q app resources || die "a source file does not compile"
    printf '%s\n' "$wanted" > "$stamp"
  fi
}
