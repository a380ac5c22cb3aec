#!/bin/sh
# Measures the usual ways to make a layer beside layerbuild, on the packages of
# testdata/examples, for x86_64 and arm64: doc/comparison.md has what came out.
# make bench-tools runs it; it needs what make build and make tools make, and the
# registries. Each way is run cold (its caches are empty), warm in another folder,
# and again with nothing changed. All rows of one run saw the same machine.
#
#   sh testdata/compare.sh [WAY…]         only these, such as pip_zip
#   LEAVE='numpy pandas boto3 botocore'   leaves these out of the Python example
set -eu
cd "$(dirname "$0")/.."
repo=$PWD
tools=${LAYERBUILD_TEST_TOOLS:?make bench-tools sets it}
export PATH="$tools/bin:$tools/node/bin:$PATH"
unset CI PIP_FIND_LINKS LAYERBUILD_CACHE_FROM LAYERBUILD_CACHE_TO
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache/pip" UV_CACHE_DIR="$work/cache/uv" npm_config_cache="$work/cache/npm" LAYERBUILD_CACHE_DIR="$work/cache/layerbuild"
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-west-1 PIP_DISABLE_PIP_VERSION_CHECK=1

# The ways. Each leaves layer.zip in the working folder, which holds a copy of the
# example; $1 is Lambda's word for the architecture. `|| return`, since set -e does not
# hold where a result is asked for.

pip_zip() {
	rm -rf python
	pip install -q -r requirements.txt -t python || return
	zip -9 -q -r layer.zip python
}

# With all that a careful script can do: the target's wheels, no bytecode, times
# and order by rule.
pip_careful() {
	rm -rf python layer.zip
	platform=manylinux2014_x86_64
	test "$1" = x86_64 || platform=manylinux2014_aarch64
	pip install -q -r requirements.txt -t python --no-compile --only-binary :all: --python-version 3.11 --platform $platform || return
	find python -exec touch -h -d '1980-01-01 00:00' {} +
	find python | LC_ALL=C sort | zip -9 -q -X -@ layer.zip
}

uv_zip() {
	rm -rf python
	uv pip install -q --python 3.11 --require-hashes -r requirements.txt --target python || return
	zip -9 -q -r layer.zip python
}

# sam build leaves a folder, which sam deploy packs.
sam_build() {
	mkdir -p data
	cp requirements.txt data/
	sed "s/ARCH/$1/" >template.yaml <<-'END'
		AWSTemplateFormatVersion: '2010-09-09'
		Transform: AWS::Serverless-2016-10-31
		Resources:
		  Data:
		    Type: AWS::Serverless::LayerVersion
		    Metadata: {BuildMethod: python3.11, BuildArchitecture: ARCH}
		    Properties: {ContentUri: data, CompatibleRuntimes: [python3.11], CompatibleArchitectures: [ARCH]}
	END
	sam build --cached --cache-dir "$work/cache/sam" >"$work/sam.log" 2>&1 || { cat "$work/sam.log"; return 1; }
}

npm_zip() {
	npm ci --omit=dev --silent --no-audit --no-fund || return
	mkdir -p nodejs
	rm -rf nodejs/node_modules layer.zip
	cp -R node_modules nodejs/
	zip -9 -q -y -r layer.zip nodejs
}

layerbuild_python() { lb "$1" python3.11; }
layerbuild_node() { lb "$1" nodejs22.x; }

lb() {
	"$repo/bin/layerbuild" build -q . --engine direct --runtime "$2" --arch "$1" || return
	cp .layerbuild/dist/*.zip layer.zip
}

# copy EXAMPLE FOLDER makes a project as a person or CI checks it out: with new times.
copy() {
	mkdir -p "$work/$2"
	if [ "$1" = python ]; then
		awk -v leave=" ${LEAVE-} " '/^[a-z0-9]/ { split($1, name, "=="); skip = index(leave, " " name[1] " ") } !skip' \
			testdata/examples/data-api/requirements.txt >"$work/$2/requirements.txt"
	else
		cp -R testdata/examples/web-api/package.json testdata/examples/web-api/package-lock.json testdata/examples/web-api/packages "$work/$2/"
	fi
}

# seconds FOLDER COMMAND… runs it there and prints how long it took.
seconds() (
	cd "$work/$1"
	shift
	start=$(date +%s%N)
	"$@" >&2
	echo "$start $(date +%s%N)" | awk '{ printf "%.1f s", ($2 - $1) / 1e9 }'
)

# digest FOLDER is that of the archive, of SAM's result of all files.
digest() (
	cd "$work/$1"
	if [ -d .aws-sam/build ]; then
		find .aws-sam/build -type f ! -name template.yaml -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
	else
		sha256sum <layer.zip
	fi
)

# machines FOLDER counts programs and libraries by architecture.
machines() (
	cd "$work/$1"
	find python nodejs .aws-sam/build .layerbuild/unpacked -type f -size +1k 2>/dev/null | while read -r file; do
		test "$(head -c 4 "$file" | od -An -tx1 | tr -d ' ')" = 7f454c46 && od -An -tx2 -j18 -N2 "$file"
	done | awk '$1 == "003e" { x++ } $1 == "00b7" { arm++ } END { print x + 0 " x86_64, " arm + 0 " arm64" }'
)

# row EXAMPLE WAY measures one.
row() {
	rm -rf "$work/cache" "$work/a" "$work/b" "$work/elsewhere" "$work/arm"
	mkdir "$work/elsewhere"
	copy "$1" a
	cold=$(seconds a "$2" x86_64)
	copy "$1" elsewhere/b
	warm=$(seconds elsewhere/b "$2" x86_64)
	same=no
	test "$(digest a)" != "$(digest elsewhere/b)" || same=yes
	again=$(seconds elsewhere/b "$2" x86_64)
	size=$(stat -c %s "$work/a/layer.zip" 2>/dev/null || echo 0)
	rm -rf "$work/a" "$work/elsewhere"
	copy "$1" arm
	got=fails
	if (cd "$work/arm" && "$2" arm64) >&2; then
		test ! -d "$work/arm/.layerbuild" || (cd "$work/arm" && mkdir .layerbuild/unpacked && unzip -q layer.zip -d .layerbuild/unpacked)
		got=$(machines arm)
	fi
	rm -rf "$work/arm"
	echo "| $1 | $2 | $cold | $warm | $again | $(echo "$size" | awk '{ printf "%.1f MB", $1 / 1e6 }') | $same | $got |"
}

# hash WAY changes one hash of the lock and says whether it is noticed.
notices() {
	rm -rf "$work/cache" "$work/h"
	copy python h
	for arch in x86_64 arm64; do
		awk '/^idna==/ { inside = 1 } /^[a-z0-9]/ && !/^idna==/ { inside = 0 } inside { gsub(/sha256:[0-9a-f]/, "sha256:0") } { print }' \
			"$work/h/requirements.txt" >"$work/h/new" && mv "$work/h/new" "$work/h/requirements.txt"
		result=refused
		if (cd "$work/h" && "$1" $arch) >/dev/null 2>&1; then result=installed; fi
		echo "$1, another hash of idna, $arch: $result"
	done
	rm -rf "$work/h"
}

python --version; pip --version | cut -d ' ' -f 1-2; uv --version; sam --version; npm --version; zip -v | sed -n 2p
echo "| example | way | cold | warm, elsewhere | nothing changed | zip | same content twice | asked for arm64 |"
echo "|---|---|---|---|---|---|---|---|"
ways=${*:-pip_zip pip_careful uv_zip sam_build layerbuild_python npm_zip layerbuild_node}
for way in $ways; do
	case $way in
	npm_zip | layerbuild_node) row node "$way" ;;
	*) row python "$way" ;;
	esac
done
for way in $ways; do
	case $way in
	pip_zip | uv_zip | sam_build | layerbuild_python) notices "$way" ;;
	esac
done
