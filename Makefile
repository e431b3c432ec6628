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
	@scripts/docs

format:
	swift format format --in-place --recursive --parallel Package.swift Sources Tests

lint:
	swift format lint --strict --recursive --parallel Package.swift Sources Tests
