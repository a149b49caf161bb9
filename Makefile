# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

AIRFLOWS := 3.3.2 2.11.2
# One short run each, beside what their day had (requirements/constraints-*.txt). The second line is not in `make test`.
BETWEEN := 3.0.6 3.1.8 3.2.2 3.4.0b2
CONSTRAINED := 2.11.0 2.11.2-constrained 3.3.2-constrained
NEWEST := .venv-airflow-3.3.2
ENVS := $(AIRFLOWS:%=.venv-airflow-%/.made)
SOURCES := airflow_provider_music dags_examples tests
# What pytest is told beside the choice of tests, for instance: make unit ARGS="-k upload -x"
ARGS ?=
export PYTHON ?=

.PHONY: help demo up test unit test-cluster test-matrix test-between test-money test-disks bench bench-song bench-cluster bench-scale bench-money lint docs release-check envs pins constraints clean \
    fuzz corpus mutants soak race test-browser browser

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

demo: $(NEWEST)/.made ## make a song on a real Airflow: reference uploaded, generated, landed; ends by itself
	@exec $(NEWEST)/bin/python tests/cluster/demo.py

up: $(NEWEST)/.made ## the same, and Airflow stays up until Ctrl-C
	@exec $(NEWEST)/bin/python tests/cluster/demo.py --stay-up

test: envs lint ## checks, unit tests and real-Airflow tests, on both Airflows; a short run on those between; a browser
	@$(MAKE) --no-print-directory --output-sync=target -j2 unit
	@$(MAKE) --no-print-directory --output-sync=target -j2 test-cluster
	@$(MAKE) --no-print-directory --output-sync=target -j2 test-between test-browser

lint: $(NEWEST)/.made ## ruff, ruff format, mypy, and what may import what
	$(NEWEST)/bin/ruff check $(SOURCES)
	$(NEWEST)/bin/ruff format --check $(SOURCES)
	$(NEWEST)/bin/mypy
	$(NEWEST)/bin/lint-imports --no-cache --no-logo

docs: $(NEWEST)/.made ## rewrite what is made from the code: tables in README.md and docs/, the typed requests
	@$(NEWEST)/bin/python -W ignore tests/test_docs.py
	@$(NEWEST)/bin/python -W ignore tests/typed_requests.py

# Not in `make test`: minutes, and a tool of its own. Everything that it makes is in .release/.
release-check: $(NEWEST)/.made ## what would be published: built, its metadata checked, installed, and the demo run from it
	@bash .ci/release-check $(firstword $(AIRFLOWS))

# Two processes for each Airflow: a test of silences and drips waits more than it computes. What has no Airflow in it
# is tested with the newest only; tests/test_pins.py holds both environments to the same versions of what it uses.
ONCE := tests/api tests/audio tests/fuzz tests/sandbox tests/soak tests/test_architecture.py tests/test_docs.py \
    tests/benchmarks tests/client tests/provenance/test_killed.py tests/provenance/test_verify_song.py \
    tests/provenance/test_embed.py tests/provenance/test_id3.py tests/provenance/test_sound.py tests/provenance/test_taggers.py \
    tests/hostile/test_generate_bodies.py tests/hostile/test_queued_answers.py tests/hostile/test_memory.py
unit-2.11.2: NOT := $(ONCE:%=--ignore=%)

unit: $(AIRFLOWS:%=unit-%) ## unit tests, on both Airflows

unit-%: .venv-airflow-%/.made
	.venv-airflow-$*/bin/python -m pytest -m "not cluster and not browser" --timeout 300 --numprocesses 2 --dist worksteal $(NOT) $(ARGS)

test-cluster: $(AIRFLOWS:%=test-cluster-%) ## real-Airflow tests, on both Airflows

test-cluster-%: .venv-airflow-%/.made
	.venv-airflow-$*/bin/python -m pytest -m "cluster and not money and not disks and not matrix" --timeout 600 $(ARGS) tests/cluster

# Two side by side: such a run waits more than it computes. On one: make test-matrix-3.1.8
test-matrix: test-between ## one short run on every Airflow from 2.11.0 to 3.4, each beside its own constraints
	@$(MAKE) --no-print-directory $(CONSTRAINED:%=.venv-airflow-%/.made)
	@$(MAKE) --no-print-directory --output-sync=target -j2 $(CONSTRAINED:%=test-matrix-%)

test-between: $(BETWEEN:%=.venv-airflow-%/.made) ## the same on the versions that make test does not test whole
	@$(MAKE) --no-print-directory --output-sync=target -j2 $(BETWEEN:%=test-matrix-%)

test-matrix-%: .venv-airflow-%/.made
	.venv-airflow-$*/bin/python -m pytest -m matrix --timeout 600 --show-capture=no $(ARGS) tests/cluster/test_matrix.py

# Not in `make test`: it takes about as long as all the rest.
test-money: $(NEWEST)/.made ## kill workers and triggerers of an Airflow on Postgres, and count what is paid
	$(NEWEST)/bin/python -m pytest -m money --timeout 900 $(ARGS) tests/cluster

# Not in `make test`: minutes, a CeleryExecutor of its own, Debian's redis-server, and root (for namespaces).
test-disks: $(NEWEST)/.made .celery/.made ## Airflows whose machines share no disk, on Celery and LocalExecutor: what is paid
	PYTHONPATH=.celery $(NEWEST)/bin/python -m pytest -m disks --timeout 900 $(ARGS) tests/cluster

.celery/.made: requirements/celery.txt
	@rm -rf .celery
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target .celery -r requirements/celery.txt
	@touch $@

# Without a browser it says so and goes on; without npm it leaves axe out.
# The pictures in docs/ are taken anew by: make test-browser MUSIC_PICTURES=docs/images
test-browser: $(NEWEST)/.made .browser/.made ## a browser at a real Airflow: a song is heard, takes are compared, others are kept out
	PYTHONPATH=.browser/tools:$${PYTHONPATH:-} $(NEWEST)/bin/python -m pytest -m browser --timeout 600 $(ARGS) tests/plugin/browser

browser: ## install the browser that test-browser drives, on Debian or Ubuntu
	sudo apt-get install --yes chromium || sudo apt-get install --yes chromium-browser

.browser/.made: requirements/browser.txt
	@rm -rf .browser && mkdir -p .browser/axe
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target .browser/tools -r requirements/browser.txt
	cd .browser/axe && { npm pack --silent axe-core@4.14.1 && tar -xzf axe-core-4.14.1.tgz package/axe.min.js; } || echo "no npm here: without axe"
	@touch $@

# In .bench/ a table and a picture; for a part or a first look: make bench ARGS="--only waits --quick"
bench: $(NEWEST)/.made ## what waiting and landing cost in one process, beside others; about ten minutes
	@exec $(NEWEST)/bin/python tests/benchmarks/bench.py $(ARGS)

# Of another tree: run the program itself in that tree's root. How the package is cut: tests/benchmarks/structure.py
bench-song: $(NEWEST)/.made ## what one queued song costs: file reads, requests to S3, CPU on a worker; about a minute
	@exec $(NEWEST)/bin/python tests/benchmarks/cost_of_a_song.py $(ARGS)

# For a part: make bench-cluster ARGS="--only songs"; the rows are songs, polls and batch.
bench-cluster: $(NEWEST)/.made ## what songs and waits cost on a real Airflow, beside others; about half an hour
	@PYTHONPATH=tests/cluster:tests/benchmarks exec $(NEWEST)/bin/python -W ignore -m cluster $(ARGS)

# Ten thousand waits; for a first look: make bench-scale ARGS="--waits 200 --pace 5 --window 20"
bench-scale: $(NEWEST)/.made ## ten thousand waits on two triggerers of a real Airflow, one of which is killed; about half an hour
	@PYTHONPATH=tests/cluster:tests/benchmarks exec $(NEWEST)/bin/python -W ignore -m cluster.scale $(ARGS)

# Half an hour. For a part: make bench-money ARGS="--only ours dbos --songs 20". The peers are installed in .bench/money.
bench-money: $(NEWEST)/.made ## a hundred songs whose processes die, with this package and with others: POSTs, dollars, songs
	@PYTHONPATH=tests/benchmarks:. exec $(NEWEST)/bin/python -W ignore -m money $(ARGS)

# Not in `make test`: minutes of fuzzing, and a tool of its own.
fuzz: $(NEWEST)/.made .fuzz/tools/.made ## feed the readers of what a server sends by coverage, ten minutes
	@PYTHONPATH=.fuzz/tools:tests/fuzz $(NEWEST)/bin/python -W ignore tests/fuzz $(ARGS)

.fuzz/tools/.made: requirements/fuzz.txt
	@rm -rf .fuzz/tools && mkdir -p .fuzz/tools
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --target .fuzz/tools -r requirements/fuzz.txt
	@touch $@

# Not in `make test`: it downloads test data of other projects, 50 MB, into .corpus/, and a tool of its own.
corpus: $(NEWEST)/.made .corpus/tools/.made ## read the audio in the test data of other projects, beside FFmpeg as judge
	@PYTHONPATH=.corpus/tools:. $(NEWEST)/bin/python -W ignore tests/corpus $(ARGS)

.corpus/tools/.made: requirements/corpus.txt
	@rm -rf .corpus/tools && mkdir -p .corpus/tools
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --target .corpus/tools -r requirements/corpus.txt
	@touch $@

# Not in `make test`: hours for all of it. For a look: make mutants ARGS="--sample 60 --only policy"; a run that was stopped
# goes on where it was. Only a copy of the tree is changed, in .mutants/.
mutants: $(NEWEST)/.made .mutants/tools/.made ## change one thing at a time where money is decided on, and see whether a test fails
	@PYTHONPATH=.mutants/tools:tests/mutants exec $(NEWEST)/bin/python -W ignore tests/mutants $(ARGS)

.mutants/tools/.made: requirements/mutants.txt
	@rm -rf .mutants/tools && mkdir -p .mutants/tools
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target .mutants/tools -r requirements/mutants.txt
	@touch $@

# Not in `make test`. As mapped tasks of a real Airflow on Postgres: make soak ARGS="--airflow --songs 100"
# One arena: glibc gives each storage thread its own, which keeps the most it ever held (20 MiB in all), and a leak hides in it.
soak: $(NEWEST)/.made ## a thousand songs against faults of every kind, and what each was billed
	@MALLOC_ARENA_MAX=1 PYTHONPATH=tests/soak:tests/cluster $(NEWEST)/bin/python -W ignore tests/soak $(ARGS)

race: $(NEWEST)/.made ## two hundred processes race for a shared budget while some are killed
	@PYTHONPATH=.:tests/soak $(NEWEST)/bin/python -W ignore tests/soak/racing.py $(ARGS)

envs: $(ENVS) ## the two environments that are tested whole, without running anything

.venv-airflow-%/.made: requirements/airflow-%.txt requirements/tools.txt pyproject.toml .ci/make-env
	@bash .ci/make-env $*

pins: $(NEWEST)/.made ## choose new pins from requirements/*.in
	for airflow in $(AIRFLOWS) $(BETWEEN) $(CONSTRAINED); do \
	    .venv-tools/bin/uv pip compile --quiet --upgrade --python-version 3.11 --no-header --no-annotate \
	        "requirements/airflow-$$airflow.in" --output-file "requirements/airflow-$$airflow.txt"; \
	done
	.venv-tools/bin/uv pip compile --quiet --upgrade --python-version 3.11 --no-header --no-annotate \
	    requirements/release.in --output-file requirements/release.txt

constraints: $(NEWEST)/.made ## resolve anew what each Airflow's day had, into requirements/constraints-*.txt
	@.ci/make-constraints

clean: ## remove the environments, the demo and every cache
	rm -rf .venv-tools .venv-airflow-* .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz .corpus .mutants .celery .browser .release dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
