# What a developer does here. Go, Java and Maven are all it needs; servers and tools are fetched once, outside the tree.
SERVICES = go run ./scripts/services
LINT     = go tool -modfile=tools/golangci-lint.mod golangci-lint
GO_BUILD = CGO_ENABLED=0 go build -trimpath -ldflags=-s

ROWS  ?= 200000
KILLS ?= 5
SEED  ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-short matrix bench soak lint fmt generate check services build deploy clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r t d; do printf '%-18s %s\n' "$$t" "$$d"; done

demo: ## watch a live shop move into RocketMQ, on real servers; ARGS=-keep, ARGS=-kill
	go run ./scripts/demo $(ARGS)

test: ## run all tests on a private MySQL, RocketMQ and S3
	$(SERVICES) fetch
	$(SERVICES) run -s3 -- env SLIPWAY_TEST_REQUIRED=1 go test -count=1 -p 2 -timeout 15m ./...

test-short: ## run the tests that need no server, in under a minute
	go test -short ./...

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
