package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// ghStandIn takes the place of GitHub's own program, and keeps the comments of a
// pull request in files. It takes the flags that doc/ci.md shows and no others.
const ghStandIn = `#!/bin/sh
set -eu
[ "$1 $2 $4 $5 $6" = "pr comment --edit-last --create-if-none --body-file" ] || { echo "gh: $*" >&2; exit 2; }
[ "$3" = "$PULL_REQUEST" ] && [ -n "$GH_TOKEN" ]
cp "$7" "$COMMENTS/comment.md"
echo posted >> "$COMMENTS/log"
`

// workflow is what the test understands of a workflow of GitHub's.
type workflow struct {
	Jobs map[string]struct {
		Steps []struct {
			Uses, Run, If string
			With, Env     map[string]string
		}
	}
}

// recipe reads the workflow of a file that doc/ci.md shows.
func recipe(t *testing.T, file string) workflow {
	t.Helper()
	page, err := os.ReadFile("../../doc/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(page), "```yaml\n# "+file+"\n")
	text, _, closed := strings.Cut(text, "\n```\n")
	if !found || !closed {
		t.Fatalf("doc/ci.md does not show %s", file)
	}
	var w workflow
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// pullRequest is a clone of a repository, as a job for a pull request has it.
type pullRequest struct {
	t        *testing.T
	clone    string
	comments string
	env      []string
}

// job runs a job's steps as GitHub's runner does: one that fails ends it, but for
// steps that run always.
func (p *pullRequest) job(steps workflow, name string) (failed bool) {
	p.t.Helper()
	values := strings.NewReplacer("${{ github.token }}", "a-token", "${{ github.event.number }}", "17")
	commands := 0
	for _, step := range steps.Jobs[name].Steps {
		if step.Run == "" || failed && step.If != "always()" {
			continue
		}
		commands++
		cmd := exec.Command("bash", "-e", "-c", step.Run)
		cmd.Dir = p.clone
		cmd.Env = append(os.Environ(), p.env...)
		for variable, value := range step.Env {
			cmd.Env = append(cmd.Env, variable+"="+values.Replace(value))
		}
		out, err := cmd.CombinedOutput()
		p.t.Logf("%s\n%s", step.Run, out)
		failed = failed || err != nil
	}
	if commands == 0 {
		p.t.Fatalf("no step of %s runs anything", name)
	}
	return failed
}

func (p *pullRequest) comment() string {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.comments, "comment.md"))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

func runGit(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b.example"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// TestPullRequestComment does what doc/ci.md has for a comment on a pull request:
// its commands, in a clone as actions/checkout makes one. Only gh is a stand-in.
func TestPullRequestComment(t *testing.T) {
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(index.Close)
	steps := recipe(t, ".github/workflows/layers-comment.yml")
	upstream := t.TempDir()
	lock := func(folder string, pins ...string) {
		lock, project := uvLock(index, pins)
		put(t, filepath.Join(upstream, folder, "uv.lock"), lock)
		put(t, filepath.Join(upstream, folder, "pyproject.toml"), project)
	}
	config := func(layers string) {
		put(t, filepath.Join(upstream, "layerbuild.yaml"), "engine: direct\ndefaults: {runtime: python3.11, architectures: [x86_64]}\nlayers:\n"+layers)
	}
	runGit(t, upstream, "init", "-q", "-b", "main")
	config("  svc: {path: svc}\n  same: {path: same}\n  old: {path: old}\n")
	lock("svc", "core==1.0", "api==1.0")
	lock("same", "core==1.0")
	lock("old", "core==2.0", "lint==1.0")
	put(t, filepath.Join(upstream, ".gitignore"), ".layerbuild/\ncomment.md\n")
	runGit(t, upstream, "add", ".")
	runGit(t, upstream, "commit", "-q", "-m", "what there was")

	p := &pullRequest{t: t, clone: filepath.Join(t.TempDir(), "clone"), comments: t.TempDir()}
	bin := t.TempDir()
	put(t, filepath.Join(bin, "gh"), ghStandIn)
	if err := os.Chmod(filepath.Join(bin, "gh"), 0o755); err != nil {
		t.Fatal(err)
	}
	summary := filepath.Join(t.TempDir(), "summary.md")
	environment := func(cache string) []string {
		return []string{"PATH=" + bin + string(filepath.ListSeparator) + os.Getenv("PATH"), "HOME=" + t.TempDir(), "CI=true",
			"GITHUB_ACTIONS=true", "GITHUB_BASE_REF=main", "GITHUB_WORKSPACE=" + p.clone, "GITHUB_STEP_SUMMARY=" + summary,
			"LAYERBUILD_CACHE_DIR=" + cache, "PIP_INDEX_URL=" + index.SimpleURL(), noRaceSleep, "COMMENTS=" + p.comments, "PULL_REQUEST=17"}
	}
	shared := filepath.Join(t.TempDir(), "cache")
	p.env = environment(shared)
	base := exec.Command("layerbuild", "build") // the base branch's own job, whose cache is restored
	base.Dir, base.Env = upstream, append(os.Environ(), p.env...)
	if out, err := base.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	runGit(t, upstream, "checkout", "-q", "-b", "change")
	config("  svc: {path: svc}\n  same: {path: same}\n  fresh: {path: fresh, plain: true}\n")
	lock("svc", "core==1.0", "api==1.1")
	put(t, filepath.Join(upstream, "fresh/bin/tool"), "#!/bin/sh\n")
	runGit(t, upstream, "rm", "-rq", "old")
	runGit(t, upstream, "add", ".")
	runGit(t, upstream, "commit", "-q", "-m", "what is proposed")
	checkout(t, upstream, p.clone)

	want := func(patterns ...string) {
		t.Helper()
		for _, pattern := range patterns {
			if !regexp.MustCompile("(?m)" + pattern).MatchString(p.comment()) {
				t.Errorf("no %s in\n%s", pattern, p.comment())
			}
		}
	}
	if p.job(steps, "comment") {
		t.Error("the job failed")
	}
	want(`^\| layer \| since origin/main \|`,
		`^\| svc \(python3.11, x86\\_64\) \| changed \| 2 \| \+0 \| .* \| ±0 \|$`,
		`^\| same \(.*\) \| unchanged \| `, `^\| fresh \(.*\) \| new \| 0 \| \+0 \| 10 B \| \+10 B \|$`,
		`^\| old \(.*\) \| removed \|  \| -2 \|  \| −[0-9.]+ k?B \|$`,
		`^### svc `, `^\| api \| 1.0 \| 1.1 \| `, `^### fresh `, `^New since origin/main\. `)
	if strings.Contains(p.comment(), "### old") || strings.Contains(p.comment(), "### same") {
		t.Errorf("more than a row for what did not change:\n%s", p.comment())
	}

	// Without the base branch's cache, versions are compared.
	p.env = environment(filepath.Join(t.TempDir(), "empty"))
	if p.job(steps, "comment") {
		t.Error("the job failed without a cache")
	}
	want(`^\| svc \(.*\) \| changed \| 2 \| \+0 \| .* \|  \|$`, `^\| old \(.*\) \| removed \|  \| -2 \|  \|  \|$`, `^\| api \| 1.0 \| 1.1 \|$`)

	// A layer above the budget fails the job, and the comment is there all the same.
	noise := make([]byte, 3_000_000) // what shrinks to next to nothing is refused
	for i, random := 0, rand.New(rand.NewPCG(1, 2)); i < len(noise); i++ {
		noise[i] = byte(random.Uint32())
	}
	put(t, filepath.Join(p.clone, "fresh/bin/tool"), string(noise))
	if err := os.Truncate(filepath.Join(p.clone, "fresh/bin/tool"), 201_000_000); err != nil {
		t.Fatal(err)
	}
	if !p.job(steps, "comment") {
		t.Error("a layer above the budget fails nothing")
	}
	want(`^\| fresh \(.*\) \| new \| 0 \| \+0 \| 201.0 MB \|`)
	if log, err := os.ReadFile(filepath.Join(p.comments, "log")); err != nil || string(log) != "posted\nposted\nposted\n" {
		t.Errorf("posted %q, %v", log, err)
	}
}

// checkout makes the clone that actions/checkout makes with fetch-depth 0: no
// branch, but the commit that would be merged, and all of the origin's.
func checkout(t *testing.T, upstream, clone string) {
	t.Helper()
	runGit(t, upstream, "checkout", "-q", "--detach", "main")
	runGit(t, upstream, "merge", "-q", "--no-ff", "-m", "merge", "change")
	runGit(t, upstream, "update-ref", "refs/pull/17/merge", "HEAD")
	if err := os.Mkdir(clone, 0o777); err != nil {
		t.Fatal(err)
	}
	runGit(t, clone, "init", "-q")
	runGit(t, clone, "remote", "add", "origin", upstream)
	runGit(t, clone, "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/pull/17/merge:refs/remotes/pull/17/merge")
	runGit(t, clone, "checkout", "-q", "--force", "refs/remotes/pull/17/merge")
}
