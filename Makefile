# What can be done with this repository: make help
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# One environment and one tree: two targets, or installations, would write into them at once.
.NOTPARALLEL:
.PHONY: help serve test check lint format fuzz corpus bench lock upgrade licences architecture huggingface

VENV ?= .venv
PYTHON ?= python3
PYTEST_ARGS ?=
bin := $(VENV)/bin
export VENV PYTHON

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

serve: $(VENV)/serve.stamp ## serve on http://127.0.0.1:8000 with the checkpoints of this repository
	@exec $(bin)/python -m app.cli serve

test: lint ## check, type-check and test everything
	$(bin)/python -m pytest $(PYTEST_ARGS)

# Folders of tests that train, run many networks, draw, start processes or the server.
LONG_TESTS := browser service drawing methods training onnx explaining decoding commands auditing
check: lint ## lint, and the tests that take seconds: under two minutes
	$(bin)/python -m pytest -m "not slow and not browser and not dataset" $(LONG_TESTS:%=--ignore=tests/%) $(PYTEST_ARGS)

lint: $(VENV)/test.stamp ## ruff and mypy; tsc and eslint where Node is
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	.ci/javascript

format: $(VENV)/test.stamp ## let ruff mend what it can
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

fuzz: $(VENV)/test.stamp ## 100,000 broken pictures against the decoder
	$(bin)/python -m tests.decoding.fuzz_decoding

corpus: $(VENV)/test.stamp ## every file of the folder DIR against a server, its answers counted and compared with Pillow
	$(bin)/python -m benchmarks.replay_corpus "$${DIR:?}"

bench: $(VENV)/test.stamp ## the benchmarks, on an idle machine; the last two read ferplus.zip in the folder UNTURNED_DATASETS
	$(bin)/python -m benchmarks.bench_maps
	$(bin)/python -m benchmarks.bench_request
	$(bin)/python -m benchmarks.bench_startup
	$(bin)/python -m benchmarks.bench_page
	$(bin)/python -m benchmarks.bench_load
	$(bin)/python -m benchmarks.bench_audit
	$(bin)/python -m benchmarks.compare_detectors --data "$${UNTURNED_DATASETS:?}/ferplus.zip"
	$(bin)/python -m benchmarks.bench_training --data "$${UNTURNED_DATASETS:?}/ferplus.zip"

lock: $(bin)/uv ## requirements.lock from pyproject.toml, keeping the versions that still fit
	$(bin)/python .ci/lock.py

upgrade: $(bin)/uv ## requirements.lock with the newest versions that fit
	$(bin)/python .ci/lock.py --upgrade

licences: $(VENV)/test.stamp ## docs/licences.md from what is installed
	$(bin)/python .ci/licences.py

architecture: ## the drawing of the imports in docs/architecture.md
	$(PYTHON) docs/draw_architecture.py

huggingface: $(VENV)/test.stamp ## a Space and model cards for the Hugging Face Hub, in dist/huggingface; nothing is sent
	$(bin)/python docs/write_huggingface.py

# To lock takes uv, not an installation that fits a changed pyproject.toml, which there cannot be before it is locked.
$(bin)/uv:
	-.ci/install test
	@test -x $@

$(VENV)/%.stamp: requirements.lock pyproject.toml .ci/install
	.ci/install $*
