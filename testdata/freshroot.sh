# What the README promises of a fresh machine: make demo passes in a root folder that
# holds nothing but a shell, ls, make, Go and certificates, for a user who is not root,
# with no home, no cache and no container engine. Run by make soak, as root, which
# making such a folder needs:
#
#   sh testdata/freshroot.sh [FOLDER]
#
# FOLDER is made, and takes 3 GB; otherwise it is a temporary one, which is removed.
set -eu
cd "$(dirname "$0")/.."

if [ "${1-}" != inside ]; then
	root=${1-}
	if [ -z "$root" ]; then
		root=$(mktemp -d)
		trap 'rm -rf "$root"' EXIT
	fi
	mkdir -p "$root"
	# Mounts and processes that end with this one, whatever happens.
	GOROOT=$(go env GOROOT) GOPROXY=$(go env GOPROXY) GOSUMDB=$(go env GOSUMDB) unshare --mount --pid --fork --kill-child sh "$0" inside "$root"
	exit
fi
root=$2

# Programs of this machine with the libraries that they load.
chmod 755 "$root"
mkdir -p "$root/bin" "$root/etc/ssl/certs" "$root/dev" "$root/proc" "$root/tmp" "$root/home" "$root/go" "$root/src"
for program in sh ls make env id; do
	file=$(readlink -f "$(command -v $program)")
	cp "$file" "$root/bin/$program"
	for library in $(ldd "$file" | grep -o '/[^ )]*'); do
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done
done
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
for device in null urandom; do
	touch "$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t proc proc "$root/proc"
mount --bind -o ro "$GOROOT" "$root/go"
git ls-files -co --exclude-standard | tar -cf - -T - | tar -xf - -C "$root/src"
chown -R 65534:65534 "$root/src" "$root/home" "$root/tmp"

chroot --userspec=65534:65534 "$root" /bin/env -i PATH=/bin:/go/bin HOME=/home TMPDIR=/tmp GOPROXY="$GOPROXY" GOSUMDB="$GOSUMDB" \
	GOTOOLCHAIN=local GOMODCACHE=/home/mod /bin/sh -euc '
	cd /src
	id
	ls /bin
	make demo
	echo "freshroot: make demo passed"'
