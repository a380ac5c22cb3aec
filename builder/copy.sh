# Takes files from the image into a folder: copy.sh OUTPUT [FROM TO]…
#
# A link to a file in its own folder is taken as a link, with that file: a
# library keeps its soname. Any other link becomes the file that it leads to.
# What is wrong is written into OUTPUT/.layerbuild-copy, for all FROMs at once.
set -eu
IFS=
output=$1
report=$output/.layerbuild-copy
origins=$output.origins
shift
mkdir -p "$origins"

problem() { printf '%s\n' "$*" >>"$report"; }

# near lists files with nearly the name of $1: libpq.so.5.15 for libpq.so.6.
near() {
	name=${1##*/}
	stem=${name%%.*}
	found=
	first=${1%/*}
	for dir in "$first" /usr/lib64 /lib64 /usr/lib /lib /usr/lib/*-linux-gnu /usr/local/lib64 /usr/local/lib /usr/bin /usr/local/bin; do
		if [ "$found" ] && { [ -L "$dir" ] || [ "$dir" = "$first" ]; }; then continue; fi # seen
		for file in "$dir/$stem"*; do
			if [ -e "$file" ]; then found="$found${found:+ }$file"; fi
		done
	done
	printf '%s' "$found"
}

# same tells whether link $2 in folder $1 leads to a file of that folder.
same() {
	case $2 in
	*/*) ;;
	*) return 0 ;;
	esac
	case $2 in
	/*) to=${2%/*}/ ;;
	*) to=$1/${2%/*}/ ;;
	esac
	[ "$(cd "$to" && pwd -P)" = "$(cd "$1/" && pwd -P)" ]
}

# claim notes where the file at $1 in the layer is from, and fails where it
# is from elsewhere already.
claim() {
	origin=$origins/$1
	if [ -e "$origin" ] && [ "$(cat "$origin")" != "$2" ]; then
		problem "two files would be put at $1: $(cat "$origin") and $2"
		return 1
	fi
	mkdir -p "${origin%/*}"
	printf '%s' "$2" >"$origin"
}

# copy puts file $1 into folder $2, with the links on the way to it.
copy() {
	dir=${1%/*}
	name=${1##*/}
	mkdir -p "$output/$2"
	while :; do
		claim "$2/$name" "$(cd "$dir/" && pwd -P)/$name" || return 0
		[ -L "$dir/$name" ] || break
		target=$(readlink "$dir/$name")
		same "$dir" "$target" || break
		ln -sf "${target##*/}" "$output/$2/$name"
		name=${target##*/}
	done
	cp -L "$dir/$name" "$output/$2/$name"
}

while [ $# -gt 0 ]; do
	for file in $1; do
		if [ -f "$file" ]; then
			copy "$file" "$2"
		elif [ ! -d "$file" ]; then
			problem "$file is not in the image; near: $(near "$file")"
		elif [ "$file" = "$1" ]; then
			problem "$file is a folder: $file/* takes its files"
		fi
	done
	shift 2
done
