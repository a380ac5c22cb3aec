package doctor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"

	"github.com/layerbuild/layerbuild/cache"
)

// Remote is a cache that machines share.
type Remote struct {
	Name     string // its address, without a login
	Backend  cache.Backend
	Pull     bool
	Push     bool
	Required bool
}

// probe is what a remote that builds write to is given: one name, by its
// content, whoever asks.
var probe = []byte("layerbuild doctor was here\n")

// Check asks for something that no remote has; and writes a probe where builds
// write.
func (r Remote) Check() Check {
	return Check{Subject: "remote", Look: func(ctx context.Context) []Finding { return []Finding{r.look(ctx)} }}
}

func (r Remote) look(ctx context.Context) Finding {
	f := Finding{Subject: "remote", Status: Warn}
	if r.Required {
		f.Status = Fail
	}
	if r.Pull {
		absent := sha256.Sum256([]byte("layerbuild doctor: nobody has this"))
		_, err := r.Backend.Stat(ctx, fmt.Sprintf("ac/%x", absent))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.Text, f.Err = fmt.Sprintf("%s cannot be read: %v", r.Name, err), err
			f.Fix = "see whether the address, the login and the network are right; builds go on without it"
			if r.Required {
				f.Fix = "see whether the address, the login and the network are right, or leave out required: true"
			}
			return f
		}
	}
	if !r.Push {
		return Finding{Subject: "remote", Status: OK, Text: r.Name + " can be read; nothing is pushed from here"}
	}
	name := fmt.Sprintf("cas/%x", sha256.Sum256(probe))
	if err := r.Backend.Put(ctx, name, int64(len(probe)), bytes.NewReader(probe)); err != nil {
		f.Text, f.Err = fmt.Sprintf("%s refuses what is pushed: %v", r.Name, err), err
		f.Fix = "give it a login that may write (token under the remote, secrets, ~/.netrc), or set push: false"
		return f
	}
	can := "can be read and written"
	if !r.Pull {
		can = "can be written"
	}
	return Finding{Subject: "remote", Status: OK, Text: r.Name + " " + can}
}
