package direct

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/layerbuild/layerbuild/runtimes"
)

// parseJSON reads the simple API's JSON form, PEP 691.
func parseJSON(data []byte, base *url.URL) ([]runtimes.File, error) {
	var page struct {
		Meta struct {
			Version string `json:"api-version"`
		} `json:"meta"`
		Files []struct {
			Name           string            `json:"filename"`
			URL            string            `json:"url"`
			Hashes         map[string]string `json:"hashes"`
			Size           int64             `json:"size"`
			RequiresPython *string           `json:"requires-python"`
			Yanked         any               `json:"yanked"` // false, true or the reason
		} `json:"files"`
	}
	if err := json.Unmarshal(data, &page); err != nil {
		return nil, err
	}
	if err := checkVersion(page.Meta.Version); err != nil {
		return nil, err
	}
	var files []runtimes.File
	for _, f := range page.Files {
		file := runtimes.File{Name: f.Name, SHA256: strings.ToLower(f.Hashes["sha256"]), Size: max(f.Size, 0)}
		file.Yanked = f.Yanked != nil && f.Yanked != false
		if f.RequiresPython != nil {
			file.RequiresPython = *f.RequiresPython
		}
		if complete(&file, f.URL, base) {
			files = append(files, file)
		}
	}
	return files, nil
}

// parseHTML reads the simple API's HTML form, PEP 503 and PEP 629.
func parseHTML(r io.Reader, base *url.URL) ([]runtimes.File, error) {
	var files []runtimes.File
	var file runtimes.File // the link that is open
	var href string
	var inLink bool
	z := html.NewTokenizer(r)
	z.SetMaxBuf(1 << 20)
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			if errors.Is(z.Err(), io.EOF) {
				return files, nil
			}
			return nil, z.Err()
		}
		token := z.Token()
		switch {
		case kind == html.TextToken && inLink:
			file.Name += token.Data
		case kind == html.EndTagToken && token.DataAtom == atom.A && inLink:
			inLink = false
			if link(&file, href, base) {
				files = append(files, file)
			}
		case kind != html.StartTagToken && kind != html.SelfClosingTagToken:
		case token.DataAtom == atom.A:
			inLink, href = true, attribute(token, "href")
			file = runtimes.File{RequiresPython: attribute(token, "data-requires-python"), Yanked: has(token, "data-yanked")}
		case token.DataAtom == atom.Base:
			if u, err := base.Parse(attribute(token, "href")); err == nil {
				base = u
			}
		case token.DataAtom == atom.Meta && attribute(token, "name") == "pypi:repository-version":
			if err := checkVersion(attribute(token, "content")); err != nil {
				return nil, err
			}
		}
	}
}

func attribute(t html.Token, key string) string {
	for _, a := range t.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(t html.Token, key string) bool {
	return slices.ContainsFunc(t.Attr, func(a html.Attribute) bool { return a.Key == key })
}

// link fills in what a link's address says of its file.
func link(f *runtimes.File, href string, base *url.URL) bool {
	u, err := url.Parse(href)
	if err != nil {
		return false
	}
	if f.Name = strings.TrimSpace(f.Name); f.Name == "" {
		f.Name = path.Base(u.Path)
	}
	if sum, ok := strings.CutPrefix(u.Fragment, "sha256="); ok {
		f.SHA256, _, _ = strings.Cut(strings.ToLower(sum), "&")
	}
	return complete(f, href, base)
}

// complete makes the file's address absolute and drops its credentials, and
// tells whether the file can be used: one without a SHA-256 cannot.
func complete(f *runtimes.File, ref string, base *url.URL) bool {
	u, err := base.Parse(ref)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return false
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	f.URL = u.String()
	return validName(f.Name) == nil && !strings.Contains(f.Name, "/") && validSum(f.SHA256)
}

func validSum(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// checkVersion refuses a future, incompatible form of the API. Indexes that
// name no version speak the first.
func checkVersion(version string) error {
	if major, _, _ := strings.Cut(version, "."); major != "" && major != "1" {
		return fmt.Errorf("it has version %s of the simple API, not 1", version)
	}
	return nil
}
