#!/bin/sh
# Installs the Debian packages that building and testing need, and those that are named, and says so. Does nothing when
# all are there.
set -eu

packages="dbus exim4-daemon-light fprintd g++ gcc gnome-keyring libc6-dev libpcsclite-dev libssl-dev libtss2-dev make mount openssl opensc pcsc-tools pcscd pkg-config poppler-utils postgresql python3-cryptography python3-dbusmock python3-venv swtpm util-linux vsmartcard-vpcd xclip xvfb zbar-tools $*"

if ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian or Ubuntu system. Install what corresponds to: $packages" >&2
    exit 0
fi

missing=""
for package in $packages; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "This must be done as root: $*" >&2
        exit 1
    fi
}

if [ -n "$missing" ]; then
    echo "Installing Debian packages:$missing"
    as_root apt-get update --quiet --quiet
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends $missing
fi
# The tests put a PC/SC service of their own into its place. Where systemd runs, it makes the folder itself.
if [ ! -d /run/pcscd ]; then
    echo "Making the folder of the PC/SC service: /run/pcscd"
    as_root mkdir -p /run/pcscd
fi
