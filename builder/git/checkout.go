package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Checkout writes what a folder of a repository held at a revision to the
// folder into, as a checkout would: with the user's own line ends and filters,
// or it would differ from what lies in the working tree. The repository, its
// index and its working tree stay as they are.
func Checkout(ctx context.Context, folder, revision, into string) error {
	temp, err := os.MkdirTemp("", "layerbuild-index-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	env := deleteVariables((&Repositories{}).environment(), "GIT_LFS_SKIP_SMUDGE")
	git := repository{folder, append(env, "GIT_INDEX_FILE="+filepath.Join(temp, "index"))}
	commit, err := git.run(ctx, nil, "rev-parse", "--verify", "--end-of-options", revision+"^{commit}")
	if err != nil {
		if failed := (*commandError)(nil); errors.As(err, &failed) {
			return &runtimes.InputError{Problem: fmt.Sprintf("revision %q of %s", revision, folder), Err: err,
				Hint: "name a commit, a branch or a tag of the repository that the configuration lies in"}
		}
		return err
	}
	if _, err := git.run(ctx, nil, "read-tree", string(bytes.TrimSpace(commit))); err != nil {
		return err
	}
	prefix, err := git.run(ctx, nil, "rev-parse", "--show-prefix")
	if err != nil {
		return err
	}
	files, err := git.run(ctx, nil, "ls-files", "-z")
	if err != nil {
		return err
	}
	whole := filepath.Join(temp, "tree") + string(filepath.Separator)
	if _, err := git.run(ctx, bytes.NewReader(files), "checkout-index", "-z", "--stdin", "--prefix="+whole); err != nil {
		return err
	}
	// Git writes paths from the top of the repository.
	below := filepath.Join(whole, filepath.FromSlash(string(bytes.TrimRight(prefix, "\n"))))
	if err := os.MkdirAll(below, 0o777); err != nil {
		return err
	}
	return os.CopyFS(into, os.DirFS(below))
}
