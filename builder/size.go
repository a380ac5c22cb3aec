package builder

import (
	"math"
	"regexp"
	"strconv"

	"github.com/layerbuild/layerbuild/runtimes"
)

// NoLimit is the size that "none" stands for.
const NoLimit = -1

// sizeUnits are the units of sizes, in bytes.
var sizeUnits = map[string]float64{
	"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

// The patterns of sizes in configurations, with "none" and without it.
const (
	weightPattern = `^[0-9]+(\.[0-9]+)? ?(B|[kKMGT]B|[KMGT]iB)$`
	sizePattern   = `^(none|[0-9]+(\.[0-9]+)? ?(B|[kKMGT]B|[KMGT]iB))$`
)

var sizeForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)$`)

// ParseSize reads a size as people write it, "20 GB" or "512MiB", and returns
// it in bytes; "none" is [NoLimit].
func ParseSize(text string) (int64, error) {
	if text == "none" {
		return NoLimit, nil
	}
	wrong := &runtimes.InputError{Problem: strconv.Quote(short(text)) + " is no size", Hint: "for example 20GB or 512MiB, or none for no limit"}
	m := sizeForm.FindStringSubmatch(text)
	if m == nil {
		return 0, wrong
	}
	unit, known := sizeUnits[m[2]]
	n, err := strconv.ParseFloat(m[1], 64)
	if n *= unit; err != nil || !known || n >= math.MaxInt64 {
		return 0, wrong
	}
	return int64(n), nil
}
