#!/bin/sh
# Makes a Debian root folder whose packages are unpacked and not configured.
# None of their own scripts runs, which is what takes long under qemu. That is
# enough for a runtime that leans on libc alone.
#
# usage: unpacked.sh ROOT ARCH SUITE MIRROR KEYRING PACKAGES FOREIGN SETUP [ARG...]
#
# The arguments are those of rootfs.sh; FOREIGN makes no difference.
set -eu
root=$1 arch=$2 suite=$3 mirror=$4 keyring=$5 packages=$6 setup=$8
shift 8

trap '[ $? = 0 ] || tail -n 20 "$root/debootstrap/debootstrap.log"' EXIT
debootstrap --foreign --variant=minbase --arch="$arch" --include="$packages" \
	${keyring:+--keyring="$keyring"} "$suite" "$root" "$mirror"
# That unpacked what its second stage could not start without, and fetched the rest.
for deb in "$root"/var/cache/apt/archives/*.deb; do
	dpkg-deb --fsys-tarfile "$deb" | tar --extract --keep-directory-symlink --directory="$root"
done
rm -r "$root/debootstrap"
# Where debootstrap takes the machine for a container, this is a link to its /proc.
rm -rf "$root/proc"
mkdir "$root/proc"
# What the package's own script does.
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
