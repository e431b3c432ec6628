# make demo and make test work on a fresh clone: each sets up first what is missing.

.PHONY: setup build demo test bench docs format lint

setup:
	@scripts/bootstrap

build: setup
	swift build -c release --product domainfusion

demo: build
	.build/release/domainfusion demo

test: setup
	swift test

bench: setup
	swift build -c release --product Benchmarks
	Benchmarks/compare

docs: setup
	rm -rf .build/symbol-graphs && mkdir -p .build/symbol-graphs
	swift build -Xswiftc -emit-symbol-graph -Xswiftc -emit-symbol-graph-dir -Xswiftc .build/symbol-graphs
	docc convert Documentation --additional-symbol-graph-dir .build/symbol-graphs \
		--fallback-display-name DomainFusion --fallback-bundle-identifier DomainFusion --output-path .build/documentation

format:
	swift format format --in-place --recursive --parallel Package.swift Sources Tests

lint:
	swift format lint --strict --recursive --parallel Package.swift Sources Tests
