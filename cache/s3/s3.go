// Package s3 keeps named bytes as objects of an S3 bucket, AWS's or that of
// another server that speaks its protocol.
//
// "ac/<hex>" is the object prefix/ac/<hex>; nothing else is there. Credentials,
// and where the address does not say it, region and endpoint come from where
// AWS's SDK looks for them: the environment, ~/.aws, web identity, the machine's
// role. None of that is looked at before the first call.
//
// The package verifies nothing and tries nothing twice: that is for package
// cache and for its remotes.
package s3

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/ctxio"
)

// MaxSize is the size in bytes of the largest object that one request puts.
const MaxSize = 5 << 30

// A Backend is a cache.Backend on a bucket. It is safe for concurrent use.
type Backend struct {
	at    Location
	roots *x509.CertPool

	busy   chan struct{} // holds one while client is looked at or made
	client *s3.Client    // nil before the first call
	source string        // where the client's credentials come from
}

// New returns the backend at a location. Servers are trusted whose authority
// is in roots, or the system's where that is nil. Nothing is read or asked yet.
func New(at Location, roots *x509.CertPool) *Backend {
	return &Backend{at: at, roots: roots, busy: make(chan struct{}, 1)}
}

// String is the bucket's address, as it may be shown.
func (b *Backend) String() string { return b.at.String() }

// connect returns the client, with the credentials known to be there. Asking
// for them may take seconds, so that no mutex does here: it knows no context.
func (b *Backend) connect(ctx context.Context) (*s3.Client, error) {
	select {
	case b.busy <- struct{}{}:
		defer func() { <-b.busy }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if b.client == nil {
		client, err := b.newClient(ctx)
		if err != nil {
			return nil, err
		}
		b.client = client
	}
	return b.client, nil
}

func (b *Backend) newClient(ctx context.Context) (*s3.Client, error) {
	// This kind of client is the one that AWS_CA_BUNDLE can be added to.
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		if b.roots != nil {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: b.roots.Clone()}
		}
	})
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(transport),
		config.WithLogger(logging.Nop{}), // it would write to stderr, which is not a library's
	}
	if b.at.Region != "" {
		options = append(options, config.WithRegion(b.at.Region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("reading AWS's configuration: %w", err)
	}
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, &credentialsError{err}
	}
	b.source = credentials.Source
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		if b.at.Endpoint != "" {
			o.BaseEndpoint = aws.String(b.at.Endpoint)
		}
		other := o.BaseEndpoint != nil
		o.UsePathStyle = b.at.Style == StylePath || b.at.Style == StyleAuto && other
		if o.Region == "" && other {
			o.Region = "us-east-1" // what servers take that have no regions
		}
		// Whoever calls decides what is tried again, for how long in all.
		o.Retryer = aws.NopRetryer{}
		// Put states a SHA-256, and what Get gives is hashed by package cache.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	if client.Options().Region == "" {
		return nil, errNoRegion
	}
	return client, nil
}

// object returns a client and the key of name's object.
func (b *Backend) object(ctx context.Context, name string) (*s3.Client, *string, error) {
	if !cache.ValidName(name) {
		return nil, nil, fmt.Errorf("bad name %q", name)
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	client, err := b.connect(ctx)
	return client, aws.String(b.at.key(name)), err
}

// Get implements cache.Backend.
func (b *Backend) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := b.get(ctx, name)
	if err != nil {
		return nil, b.explain(ctx, "get", name, err)
	}
	return r, nil
}

func (b *Backend) get(ctx context.Context, name string) (io.ReadCloser, error) {
	client, key, err := b.object(ctx, name)
	if err != nil {
		return nil, err
	}
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.at.Bucket, Key: key})
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

// Stat implements cache.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (int64, error) {
	size, err := b.stat(ctx, name)
	if err != nil {
		return 0, b.explain(ctx, "stat", name, err)
	}
	return size, nil
}

func (b *Backend) stat(ctx context.Context, name string) (int64, error) {
	client, key, err := b.object(ctx, name)
	if err != nil {
		return 0, err
	}
	out, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.at.Bucket, Key: key})
	switch status := statusOf(err); {
	case status >= 400 && status < 500 && status != http.StatusNotFound:
		// To HEAD nobody says why. A GET is told.
		r, why := b.get(ctx, name)
		if why == nil {
			return 0, errors.Join(err, r.Close())
		}
		return 0, why
	case err != nil:
		return 0, err
	case out.ContentLength == nil:
		return 0, errors.New("the server states no size")
	}
	return *out.ContentLength, nil
}

// Put implements cache.Backend: one request, which the server checks against
// the SHA-256 of what it is to store.
func (b *Backend) Put(ctx context.Context, name string, size int64, r io.ReadSeeker) error {
	if err := b.put(ctx, name, size, r); err != nil {
		return b.explain(ctx, "put", name, err)
	}
	return nil
}

func (b *Backend) put(ctx context.Context, name string, size int64, r io.ReadSeeker) error {
	client, key, err := b.object(ctx, name)
	if err != nil {
		return err
	}
	if size > MaxSize {
		return fmt.Errorf("%d bytes are more than the %d that one request may put", size, int64(MaxSize))
	}
	if err := checkSize(r, size); err != nil {
		return err
	}
	sum, err := sumOf(name, r)
	if err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	body := &body{ctxio.Reader{Ctx: ctx, R: r}, r}
	_, err = client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:         &b.at.Bucket,
		Key:            key,
		Body:           body,
		ContentLength:  &size,
		ContentType:    aws.String("application/octet-stream"),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum)),
	}, s3.WithAPIOptions(payloadHash(sum)))
	if body.Err != nil {
		return body.Err // what the SDK makes of it hides that it is ours
	}
	return err
}

// checkSize sees that r has as many bytes as it is said to.
func checkSize(r io.Seeker, size int64) error {
	end, err := r.Seek(0, io.SeekEnd)
	if err == nil && end != size {
		err = fmt.Errorf("got %d bytes where %d were announced", end, size)
	}
	return err
}

// sumOf is the SHA-256 of what is stored under name: for a blob its own name.
func sumOf(name string, r io.ReadSeeker) ([]byte, error) {
	if sum, ok := strings.CutPrefix(name, "cas/"); ok {
		return hex.DecodeString(sum)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	h := sha256.New()
	_, err := io.Copy(h, r)
	return h.Sum(nil), err
}

// payloadHash tells the signature the SHA-256 of the body, which would be read
// once more for it otherwise.
func payloadHash(sum []byte) func(*middleware.Stack) error {
	set := func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		return next.HandleInitialize(v4.SetPayloadHash(ctx, hex.EncodeToString(sum)), in)
	}
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("PayloadHash", set), middleware.Before)
	}
}

// body ends with the context, since a connection takes a while to.
type body struct {
	ctxio.Reader
	io.Seeker
}
