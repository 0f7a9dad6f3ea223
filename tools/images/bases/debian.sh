#!/bin/sh
# A small Debian as a tar file, without what only people read and without what this machine told it.
#   debian.sh SUITE FILE
# Settings and exclusions are those of the official slim images.
set -eu
suite=$1 file=$2
root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT

debootstrap --variant=minbase --include=ca-certificates "$suite" "$root"

cat >"$root/etc/apt/sources.list" <<END
deb http://deb.debian.org/debian $suite main
deb http://deb.debian.org/debian $suite-updates main
deb http://deb.debian.org/debian-security $suite-security main
END
cat >"$root/etc/apt/apt.conf.d/slim" <<'END'
Acquire::Languages "none";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
END
cat >"$root/etc/dpkg/dpkg.cfg.d/slim" <<'END'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
END
inside() { env TMPDIR=/tmp DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"; }
inside apt-get update -q
inside apt-get upgrade -q -y

find "$root/usr/share/doc" ! -type d ! -name copyright -delete
find "$root/usr/share/doc" "$root/usr/share/man" -depth -mindepth 1 -type d -empty -delete
cd "$root"
rm -rf usr/share/info/* usr/share/locale/* usr/share/man/*/* \
    var/lib/apt/lists/* var/cache/apt/* var/cache/ldconfig/* var/cache/debconf/*-old \
    var/lib/dpkg/*-old var/log/apt var/log/*.log dev/* \
    etc/hostname etc/resolv.conf etc/machine-id etc/*-
tar --create --sort=name --numeric-owner --one-file-system --file="$file" .
