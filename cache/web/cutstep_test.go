//go:build !e2e

package web

// cutStep is how many bytes lie between two places at which connections are cut:
// every place takes a minute.
const cutStep = 29
