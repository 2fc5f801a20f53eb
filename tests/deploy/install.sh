# shellcheck shell=bash
# Functions for the `install` scripts of tests/deploy, which source it: `source ../install.sh AREA DIR`.
#
# The scripts run unattended and in parallel with each other and with cargo. Each shared resource (a package, apt, the
# Go compiler) has a lock below DIR, tools appear in DIR/bin only when complete, and a second run finds them there. What
# the package managers print goes to DIR/log/AREA.log, which is shown if a command fails.

[ $# = 2 ] || { echo "usage: tests/deploy/$1/install DIR" >&2; exit 2; }
area=$1
mkdir -p "$2"/{bin,lock,log}
dir=$(cd "$2" && pwd)
log=$dir/log/$area.log
: > "$log"
export DEBIAN_FRONTEND=noninteractive PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1

fail() { echo "tests/deploy/$area/install: $*" >&2; exit 1; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# quietly COMMAND...: runs it with its output in the log, and shows the log if it fails.
quietly() {
    "$@" >> "$log" 2>&1 < /dev/null || {
        cat "$log" >&2
        fail "failed: $*"
    }
}

# locked NAME COMMAND...: runs it while no other install script holds the lock of that name.
locked() {
    local name=$1 result=0 lock
    shift
    exec {lock}> "$dir/lock/$name"
    flock "$lock"
    "$@" || result=$?
    exec {lock}>&-
    return $result
}

# apt COMMAND...: as root, waiting up to 10 minutes for another process that holds one of apt's locks.
# `DPkg::Lock::Timeout` covers the lock of dpkg but not the one of the package lists, hence the loop.
apt() {
    local attempt output
    for attempt in {1..120}; do
        output=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 "$@" 2>&1 < /dev/null) &&
            { echo "$output"; return; }
        grep -qE 'Could not get lock|Unable to lock' <<< "$output" || break
        sleep 5
    done
    echo "$output"
    return 1
}

apt_update() {
    # Once for all scripts that run together.
    [ -n "$(find "$dir/lock/updated" -mmin -30 2> /dev/null)" ] && return
    apt update && touch "$dir/lock/updated"
}

apt_install_now() { apt_update && apt install -y --no-install-recommends "$@"; }

# apt_install COMMAND[:PACKAGE]...: installs the packages of the commands that are missing. Only for what cannot run
# from a folder.
apt_install() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" > /dev/null || missing+=("${pair#*:}")
    done
    [ "${#missing[@]}" = 0 ] || locked apt quietly apt_install_now "${missing[@]}"
}

apt_download() { (cd "$1" && rm -f ./*.deb && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$2"); }

# Without package lists, or with old ones, the first download fails.
apt_download_fresh() { apt_download "$@" || { apt_update && apt_download "$@"; }; }

apt_unpack_now() {
    local package=$1 work
    [ ! -d "$dir/debian/$package" ] || return 0
    work=$(mktemp -d "$dir/lock/$package.XXXXXX") &&
        locked apt apt_download_fresh "$work" "$package" &&
        dpkg-deb -x "$work"/*.deb "$work/root" &&
        chmod 755 "$work/root" &&
        mkdir -p "$dir/debian" &&
        mv "$work/root" "$dir/debian/$package" &&
        rm -r "$work"
}

# apt_unpack PACKAGE: unpacks a Debian package into DIR/debian/PACKAGE. Installing it might start a service.
apt_unpack() { locked "unpack-$1" quietly apt_unpack_now "$1"; }

# link NAME TARGET: makes DIR/bin/NAME a link to TARGET.
link() { ln -sfn "$2" "$dir/bin/$1"; }

install_prometheus() {
    apt_unpack prometheus
    link prometheus "$dir/debian/prometheus/usr/bin/prometheus"
    link promtool "$dir/debian/prometheus/usr/bin/promtool"
}

# Chromium is installed rather than unpacked: it needs dozens of libraries.
install_chromium() {
    apt_install chromium
    link chromium "$(command -v chromium)"
}

# go_install NAME MODULE VERSION PACKAGE: builds PACKAGE of MODULE unless DIR/bin/NAME is of that version. One build at a
# time, since each runs a compiler per processor.
go_install() {
    command -v go > /dev/null || fail "Go is missing: it builds $1"
    if go version -m "$dir/bin/$1" 2> /dev/null | grep -qF "$(printf 'mod\t%s\t%s' "$2" "$3")"; then
        return
    fi
    GOBIN=$dir/bin locked go quietly nice go install "$4@$3"
}

# python_venv DIR: creates a virtual environment.
python_venv() {
    python3 -c 'import ensurepip, venv' 2> /dev/null || locked apt quietly apt_install_now python3-venv
    quietly python3 -m venv --clear "$1"
}
