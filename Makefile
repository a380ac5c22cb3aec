# make demo   builds layerbuild and real layers from three of testdata/examples
# make test   is the whole suite: linters, unit tests, and end-to-end tests against
#             a real BuildKit that it puts up; on Debian, as root
# make help   lists the rest

GO ?= go
STATE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/layerbuild-testbed
TOOLS := $(STATE)/tools
TESTBED := $(GO) -C testdata/testbed run .
ZIPBENCH := $(GO) -C testdata/zipbench

# OpenTofu cannot be had by go install: its go.mod replaces a module.
TOFU := tofu-1.12.6

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# What the end-to-end tests hold the product against: package managers and, of
# Python's, packaging.
export LAYERBUILD_TEST_TOOLS := $(TOOLS)
export LAYERBUILD_TEST_UV := $(TOOLS)/bin/uv
export LAYERBUILD_TEST_PYTHON := $(TOOLS)/bin/python
export PATH := $(TOOLS)/node/bin:$(TOOLS)/maven/bin:$(PATH)

.PHONY: build demo test deps check unit e2e bench bench-zip soak release bench-tools testbed testbed-down tools update help

# The tag keeps gRPC's tracing pages out, whose templates cost megabytes: see
# doc/dependencies.md.
build: ## the program, bin/layerbuild
	CGO_ENABLED=0 $(GO) build -tags grpcnotrace -trimpath -ldflags='-s -w -buildid=' -o bin/layerbuild ./cmd/layerbuild

demo: build ## build layers of Python, Node.js and Java for real and list what came out
	for e in data-api web-api orders-gradle; do (cd testdata/examples/$$e && ../../../bin/layerbuild build) || exit; done
	@ls -l testdata/examples/*/.layerbuild/dist/*.zip

test: deps check unit e2e ## everything
	@echo "make test: all passed"

# What the tests need beside Go and make: gcc for the race detector, zip tools,
# Python and Java to read our archives with, and a JDK for Maven on the machine.
deps:
	@missing=; \
	for c in gcc git python3 unzip zip; do command -v $$c >/dev/null || missing="$$missing $$c"; done; \
	python3 -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	command -v 7zz >/dev/null || missing="$$missing 7zip"; \
	command -v bsdtar >/dev/null || missing="$$missing libarchive-tools"; \
	javac -version >/dev/null 2>&1 || missing="$$missing default-jdk-headless"; \
	test -z "$$missing" || { echo "installing$$missing"; apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy $$missing; }

check: build ## format, vet, lint, go.mod
	@! grep -qaF 'text/template.(*state)' bin/layerbuild || { echo "bin/layerbuild runs templates: see doc/dependencies.md"; exit 1; }
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "gofmt: the files above are not formatted"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags e2e,man ./...
	$(ZIPBENCH) vet ./...
	$(GO) run $(STATICCHECK) -tags e2e ./... ./testdata/fetch
	$(GO) mod tidy -diff
	$(ZIPBENCH) mod tidy -diff

unit: ## the tests that need no root, network or container, with the race detector
	$(GO) test -race ./...
	$(GO) test ./zipper/internal/deflate # reads otherwise there: see load.go
	$(ZIPBENCH) test -race ./...

e2e: testbed tools ## the tests against real registries and a real BuildKit
	env="$$($(TESTBED) env)" && eval "$$env" && \
		$(GO) -C testdata/testbed test -count 1 . && \
		env -u CI $(GO) test -race -tags e2e -run 'Backend|Nginx|Machines' ./cache/web ./cache/s3 ./cache/oci && \
		env -u CI $(GO) test -tags e2e -timeout 60m ./... && \
		env -u CI $(GO) test -tags e2e,native -count 1 -run TestWithoutEmulation ./cmd/layerbuild

bench: build testbed bench-zip ## measure against uv, npm and other archivers, as ratios in one run
	env="$$($(TESTBED) env)" && eval "$$env" && \
		$(GO) test -tags bench -run '^TestBench' -count 1 -timeout 60m -v ./cmd/layerbuild

bench-tools: build tools ## measure pip, uv, SAM and npm beside layerbuild, for doc/comparison.md
	sh testdata/compare.sh

# On an idle machine `make bench-zip ARGS=-update` renews doc/benchmarks.
bench-zip: tools ## the zipper against other archivers; ARGS='-corpus node -contender zip9,zipper -rounds 3'
	$(ZIPBENCH) run . $(ARGS)

soak: testbed tools ## the long-running counts of crash, fuzz and set tests, a whole release, a fresh root folder, Windows
	LAYERBUILD_SOAK_ROUNDS=1000 LAYERBUILD_SOAK_FLIPS=10000 $(GO) test -run 'Crash|Kill|Flips' -count 1 -timeout 60m -v ./cache/... ./cmd/layerbuild
	sh testdata/freshroot.sh
	sh testdata/windows.sh
	sh testdata/fuzz.sh 60s
	$(ZIPBENCH) test -tags soak -count 1 -run TestSums -timeout 120m -v ./...
	env="$$($(TESTBED) env)" && eval "$$env" && LAYERBUILD_SOAK_PROJECTS=10 env -u CI $(GO) test -tags e2e -count 1 \
		-run 'TestSetEquals|TestGenerated' -timeout 180m -v ./runtimes/node ./builder/maven && \
		LAYERBUILD_SOAK_TARGETS=26 env -u CI $(GO) test -tags e2e -count 1 -run 'TestMatrix|TestRelease' -timeout 180m -v ./cmd/layerbuild && \
		LAYERBUILD_SOAK_TARGETS=26 env -u CI $(GO) test -tags e2e,native -count 1 -run TestWithoutEmulation -timeout 180m -v ./cmd/layerbuild && \
		LAYERBUILD_SOAK_PROJECTS=30 env -u CI $(GO) test -tags e2e -count 1 \
		-run 'TestSetEqualsUV|TestSetEqualsManagers|TestSetEqualsNPM' -timeout 180m -v ./runtimes/python ./runtimes/node

# Go's archive and gzip packages write some of it, so go.mod says which Go runs.
release: ## archives, npm packages and wheels for all platforms, in dist; VERSION=1.2.0, or Git's tag
	rm -rf dist
	GOTOOLCHAIN=go$$(sed -n 's/^go //p' go.mod) $(GO) run ./cmd/layerbuild/packaging/release -version '$(VERSION)' -o dist
	@cat dist/SHA256SUMS

testbed: ## a real buildkitd, a registry and stand-in images, on this machine
	$(TESTBED) up

testbed-down: ## end what testbed started
	$(TESTBED) down

update: ## write the golden files anew
	$(GO) test ./zipper ./builder/... ./runtimes/... ./cmd/... -update

tools: $(TOOLS)/.done ## the package managers and servers that the tests compare and talk with
	$(TESTBED) tools
	$(call npm,osls,4.3.1)
	$(call npm,serverless,3.40.0)

# $(call npm,PACKAGE,VERSION) installs a deploy tool into a folder of its own.
npm = grep -qs '"version": "$(2)"' $(TOOLS)/npm-$(1)/node_modules/$(1)/package.json || \
	$(TOOLS)/node/bin/npm install --silent --no-save --ignore-scripts --prefix $(TOOLS)/npm-$(1) $(1)@$(2)

# $(call venv,NAME,PROGRAM,REQUIREMENT) makes NAME. Each wants other versions of
# what they all use, so each has a virtual environment of its own.
venv = test -x $(TOOLS)/venv-$(1)/bin/pip || python3 -m venv --clear $(TOOLS)/venv-$(1); \
	$(TOOLS)/venv-$(1)/bin/pip install --quiet $(3) && \
	ln -sf ../venv-$(1)/bin/$(2) $(TOOLS)/bin/$(1)

# Versions stand in this file; where they are there already, pip is quick.
$(TOOLS)/.done: Makefile | deps
	test -x $(TOOLS)/bin/pip || python3 -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet uv==0.13.9 packaging==25.0
	$(call venv,poetry,poetry,poetry==2.5.1 poetry-plugin-export==1.10.1)
	$(call venv,poetry-1.8,poetry,poetry==1.8.5 poetry-plugin-export==1.8.0)
	$(call venv,pdm,pdm,pdm==2.29.4 hishel==1.4.0)
	$(call venv,pipenv,pipenv,pipenv==2026.10.3)
	$(call venv,pip-compile,pip-compile,pip-tools==7.6.2)
	$(call venv,moto,moto_server,moto[server]==5.2.5)
	$(call venv,sam,sam,aws-sam-cli==1.170.0)
	$(call venv,aws,aws,awscli==1.46.3)
	$(call venv,schemas,check-jsonschema,check-jsonschema==0.39.0)
	test -x $(TOOLS)/bin/$(TOFU) || { \
		dir=$$($(GO) mod download -json github.com/opentofu/opentofu@$(TOFU:tofu-%=v%) | sed -n 's/^.*"Dir": "\(.*\)",$$/\1/p') && \
		CGO_ENABLED=0 $(GO) -C "$$dir" build -trimpath -ldflags='-s -w' -o $(TOOLS)/bin/$(TOFU) ./cmd/tofu; }
	ln -sf $(TOFU) $(TOOLS)/bin/tofu
	touch $@

help:
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
