# Runs the worker until it is done, which it says by leaving the file "done".
# What crashes, hangs or exits takes a worker with it; the next one goes on.
# Usage: run.sh FOLDER LIMIT COMMAND…
out=$1 limit=$2
shift 2
while [ "$limit" -gt 0 ]; do
	limit=$((limit - 1))
	"$@" </dev/null
	echo "exit $?" >>"$out/results"
	if [ -e "$out/done" ]; then
		rm "$out/done"
		exit 0
	fi
done
