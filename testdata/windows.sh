# What layerbuild for Windows does, by wine, as there is no Windows here: the
# example layers of each language, twice, with the bytes that this machine makes.
# Run by make soak; needs wine, and x86_64-w64-mingw32-gcc for a wine before 9,
# which lacks a function that Go's programs start with.
#
#   sh testdata/windows.sh
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'WINEPREFIX=$work/prefix wineserver -k; rm -rf "$work"' EXIT
export WINEPREFIX=$work/prefix WINEDEBUG=-all
unset LAYERBUILD_CACHE_DIR

CGO_ENABLED=0 go build -tags grpcnotrace -o "$work/here" ./cmd/layerbuild
CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build -tags grpcnotrace -o "$work/there.exe" ./cmd/layerbuild
if ! wine "$work/there.exe" version 2>/dev/null; then
	cat >"$work/prng.c" <<-'C'
		#include <windows.h>
		BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
		__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE b, SIZE_T n) { return SystemFunction036(b, (ULONG)n); }
	C
	x86_64-w64-mingw32-gcc -shared -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" "$work/prng.c" -ladvapi32
	export WINEDLLOVERRIDES=bcryptprimitives=n
	wine "$work/there.exe" version
fi

for example in data-api web-api orders-gradle; do
	for side in here there.exe; do
		cp -r "testdata/examples/$example" "$work/$example"
		rm -rf "$work/$example/.layerbuild"
		for result in built hit; do
			(
				cd "$work/$example"
				case $side in
				here) LAYERBUILD_CACHE_DIR=$work/cache "$work/here" build --engine direct ;;
				*) LAYERBUILD_CACHE_DIR="Z:$work/cache-there" wine "$work/there.exe" build --engine direct ;;
				esac
			) >"$work/out"
			grep -q " $result " "$work/out" || { cat "$work/out"; exit 1; }
		done
		(cd "$work/$example/.layerbuild/dist" && sha256sum -- *) >"$work/$side.sums"
		rm -rf "${work:?}/$example"
	done
	diff "$work/here.sums" "$work/there.exe.sums"
	echo "windows.sh: $example: the same archives, manifests and index"
done
