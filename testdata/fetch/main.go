// Fetch downloads one file from a package registry for the testbed, whose
// module has none of the libraries for it.
//
//	go run ./testdata/fetch npm NAME VERSION INTEGRITY FILE
//	go run ./testdata/fetch maven PATH INTEGRITY FILE
//
// INTEGRITY is "sha512-" and the digest in base64, as npm's lock files have
// it; other content is an error. Where registries are is known by osv-scalibr,
// which for npm heeds the machine's npmrc files and variables, with their
// credentials. LAYERBUILD_TESTBED_MAVEN is the address of another Maven
// repository than the usual one.
package main

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/osv-scalibr/clients/datasource"
)

const usage = `usage: fetch npm NAME VERSION INTEGRITY FILE
       fetch maven PATH INTEGRITY FILE`

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fetch: error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var open func() (*http.Response, error)
	switch {
	case len(args) == 5 && args[0] == "npm":
		open = func() (*http.Response, error) { return openNPM(ctx, args[1], args[2]) }
	case len(args) == 4 && args[0] == "maven":
		open = func() (*http.Response, error) { return openMaven(ctx, args[1]) }
	default:
		return errors.New(usage)
	}
	integrity, file := args[len(args)-2], args[len(args)-1]
	_, err := backoff.Retry(ctx, func() (any, error) {
		resp, err := open()
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s answers %s", resp.Request.URL.Redacted(), resp.Status)
		}
		return nil, save(resp.Body, integrity, file)
	}, backoff.WithMaxTries(4), backoff.WithMaxElapsedTime(10*time.Minute))
	return err
}

// openNPM asks the registry where the tarball is, since a mirror may have it
// at another place than the usual one.
func openNPM(ctx context.Context, name, version string) (*http.Response, error) {
	config, err := datasource.LoadNPMRegistryConfig(".")
	if err != nil {
		return nil, err
	}
	resp, err := config.MakeRequest(ctx, http.DefaultClient, name, version)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", resp.Request.URL.Redacted(), resp.Status)
	}
	var manifest struct{ Dist struct{ Tarball string } }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(&manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", resp.Request.URL.Redacted(), err)
	}
	return config.Auths.GetAuth(manifest.Dist.Tarball).Get(ctx, http.DefaultClient, manifest.Dist.Tarball)
}

func openMaven(ctx context.Context, path string) (*http.Response, error) {
	base := os.Getenv("LAYERBUILD_TESTBED_MAVEN")
	if base == "" {
		var err error
		if base, err = mavenRepository(ctx); err != nil {
			return nil, err
		}
	}
	file, err := url.JoinPath(base, path)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, file, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

// mavenRepository is the address that osv-scalibr uses where none is given. It
// shows that in its requests only.
func mavenRepository(ctx context.Context) (string, error) {
	var seen string
	client := &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		seen = req.URL.String()
		return nil, errors.New("asked for the address only")
	})}
	api, err := datasource.NewMavenRegistryAPIClient(ctx, datasource.MavenRegistry{ReleasesEnabled: true}, "", true, client, nil)
	if err != nil {
		return "", err
	}
	// The error is the one above.
	_, _ = api.GetVersions(ctx, "g", "a")
	base, ok := strings.CutSuffix(seen, "/g/a/maven-metadata.xml")
	if !ok {
		return "", errors.New("osv-scalibr does not tell where Maven's repository is: set LAYERBUILD_TESTBED_MAVEN")
	}
	return base, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func save(r io.Reader, integrity, file string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	h := sha512.New()
	if _, err := io.Copy(io.MultiWriter(f, h), r); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(h.Sum(nil)); got != integrity {
		return backoff.Permanent(fmt.Errorf("%s has integrity %s, want %s", file, got, integrity))
	}
	return nil
}
