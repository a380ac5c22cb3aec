package main

import (
	"context"
	"slices"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java"
)

// javaResolver answers questions of the ecosystem "maven". Those of a pom need
// Maven; those of a Gradle lock are exact, and need none.
type javaResolver struct{ poms, modules builder.Resolver }

func (j javaResolver) Resolve(ctx context.Context, q runtimes.Question, tool runtimes.Tool, earlier []runtimes.Pinned, upgrade []string) ([]runtimes.Pinned, error) {
	if slices.Contains(q.Options, java.GradleOption) {
		return j.modules.Resolve(ctx, q, tool, earlier, upgrade)
	}
	return j.poms.Resolve(ctx, q, tool, earlier, upgrade)
}
