# SPDX-License-Identifier: Apache-2.0
# Two commands: `make demo` does the main job, `make test` passes the tests. Each sets up what it needs.
.PHONY: demo test stress soak fuzz bench bench-native setup lint types unit lab-tests object wheels reference docs pictures check-docs clean

export UV_PROJECT_ENVIRONMENT := .venv
BIN := .venv/bin
PYTHON_FILES := tlshub_core bpf plugins lab tests docs

demo: setup
	@lab/demo/run

test:
	@lab/setup tests
	@tests/run

stress: ## what the lab tests do a few times, often enough for counts to mean something; takes hours
	@lab/setup tests
	@tests/stress

soak: ## applications of all sorts for SOAK_MINUTES (30), while providers are switched and agents are killed
	@lab/setup tests
	@lab/soak/run

fuzz: setup ## what reads bytes that others write, each for FUZZ_SECONDS=60 or as long as is asked
	@tests/fuzz/run

bench: ## what capture costs, beside plain TCP and other ways to TLS; takes about a quarter of an hour
	@lab/setup bench
	@lab/bench/run

setup:
	@lab/setup

object: ## compile the BPF programs into the package, after a change in bpf/c
	@$(BIN)/python bpf/hatch_build.py

lint:
	@$(BIN)/ruff check $(PYTHON_FILES)
	@$(BIN)/ruff format --check $(PYTHON_FILES)

types:
	@$(BIN)/mypy

unit:
	@$(BIN)/pytest

lab-tests:
	@tests/lab/run

bench-native: ## the agent's pipeline without a kernel: flows per second and core, and where the time goes
	@PYTHONPATH=lab $(BIN)/python -m replay

wheels:
	@rm -rf dist && uv build --quiet --all-packages --wheel --out-dir dist

reference: ## docs/reference/*.md and docs/man, after a change of what plugins meet, of the configuration or of a command
	@mkdir -p build
	@$(BIN)/python docs/reference/make.py >build/plugins.md && mv build/plugins.md docs/reference/plugins.md
	@$(BIN)/python docs/reference/schema.py >build/events.schema.json && mv build/events.schema.json docs/reference/
	@$(BIN)/python docs/reference/configuration.py >build/options.md && mv build/options.md docs/reference/configuration.md
	@$(BIN)/python docs/reference/cli.py >build/cli.md && mv build/cli.md docs/reference/cli.md
	@$(BIN)/python docs/reference/man.py >build/man.1 && mv build/man.1 docs/man/tlshub-capture.1

docs: ## build/docs: all pages as HTML, which needs no network to be read
	@$(BIN)/python docs/site_of_pages.py

pictures: ## docs/pictures, after a change of what 'top', 'ctl report', 'verify' or 'bench' show; takes minutes in the lab
	@$(BIN)/python docs/pictures/draw.py docs/pictures
	@lab/run --nodes --rule 80,7802:require --rule 8080:prefer docs/pictures/record $(CURDIR)/build/pictures
	@$(BIN)/python docs/pictures/recorded.py build/pictures docs/pictures

check-docs: ## links, names of files, commands and configurations in every page
	@$(BIN)/python docs/check.py

clean:
	@rm -rf build dist .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
