package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	docLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	docHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInSlug  = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
)

// TestLinks: each link of the documentation to a file of the repository leads to
// one, and to a heading that it has.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob("../../doc/*.md")
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	pages = append(pages, "../../README.md", "../../CHANGELOG.md")
	slugs := make(map[string]map[string]bool)
	texts := make(map[string]string)
	for _, page := range pages {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		texts[page] = string(data)
		slugs[page] = make(map[string]bool)
		for _, h := range docHeading.FindAllStringSubmatch(texts[page], -1) {
			slugs[page][slug(h[1])] = true
		}
	}
	for _, page := range pages {
		for _, m := range docLink.FindAllStringSubmatch(texts[page], -1) {
			file, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			to := page
			if file != "" {
				to = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s leads nowhere", page, m[1])
			} else if known := slugs[to]; heading != "" && known != nil && !known[heading] {
				t.Errorf("%s: %s: no such heading", page, m[1])
			}
		}
	}
}

// slug is what GitHub and GitLab make of a heading.
func slug(heading string) string {
	return strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}
