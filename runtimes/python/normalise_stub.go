package python

// Runtime is declared in python.go; this file goes at the merge.
type Runtime struct{}
