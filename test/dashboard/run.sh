#!/bin/sh
# The dashboard in a real browser: installs Chromium where it is missing (Debian, as root), builds, and runs
# test/dashboard/main.ts. Pictures go to var/dashboard, or where SLUICE_TEST_PICTURES says; CHROMIUM names another browser.
#
# Everything runs on loopback; what is started is stopped by process id.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
say() { echo "dashboard: $*"; }

browser() {
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    [ -n "$name" ] && command -v "$name" 2>/dev/null && return
  done
  return 1
}

if ! browser >/dev/null; then
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || say 'apt-get update failed; going on with the lists that are here'
    # Another apt may hold the lock for a while: wait for it.
    apt-get install -o DPkg::Lock::Timeout=120 -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null ||
      say 'could not install chromium'
  fi
fi
CHROMIUM=$(browser) || {
  say 'there is no Chromium, and it could not be installed: apt-get install chromium, or name one in CHROMIUM'
  exit 1
}
export CHROMIUM
npm run --silent build || exit 1
# The program has a limit of its own; this one is for the case that it hangs.
timeout --kill-after=20 500 node dist/test/dashboard/main.js "$@"
