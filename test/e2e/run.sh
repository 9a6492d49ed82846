#!/bin/sh
# End-to-end tests with real clients in front of Sluice and real servers behind it: installs what is missing (Debian,
# as root), builds, and runs test/e2e/main.ts, or with `tls` as first word test/e2e/tls.ts (clients that log in, servers
# with TLS, DANE, MTA-STS; more words are the parts to run: submission, in-place, certificates, upstreams, mx), or with
# `operators` test/e2e/operators.ts (programs that read Postfix's log, promtool, mandoc).
#
# Nothing of the system is started or changed besides the packages: servers run from folders of their own, on
# unprivileged ports of loopback, and are stopped by process id. Exim is only unpacked, to var/e2e/exim, because its
# package and Postfix's remove each other. What cannot be installed is skipped with a word about it.
set -u
program=main
packages='swaks msmtp curl python3 python3-dkim python3-nacl postfix'
limit=400
if [ "${1:-}" = tls ]; then
  shift
  program=tls
  packages='swaks msmtp curl python3 postfix openssl libnet-ssleay-perl libio-socket-ssl-perl libauthen-sasl-perl
    libdigest-hmac-perl gsasl s-nail mutt git git-email libmailtools-perl dovecot-core knot knot-dnsutils unbound'
  limit=580
fi
if [ "${1:-}" = operators ]; then
  shift
  program=operators
  # Programs that read a mail log, and those that check what we give to others.
  packages='pflogsumm logwatch fail2ban prometheus-postfix-exporter prometheus mandoc'
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
policy=/usr/sbin/policy-rc.d
made_policy=no
say() { echo "e2e: $*"; }
finish() { [ "$made_policy" = yes ] && rm -f "$policy"; }
trap finish EXIT
trap 'exit 1' INT TERM

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }
exim_runs() { var/e2e/exim/usr/sbin/exim4 -C /dev/null -bV >/dev/null 2>&1; }
# Another apt may hold the lock for a while: wait for it.
apt_install() { apt-get install -o DPkg::Lock::Timeout=120 -y -qq --no-install-recommends "$@" >/dev/null; }

install_packages() {
  # Exit code 101 of policy-rc.d tells the packages that no service may be started.
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made_policy=yes
  fi
  export DEBIAN_FRONTEND=noninteractive
  missing=
  for package in $packages; do
    installed "$package" || missing="$missing $package"
  done
  [ -z "$missing" ] && { [ "$program" = operators ] || exim_runs; } && return
  apt-get update -qq || say 'apt-get update failed; going on with the lists that are here'
  if [ -n "$missing" ]; then
    echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
    echo 'postfix postfix/mailname string e2e.example' | debconf-set-selections
  fi
  for package in $missing; do
    if apt_install "$package"; then say "installed $package"; else say "could not install $package"; fi
  done
  [ "$program" = operators ] || exim_runs || unpack_exim
}

unpack_exim() {
  work=$(mktemp -d)
  chmod 755 "$work"
  if (cd "$work" && apt-get download -qq exim4-daemon-light) >/dev/null 2>&1; then
    mkdir -p var/e2e/exim && dpkg-deb -x "$work"/exim4-daemon-light_*.deb var/e2e/exim
    needs=$(dpkg-deb -f "$work"/exim4-daemon-light_*.deb Depends | tr ',' '\n' |
      sed 's/(.*//; s/|.*//; s/ //g' | grep '^lib' | tr '\n' ' ')
    # shellcheck disable=SC2086 # a list of package names
    apt_install $needs || say "could not install all of: $needs"
    # The binary refuses to start without the user that its package would have made.
    id Debian-exim >/dev/null 2>&1 ||
      useradd --system --user-group --no-create-home --shell /usr/sbin/nologin Debian-exim
    if exim_runs; then say 'unpacked exim'; else say 'the unpacked exim does not start'; fi
  else
    say 'could not download exim4-daemon-light'
  fi
  rm -rf "$work"
}

if ! command -v apt-get >/dev/null 2>&1; then
  say 'apt-get is not here: running with what is installed'
elif [ "$(id -u)" -ne 0 ]; then
  say 'not root: running with what is installed, without Postfix and Exim'
else
  install_packages
fi

npm run --silent build || exit 1
# The driver has limits of its own; this one is for the case that it hangs.
timeout --kill-after=20 "$limit" node "dist/test/e2e/$program.js" "$@"
