# What a developer does here. Go, Java and Maven are all it needs; servers and tools are fetched once, outside the tree.
SERVICES = go run ./scripts/services
TESTS    = $(SERVICES) run -s3 -- env SLIPWAY_TEST_REQUIRED=1 go test -count=1 -p 2 -timeout 15m
LINT     = go tool -modfile=tools/golangci-lint.mod golangci-lint
GO_BUILD = CGO_ENABLED=0 go build -trimpath -ldflags=-s

ROWS  ?= 200000
KILLS ?= 5
SEED  ?= 1

FUZZTIME ?= 30s

.DEFAULT_GOAL := help
.PHONY: help demo test test-short race fuzz matrix bench soak lint fmt generate check services build deploy clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r t d; do printf '%-18s %s\n' "$$t" "$$d"; done

demo: ## watch a live shop move into RocketMQ, on real servers; ARGS=-keep, ARGS=-kill
	go run ./scripts/demo $(ARGS)

test: ## run all tests on a private MySQL, RocketMQ and S3
	$(SERVICES) fetch
	$(TESTS) ./...

test-short: ## run the tests that need no server, in under a minute
	go test -short ./...

race: ## run all tests under the race detector, which needs gcc
	$(SERVICES) fetch
	CGO_ENABLED=1 $(TESTS) -race ./...

fuzz: ## feed each fuzz target random input, two at a time: FUZZTIME= for each
	@grep -ro --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' . | sed 's|/[^/]*:func | |' | sort | xargs -P 2 -L 1 sh -c '\
	out=$$(go test -run "^$$" -fuzz "^$$1$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x -parallel 1 "$$0" 2>&1) && \
	echo "ok  $$0 $$1: $$(echo "$$out" | grep -o "execs: [0-9]*" | tail -1)" || { echo "$$out"; exit 255; }'

matrix: ## run what moves rows against every kind of source: MySQL versions, row metadata, TLS; CELLS=8.0-full,… for some
	go run ./scripts/matrix $(if $(CELLS),-cells $(CELLS),-all)

bench: ## measure snapshot and tail beside the bare limits of this machine
	$(SERVICES) run -full-jit -heap 1g -mysql-flag=--innodb-buffer-pool-size=512M -- go run ./scripts/bench

soak: ## random work and kill -9, then compare every row: ROWS=, KILLS=, SEED=
	$(SERVICES) run -- go run ./scripts/soak -rows $(ROWS) -kills $(KILLS) -seed $(SEED)

lint: ## format, mistakes, walls between rooms: what .golangci.yml asks for
	$(LINT) run ./...

fmt: ## write every file in the one format
	$(LINT) fmt ./...

generate: ## write generated files anew
	go generate ./...

check: lint ## lint, and no generated file is out of date
	@before=$$(git diff | git hash-object --stdin); $(MAKE) -s generate; \
	test "$$before" = "$$(git diff | git hash-object --stdin)" || { git diff --stat; echo "generated files were out of date: commit them"; exit 1; }

services: ## start MySQL, RocketMQ and S3 in the background and print how to reach them
	$(SERVICES) up -s3

build: ## build the command and the functions into build/
	$(GO_BUILD) -o build/slipway .
	for f in functions/*/; do $(GO_BUILD) -o build/$$(basename $$f)/main ./$$f || exit 1; done

deploy: ## deploy the functions and the workflow to Alibaba Cloud (s.yaml)
	@command -v s >/dev/null || { echo "Serverless Devs is missing: npm install -g @serverless-devs/s"; exit 1; }
	s deploy -y

clean: ## stop the background servers and remove build/
	$(SERVICES) down
	rm -rf build
