#!/usr/bin/env bash
# Checks what a build needs and installs what apt-get can, as root or by sudo
# without a password; otherwise prints what is missing and the command for it.
#
#   build/deps.sh go        Go
#   build/deps.sh web       Go, Node, npm and curl: the page, the headless binary, the demo
#   build/deps.sh window    web, and the libraries of the window
#   build/deps.sh test      window, and what the tests of the window need
set -euo pipefail

GO_MIN=1.26
NODE_MIN=20.19

WINDOW_PACKAGES="build-essential pkg-config libgtk-3-dev libwebkit2gtk-4.1-dev"
TEST_PACKAGES="xvfb xdotool openbox dbus-x11 webkit2gtk-driver fonts-dejavu-core imagemagick x11-utils"

fail() {
  printf 'deps: %s\n' "$*" >&2
  exit 1
}

# at_least WANT HAVE: whether version HAVE is WANT or newer.
at_least() {
  [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

check_go() {
  command -v go >/dev/null || fail "Go $GO_MIN or newer is missing; install it from go.dev/dl and put it on the PATH"
  local have
  have=$(go env GOVERSION | sed 's/^go//')
  at_least "$GO_MIN" "$have" || fail "Go $have is too old; $GO_MIN or newer is needed (go.dev/dl)"
}

check_node() {
  command -v node >/dev/null || fail "Node $NODE_MIN or newer is missing; install it from nodejs.org"
  command -v npm >/dev/null || fail "npm is missing; it comes with Node from nodejs.org"
  local have
  have=$(node --version | sed 's/^v//')
  at_least "$NODE_MIN" "$have" || fail "Node $have is too old; $NODE_MIN or newer is needed (nodejs.org)"
}

installed() {
  [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null || true)" = "ii " ]
}

# privileged COMMAND...: runs it as root, if need be by sudo without a password.
privileged() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# apt_packages NAME...: installs those that are missing.
apt_packages() {
  [ "$(uname -s)" = Linux ] || return 0
  command -v dpkg-query >/dev/null || fail "this system has no apt; install the equivalents of: $*"
  local missing=()
  for p in "$@"; do
    installed "$p" || missing+=("$p")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  privileged true 2>/dev/null || fail "missing: ${missing[*]}; run: sudo apt-get install -y --no-install-recommends ${missing[*]}"
  printf 'deps: installing %s\n' "${missing[*]}"
  privileged env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  privileged env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  for p in "${missing[@]}"; do
    installed "$p" || fail "$p could not be installed"
  done
}

# curl_too: the demo asks for a prediction as people do, with curl.
curl_too() { command -v curl >/dev/null || apt_packages curl; }

# offered NAME: whether apt has a package of that name. The answer is read whole: a
# reader that stops early breaks the pipe, which would read as "no".
offered() {
  local policy
  policy=$(apt-cache policy "$1" 2>/dev/null) || return 1
  grep -q 'Candidate: [0-9]' <<<"$policy"
}

# browser: a Chromium for the tests of the page. Debian has a package; Ubuntu's of
# that name is none, so that there any Chromium or Chrome on the PATH will do.
browser() {
  for b in "${CHROMIUM:-}" chromium google-chrome google-chrome-stable chrome; do
    [ -n "$b" ] && command -v "$b" >/dev/null && return 0
  done
  # The lists of packages may never have been fetched on this machine.
  offered chromium || privileged apt-get update -qq 2>/dev/null || true
  if offered chromium; then
    apt_packages chromium
    return 0
  fi
  fail "missing: a Chromium browser, and apt has no package of it here; install Google Chrome (google.com/chrome) or Chromium, or set CHROMIUM to its path"
}

case "${1:-test}" in
  go) check_go ;;
  web) check_go; check_node; curl_too ;;
  # shellcheck disable=SC2086 # lists of names
  window) check_go; check_node; apt_packages $WINDOW_PACKAGES ;;
  # shellcheck disable=SC2086
  test) check_go; check_node; curl_too; apt_packages $WINDOW_PACKAGES $TEST_PACKAGES; browser ;;
  *) fail "unknown set $1: go, web, window or test" ;;
esac
