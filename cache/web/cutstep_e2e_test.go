//go:build e2e

package web

const cutStep = 1
