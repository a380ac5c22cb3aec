
# The end of copied.sh and of unpacked.sh, as rootfs.sh has it.
cp "$setup" "$root/setup.sh"
chroot "$root" /bin/sh -eu /setup.sh "$@"
rm "$root/setup.sh"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*
rm -rf "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale "$root"/usr/share/info
