#!/bin/sh
# Makes a root folder from another image's, less its runtime.
#
# usage: copied.sh ROOT OTHER SETUP [ARG...]
set -eu
root=$1 other=$2 setup=$3
shift 3

cp -a --reflink=auto "$other" "$root"
rm -rf "$root/var/lang"
