#!/bin/sh
# Makes a minimal Debian root folder, then lets an image's own script change it.
#
# usage: rootfs.sh ROOT ARCH SUITE MIRROR KEYRING PACKAGES FOREIGN SETUP [ARG...]
#
# KEYRING may be empty (debootstrap's own choice). FOREIGN is yes where the
# machine cannot run ARCH itself; binfmt_misc then hands its programs to qemu.
# SETUP is a script that is run inside the root folder with the ARGs.
set -eu
root=$1 arch=$2 suite=$3 mirror=$4 keyring=$5 packages=$6 foreign=$7 setup=$8
shift 8

# Its own log, which goes with the root folder, says what failed.
trap '[ $? = 0 ] || tail -n 20 "$root/debootstrap/debootstrap.log"' EXIT
options="--variant=minbase --arch=$arch --include=$packages${keyring:+ --keyring=$keyring}"
if [ "$foreign" = yes ]; then
	debootstrap --foreign $options "$suite" "$root" "$mirror"
	chroot "$root" /debootstrap/debootstrap --second-stage
else
	debootstrap $options "$suite" "$root" "$mirror"
fi

cp "$setup" "$root/setup.sh"
chroot "$root" /bin/sh -eu /setup.sh "$@"
rm "$root/setup.sh"

# What only dpkg and people need: a third of the size.
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*
rm -rf "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale "$root"/usr/share/info
