package builder

import (
	"regexp"
	"testing"
)

func TestParseSize(t *testing.T) {
	const wrong = -2
	for text, want := range map[string]int64{
		"none": NoLimit, "0B": 0, "1B": 1, "1.5kB": 1500, "1KB": 1000, "1KiB": 1024, "20GB": 20e9, "20 GB": 20e9,
		"0.5TiB": 1 << 39, "512MiB": 512 << 20,
		"": wrong, "20": wrong, "GB": wrong, "-1GB": wrong, "1e3GB": wrong, "20gb": wrong, "20  GB": wrong, "20GB ": wrong,
		"9999999999TB": wrong, "0x1GB": wrong, ".5GB": wrong, "None": wrong,
	} {
		got, err := ParseSize(text)
		if err != nil {
			got = wrong
		}
		if got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
		// The schema is as strict, but that it does not know how large a size can be.
		if matches := regexp.MustCompile(sizePattern).MatchString(text); matches != (want != wrong) && text != "9999999999TB" {
			t.Errorf("%q: the schema's pattern matches: %v", text, matches)
		}
	}
}
