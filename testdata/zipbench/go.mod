module github.com/layerbuild/layerbuild/testdata/zipbench

go 1.26.8

replace github.com/layerbuild/layerbuild => ../..

require (
	github.com/layerbuild/layerbuild v0.0.0-00010101000000-000000000000
	github.com/saracen/fastzip v0.2.0
	golang.org/x/sync v0.24.0
)

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/saracen/zipextra v0.0.0-20250129175152-f1aa42d25216 // indirect
	golang.org/x/sys v0.48.0 // indirect
)
