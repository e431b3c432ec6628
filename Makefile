# make demo and make test work on a fresh clone: each sets up first what is missing.

PREFIX ?= /usr/local

.PHONY: setup build install check-install dist demo test check-studio torture check-hosts bench docs example format lint

setup:
	@scripts/bootstrap

build: setup
	swift build -c release --product domainfusion

# make install PREFIX=$HOME/.local
install: build
	@scripts/install "$(PREFIX)"

# Half a minute: installs what was built last and runs it with the checkout out of sight.
check-install: setup
	swift build --product domainfusion
	scripts/check-install

# One archive with all libraries, which runs wherever it is unpacked; scripts/check-dist tries it in a bare Debian.
dist: build
	scripts/dist

demo: build
	.build/release/domainfusion demo

# Two minutes as root: a training on three hosts, one of which is cut off.
check-hosts: setup
	swift build --product domainfusion
	scripts/check-hosts

# The torture part has a seed of its own, so that two tests of one commit try the same.
test: setup
	scripts/check-imports
	swift test
	scripts/example
	scripts/worked-example
	@if command -v chromedriver >/dev/null; then scripts/check-studio; \
	else echo "check-studio: left out, since there is no chromedriver here (Debian's package chromium-driver)"; fi
	scripts/check-export
	Tests/Torture/torture --binary .build/debug/domainfusion --seconds 120 --seed 1

# Clicks through 'domainfusion studio' in a real browser; says what is missing, and installs nothing.
check-studio: setup
	swift build --product domainfusion
	scripts/check-studio

# Ten minutes; for more: make torture OPTIONS="--long 8"
torture: build
	Tests/Torture/torture $(OPTIONS)

bench: setup
	swift build -c release --product Benchmarks
	Benchmarks/compare

docs: setup
	@scripts/docs

example: setup
	scripts/example

format:
	swift format format --in-place --recursive --parallel Package.swift Sources Tests Documentation/Examples

lint:
	scripts/check-imports
	swift format lint --strict --recursive --parallel Package.swift Sources Tests Documentation/Examples
