package s3

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A Location says where objects are: in a bucket, below a prefix.
type Location struct {
	Bucket   string
	Prefix   string // without slashes at its ends; "" is the whole bucket
	Region   string // "" leaves it to the environment
	Endpoint string // an http or https address; "" leaves it to the environment
	Style    Style
}

// A Style is how a bucket is addressed.
type Style int

// The styles. Other servers than AWS's seldom have a host for each bucket.
const (
	StyleAuto Style = iota // StylePath where there is an endpoint, else StyleHost
	StylePath              // https://endpoint/bucket/object
	StyleHost              // https://bucket.endpoint/object
)

// ParseLocation reads s3://bucket/prefix?region=…&endpoint=…&pathStyle=….
// Its errors do not show the address, for a password may stand anywhere in it.
func ParseLocation(u *url.URL) (Location, error) {
	if u.User != nil {
		return Location{}, errors.New("an s3 address holds no login: credentials come from the environment, as AWS's tools take them")
	}
	l := Location{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	if u.Scheme != "s3" || l.Bucket == "" || u.Fragment != "" {
		return Location{}, errors.New("not of the form s3://bucket/prefix")
	}
	if slices.ContainsFunc(strings.Split(l.Prefix, "/"), func(s string) bool { return s == "." || s == ".." }) {
		return Location{}, fmt.Errorf("a part . or .. in prefix %q", l.Prefix)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Location{}, err
	}
	for name, values := range query {
		if len(values) > 1 {
			return Location{}, fmt.Errorf("%s is given twice", name)
		}
		switch value := values[0]; name {
		case "region":
			l.Region = value
		case "endpoint":
			if l.Endpoint, err = parseEndpoint(value); err != nil {
				return Location{}, err
			}
		case "pathStyle":
			path, err := strconv.ParseBool(value)
			if err != nil {
				return Location{}, fmt.Errorf("pathStyle=%s: want true or false", value)
			}
			l.Style = StyleHost
			if path {
				l.Style = StylePath
			}
		default:
			return Location{}, fmt.Errorf("an s3 address has no parameter %q; it has region, endpoint and pathStyle", name)
		}
	}
	return l, nil
}

// parseEndpoint takes an address with or without its scheme, which is https
// unless it says otherwise.
func parseEndpoint(s string) (string, error) {
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return "", errors.New("endpoint is not an address") // err would quote it
	}
	if u.User != nil {
		return "", errors.New("endpoint holds a login: credentials come from the environment, as AWS's tools take them")
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("endpoint is not of the form https://host:port")
	}
	return s, nil
}

func (l Location) key(name string) string {
	if l.Prefix == "" {
		return name
	}
	return l.Prefix + "/" + name
}

// String is the address without its parameters.
func (l Location) String() string { return strings.TrimSuffix("s3://"+l.Bucket+"/"+l.Prefix, "/") }
