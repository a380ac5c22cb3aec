package direct

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/osv-scalibr/clients/datasource"

	"github.com/layerbuild/layerbuild/runtimes"
)

// maxVersionPage bounds what a registry says of one version.
const maxVersionPage = 16 << 20

// acceptPackage asks for a package's abbreviated form.
const acceptPackage = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"

// DefaultRegistry gives the address of npm's own registry.
func DefaultRegistry() string {
	return datasource.ParseNPMRegistryInfo(nil).ScopeURLs[""]
}

// registryOf finds the registry for a package among lines of an .npmrc. Where
// none is configured for it, that is npm's own.
func registryOf(lines []string, name string) (address string, configured bool) {
	scope, _, scoped := strings.Cut(name, "/")
	for _, line := range lines {
		key, value, _ := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case scoped && key == scope+":registry":
			return value, true
		case key == "registry" && address == "":
			address = value
		}
	}
	return cmp.Or(address, DefaultRegistry()), address != ""
}

// tarballName is what a registry calls the tarball of a version.
func tarballName(name, version string) string { return path.Base(name) + "-" + version + ".tgz" }

// tarballPath is where a registry has it, by convention.
func tarballPath(name, version string) string { return "/" + name + "/-/" + tarballName(name, version) }

var (
	npmName    = regexp.MustCompile(`^(@[A-Za-z0-9~_-][A-Za-z0-9._~-]*/)?[A-Za-z0-9~_-][A-Za-z0-9._~!'()*-]*$`)
	npmVersion = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+-]*$`)
)

// versionDoc is what a registry says of one version of a package. Its full
// form has scripts, the abbreviated one in place of them hasInstallScript.
type versionDoc struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Dist    struct {
		Tarball   string `json:"tarball"`
		Integrity string `json:"integrity"`
		Shasum    string `json:"shasum"`
	} `json:"dist"`
	OS               words           `json:"os"`
	CPU              words           `json:"cpu"`
	Libc             words           `json:"libc"`
	HasInstallScript any             `json:"hasInstallScript"`
	Scripts          json.RawMessage `json:"scripts"`
	GypFile          any             `json:"gypfile"`
}

// packageDoc is what it says of a package.
type packageDoc struct {
	Versions map[string]*versionDoc `json:"versions"`
}

// words is a list that may be one word.
type words []string

func (w *words) UnmarshalJSON(data []byte) error {
	var one string
	var list []any
	switch {
	case json.Unmarshal(data, &one) == nil && one != "":
		*w = words{one}
	case json.Unmarshal(data, &list) == nil:
		for _, item := range list {
			if text, ok := item.(string); ok {
				*w = append(*w, text)
			}
		}
	}
	return nil // whatever else people wrote there says nothing
}

// packageVersion asks the registry for exactly one version of an npm package.
// The answer is its file, with the strongest digest that the registry has. Where
// a weaker one is asked for and is right, the file is listed by that, too. There
// is none where the registry does not have the version, or has it with another
// digest.
func (x *Index) packageVersion(ctx context.Context, q runtimes.FileRequest) ([]runtimes.File, error) {
	files, err := x.versionFiles(ctx, q)
	return files, runtimes.RefusedBy("nodejs", err)
}

func (x *Index) versionFiles(ctx context.Context, q runtimes.FileRequest) ([]runtimes.File, error) {
	if !npmName.MatchString(q.Name) || !npmVersion.MatchString(q.Version) {
		return nil, nil
	}
	registry, _ := registryOf(q.Indexes, q.Name)
	address := strings.TrimRight(registry, "/") + "/" + strings.ReplaceAll(q.Name, "/", "%2f")
	doc, base, err := ask[versionDoc](ctx, x, address+"/"+q.Version, "application/json", maxVersionPage)
	if missing(err) {
		// Not every registry has pages of versions: the package's has them all.
		var all packageDoc
		all, base, err = ask[packageDoc](ctx, x, address, acceptPackage, maxIndexPage)
		if missing(err) || err == nil && all.Versions[q.Version] == nil {
			return nil, nil
		}
		if err == nil {
			doc = *all.Versions[q.Version]
		}
	}
	if err != nil {
		return nil, err
	}
	files, err := doc.files(q, base)
	if err != nil {
		return nil, &runtimes.NetworkError{URL: runtimes.WithoutSecrets(address), Err: err}
	}
	return files, nil
}

// missing tells whether a server answered that it does not have something.
func missing(err error) bool {
	var status *statusError
	return errors.As(err, &status) && (status.code == http.StatusNotFound || status.code == http.StatusGone ||
		status.code == http.StatusMethodNotAllowed)
}

// files lists the version's tarball, once for each digest that it is to be
// known by.
func (d versionDoc) files(q runtimes.FileRequest, base *url.URL) ([]runtimes.File, error) {
	if d.Version != q.Version {
		return nil, fmt.Errorf("asked for version %s, the registry answers with %q", q.Version, d.Version)
	}
	u, err := base.Parse(d.Dist.Tarball)
	if err != nil || d.Dist.Tarball == "" || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the registry names no address of the tarball")
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	digests := d.digests()
	if len(digests) == 0 {
		return nil, errors.New("the registry has no digest of the tarball")
	}
	f := runtimes.File{
		Name: tarballName(q.Name, q.Version), URL: u.String(), Integrity: digests[0].String(), Scripts: d.scripts(),
		Platform: &runtimes.Platform{OS: d.OS, CPU: d.CPU, Libc: d.Libc},
	}
	files := []runtimes.File{f}
	found := len(q.Hashes) == 0
	for _, hash := range q.Hashes {
		want, ok := ParseIntegrity(hash)
		if !ok || !slices.Contains(digests, want) {
			continue
		}
		found = true
		if f.Integrity = hash; want != digests[0] {
			files = append(files, f)
		}
	}
	if !found {
		return nil, nil
	}
	return files, nil
}

// digests are all that the registry has of the tarball, the strongest first.
func (d versionDoc) digests() []Integrity {
	var all []Integrity
	for field := range strings.FieldsSeq(d.Dist.Integrity) {
		if i, ok := ParseIntegrity(field); ok {
			all = append(all, i)
		}
	}
	if sum, err := hex.DecodeString(d.Dist.Shasum); err == nil && len(sum) == 20 {
		all = append(all, Integrity{"sha1", string(sum)})
	}
	slices.SortStableFunc(all, func(a, b Integrity) int { return a.rank() - b.rank() })
	return all
}

// scripts tells whether npm would run something at the package's installation.
func (d versionDoc) scripts() bool {
	if d.HasInstallScript == true || d.GypFile == true {
		return true
	}
	var scripts map[string]any
	_ = json.Unmarshal(d.Scripts, &scripts) // what is no object names no scripts
	for _, name := range []string{"preinstall", "install", "postinstall"} {
		if text, ok := scripts[name].(string); ok && text != "" {
			return true
		}
	}
	return false
}

// ask fetches and reads a JSON document. Its address is where the redirects
// ended.
func ask[T any](ctx context.Context, x *Index, address, accept string, most int64) (T, *url.URL, error) {
	f := fetcher{client: x.Client, newBackOff: x.newBackOff}
	var base *url.URL
	doc, err := try(ctx, f, address, func() (doc T, err error) {
		resp, err := f.get(ctx, address, http.Header{"Accept": {accept}})
		if err != nil {
			return doc, err
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
		if err != nil {
			return doc, err
		}
		if int64(len(data)) > most {
			return doc, backoff.Permanent(fmt.Errorf("the registry's answer has more than %d bytes", most))
		}
		base = resp.Request.URL
		if err := json.Unmarshal(data, &doc); err != nil {
			return doc, backoff.Permanent(fmt.Errorf("the registry's answer cannot be read: %w", err))
		}
		return doc, nil
	})
	return doc, base, err
}
