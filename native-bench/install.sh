#!/bin/sh
# Purpose: install what the whole-process benchmarks need on a Debian machine: a C compiler, strace,
#   openssl and its headers, Postfix, OpenDKIM and Exim.
# Contract: run as root; asks nothing, starts no service, may be run again at any time. Postfix is installed
#   without a configuration (the benchmark makes a private instance of its own). Exim conflicts with Postfix
#   in apt, so its package is only unpacked, into the folder native-bench/bin/exim.
#   With --haraka it also puts Haraka into native-bench/bin/haraka, by npm.
# Limits: Debian and its derivatives only. A program that cannot be had is reported and left out; the
#   benchmark then skips its row with a reason. The exit code is 0 unless the compiler is missing.
set -u

here=$(cd "$(dirname "$0")" && pwd)
policy=/usr/sbin/policy-rc.d
made_policy=no

say() { printf 'native-bench install: %s\n' "$*"; }

finish() {
  if [ "$made_policy" = yes ]; then rm -f "$policy"; fi
}
trap finish EXIT
trap 'exit 1' INT TERM

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }

if ! command -v apt-get >/dev/null 2>&1; then
  say 'apt-get is not here; install gcc, strace, openssl with its headers, postfix and opendkim by hand'
  command -v gcc >/dev/null 2>&1
  exit
fi
if [ "$(id -u)" -ne 0 ]; then
  say 'must run as root (packages are installed, and Postfix needs root to run)'
  exit 1
fi

# Exit code 101 of policy-rc.d tells the packages that no service may be started.
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made_policy=yes
fi

export DEBIAN_FRONTEND=noninteractive
# Another apt may hold the lock for a while: wait for it.
apt_install() { apt-get install -o DPkg::Lock::Timeout=300 -y -qq --no-install-recommends "$@" >/dev/null; }
exim_runs() { "$here/bin/exim/usr/sbin/exim4" -C /dev/null -bV >/dev/null 2>&1; }

missing=
for package in gcc libc6-dev libssl-dev strace openssl postfix opendkim opendkim-tools; do
  installed "$package" || missing="$missing $package"
done

if [ -n "$missing" ] || ! exim_runs; then
  apt-get update -qq || say 'apt-get update failed; going on with the lists that are here'
fi

if [ -n "$missing" ]; then
  echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
  echo 'postfix postfix/mailname string bench.example' | debconf-set-selections
  for package in $missing; do
    if apt_install "$package"; then
      say "installed $package"
    else
      say "could not install $package; what needs it will be skipped"
    fi
  done
fi

if ! exim_runs; then
  work=$(mktemp -d)
  chmod 755 "$work"
  # Libraries that the unpacked daemon needs come from apt in the ordinary way; they conflict with nothing.
  if (cd "$work" && apt-get download -qq exim4-daemon-light) >/dev/null 2>&1; then
    mkdir -p "$here/bin/exim" && dpkg-deb -x "$work"/exim4-daemon-light_*.deb "$here/bin/exim"
    needs=$(dpkg-deb -f "$work"/exim4-daemon-light_*.deb Depends | tr ',' '\n' |
      sed 's/(.*//; s/|.*//; s/ //g' | grep '^lib' | tr '\n' ' ')
    # shellcheck disable=SC2086 # a list of package names
    apt_install $needs || say "could not install all of: $needs"
    # The binary refuses to start without the user that its package would have made.
    id Debian-exim >/dev/null 2>&1 ||
      useradd --system --user-group --no-create-home --shell /usr/sbin/nologin Debian-exim
    if exim_runs; then say 'unpacked exim'; else say 'the unpacked exim does not start; it will be skipped'; fi
  else
    say 'could not download exim4-daemon-light; Exim will be skipped'
  fi
  rm -rf "$work"
fi

if [ "${1:-}" = --haraka ] && [ ! -d "$here/bin/haraka/node_modules/Haraka" ]; then
  mkdir -p "$here/bin/haraka"
  if npm install --silent --no-audit --no-fund --prefix "$here/bin/haraka" Haraka >/dev/null; then
    say 'installed haraka'
  else
    say 'could not install haraka; it will be skipped'
  fi
fi

command -v gcc >/dev/null 2>&1 || { say 'there is no gcc: nothing can be measured'; exit 1; }
say 'ready'
