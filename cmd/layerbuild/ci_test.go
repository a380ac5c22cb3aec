package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTrustedBranch: push: auto pushes from the trusted branch's CI, and from
// nowhere else.
func TestTrustedBranch(t *testing.T) {
	event := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(event, []byte(`{"ref": "refs/heads/x", "repository": {"default_branch": "main"}}`), 0o666); err != nil {
		t.Fatal(err)
	}
	gitHub := func(changes ...string) map[string]string {
		env := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_REF_TYPE": "branch",
			"GITHUB_REF": "refs/heads/main", "GITHUB_REF_PROTECTED": "false", "GITHUB_EVENT_PATH": event}
		for i := 0; i < len(changes); i += 2 {
			env[changes[i]] = changes[i+1]
		}
		return env
	}
	gitLab := func(changes ...string) map[string]string {
		env := map[string]string{"GITLAB_CI": "true", "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main",
			"CI_COMMIT_REF_PROTECTED": "false", "CI_PIPELINE_SOURCE": "push"}
		for i := 0; i < len(changes); i += 2 {
			env[changes[i]] = changes[i+1]
		}
		return env
	}
	for _, test := range []struct {
		name string
		env  map[string]string
		want bool
	}{
		{"somebody's machine", nil, false},
		{"another CI", map[string]string{"CI": "true", "GITHUB_REF_PROTECTED": "true"}, false},
		{"GitHub, default branch", gitHub(), true},
		{"GitHub, protected branch", gitHub("GITHUB_REF", "refs/heads/release", "GITHUB_REF_PROTECTED", "true"), true},
		{"GitHub, another branch", gitHub("GITHUB_REF", "refs/heads/topic"), false},
		{"GitHub, a branch like it", gitHub("GITHUB_REF", "refs/heads/main2"), false},
		{"GitHub, pull request", gitHub("GITHUB_EVENT_NAME", "pull_request", "GITHUB_REF", "refs/pull/1/merge"), false},
		{"GitHub, pull_request_target", gitHub("GITHUB_EVENT_NAME", "pull_request_target", "GITHUB_REF_PROTECTED", "true"), false},
		{"GitHub, workflow_run", gitHub("GITHUB_EVENT_NAME", "workflow_run"), false},
		{"GitHub, tag", gitHub("GITHUB_REF_TYPE", "tag", "GITHUB_REF", "refs/tags/main", "GITHUB_REF_PROTECTED", "true"), false},
		{"GitHub, no event", gitHub("GITHUB_EVENT_PATH", event+"x"), false},
		{"GitLab, default branch", gitLab(), true},
		{"GitLab, protected branch", gitLab("CI_COMMIT_BRANCH", "release", "CI_COMMIT_REF_PROTECTED", "true"), true},
		{"GitLab, another branch", gitLab("CI_COMMIT_BRANCH", "topic"), false},
		{"GitLab, merge request", gitLab("CI_PIPELINE_SOURCE", "merge_request_event", "CI_COMMIT_REF_PROTECTED", "true"), false},
		{"GitLab, merge request's branch", gitLab("CI_MERGE_REQUEST_IID", "7"), false},
		{"GitLab, tag", gitLab("CI_COMMIT_BRANCH", "", "CI_COMMIT_REF_PROTECTED", "true"), false},
		{"GitLab, nothing known", gitLab("CI_COMMIT_BRANCH", "", "CI_DEFAULT_BRANCH", ""), false},
	} {
		if got := onTrustedBranch(func(name string) string { return test.env[name] }); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}
