package main

import (
	"encoding/json"
	"io"
	"os"
)

// onTrustedBranch tells whether the environment is that of continuous
// integration at work on a protected or the default branch, and not on what
// somebody proposes for it. It is what push: auto asks.
func onTrustedBranch(getenv func(string) string) bool {
	switch {
	case getenv("GITHUB_ACTIONS") == "true":
		return trustedOnGitHub(getenv)
	case getenv("GITLAB_CI") == "true":
		return trustedOnGitLab(getenv)
	}
	return false
}

func trustedOnGitHub(getenv func(string) string) bool {
	// pull_request_target and workflow_run have a branch's name, too, and may be
	// at work on somebody else's commit.
	if getenv("GITHUB_EVENT_NAME") != "push" || getenv("GITHUB_REF_TYPE") != "branch" {
		return false
	}
	if getenv("GITHUB_REF_PROTECTED") == "true" {
		return true
	}
	branch := defaultBranch(getenv("GITHUB_EVENT_PATH"))
	return branch != "" && getenv("GITHUB_REF") == "refs/heads/"+branch
}

// maxEvent bounds the description of an event; GitHub's own limit is 25 MB.
const maxEvent = 32 << 20

// defaultBranch reads the one place where GitHub tells it.
func defaultBranch(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	var event struct {
		Repository struct {
			DefaultBranch string `json:"default_branch"`
		} `json:"repository"`
	}
	if json.NewDecoder(io.LimitReader(f, maxEvent)).Decode(&event) != nil {
		return ""
	}
	return event.Repository.DefaultBranch
}

func trustedOnGitLab(getenv func(string) string) bool {
	branch := getenv("CI_COMMIT_BRANCH") // which a merge request's pipeline and a tag's have not
	if branch == "" || getenv("CI_PIPELINE_SOURCE") == "merge_request_event" || getenv("CI_MERGE_REQUEST_IID") != "" {
		return false
	}
	return getenv("CI_COMMIT_REF_PROTECTED") == "true" || branch == getenv("CI_DEFAULT_BRANCH")
}
