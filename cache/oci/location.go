package oci

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"oras.land/oras-go/v2/registry"
)

// A Location names a repository of a registry.
type Location struct {
	Registry   string // host, or host:port
	Repository string // such as team/layerbuild
	PlainHTTP  bool   // without TLS
}

// ParseLocation reads oci://registry/repository?plainHTTP=…. Without that
// parameter only loopback is spoken to in plain HTTP. Its errors do not show the
// address, for a password may stand anywhere in it.
func ParseLocation(u *url.URL) (Location, error) {
	if u.User != nil {
		return Location{}, errors.New("an oci address holds no login: credentials are those of docker login")
	}
	l := Location{Registry: u.Host, Repository: strings.Trim(u.Path, "/")}
	if u.Scheme != "oci" || u.Host == "" || l.Repository == "" || u.Fragment != "" {
		return Location{}, errors.New("not of the form oci://registry/repository")
	}
	ref := registry.Reference{Registry: l.Registry, Repository: l.Repository}
	if err := errors.Join(ref.ValidateRegistry(), ref.ValidateRepository()); err != nil {
		return Location{}, errors.New("not of the form oci://registry/repository, in lower case and without a tag")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Location{}, err
	}
	l.PlainHTTP = loopback(u.Hostname())
	for name, values := range query {
		if name != "plainHTTP" {
			return Location{}, fmt.Errorf("an oci address has no parameter %q; it has plainHTTP", name)
		}
		if l.PlainHTTP, err = strconv.ParseBool(values[len(values)-1]); err != nil {
			return Location{}, fmt.Errorf("plainHTTP=%s: want true or false", values[len(values)-1])
		}
	}
	return l, nil
}

func loopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback()
	}
	return host == "localhost"
}

// String is the address without its parameters.
func (l Location) String() string { return "oci://" + l.Registry + "/" + l.Repository }
