.PHONY: help check format test test-slow build docs site serve-site ci
help:       ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12
check:      ## lock file, lint, format, spelling and types
	uv lock --check
	uv run ruff check
	uv run ruff format --check
	uv run typos
	uv run pyright
format:     ## fix lint and format
	uv run ruff check --fix
	uv run ruff format
test:       ## all tests except the slow ones
	uv run pytest
test-slow:  ## tests that take minutes
	uv run pytest -m slow
build:      ## wheels and source distributions, in dist/
	uv build --all-packages
docs:       ## write the pages that are generated from the code
	uv run python tools/config_reference.py
	uv run python tools/program_reference.py
	uv run python tools/policies.py
	uv run python tools/task_pages.py
site:       ## the documentation site, in site/
	uv run python -m mkdocs build --strict
serve-site: ## the documentation site while you write, at http://127.0.0.1:8000
	uv run python -m mkdocs serve
ci:         ## everything that CI does
	.ci/run
