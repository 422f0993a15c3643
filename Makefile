# Two commands do everything: `make run` and `make test`. `make help` lists the others.
#
# PYTHON=/path/to/python3 chooses the interpreter; ARGS='-k tokens' goes to pytest.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run demo test check lint lock docs ledger mutants migrate services services-stop \
	bench bench-peers bench-consumer

python := .venv/bin/python
sdks := .sdks/0.28.stamp .sdks/1.stamp .sdks/2.stamp

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 23

install: .venv/run.stamp  ## create .venv with what the gateway needs

run: .venv/run.stamp  ## set everything up and serve on 127.0.0.1:8090
	@.venv/bin/gateway serve

demo: .venv/run.stamp  ## chat with the bot and fetch a key, without an account anywhere
	@.venv/bin/python -m scripts.demo

test: .venv/dev.stamp $(sdks)  ## set everything up and run all tests, on real services
	@$(python) -m scripts.services $(python) -m pytest -n 3 --dist loadscope $(ARGS)

check: .venv/dev.stamp  ## linters, types, lock files, house rules; changes nothing
	@scripts/check

lint: .venv/dev.stamp  ## format, and correct what can be corrected
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

migrate: .venv/run.stamp  ## bring the database to the newest revision
	@.venv/bin/gateway migrate

services: .venv/dev.stamp  ## find or start Postgres, RabbitMQ and Redis for tests
	@$(python) -m scripts.services

services-stop: .venv/dev.stamp  ## stop those that were started here
	@$(python) -m scripts.services --stop

ledger: .venv/dev.stamp  ## prove that no answer lacks its record (MINUTES=10 SEED=7 MODE=services)
	@$(python) -m tests.support.ledger $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(SEED),--seed $(SEED)) $(if $(MODE),--mode $(MODE)) $(ARGS)

mutants: .venv/dev.stamp  ## take each safeguard out, and see that the ledger finds it missing
	@$(python) -m tests.support.ledger.mutants $(ARGS)

bench: .venv/run.stamp  ## speed, memory and start beside nginx (ARGS=--quick: a rough look)
	@$(python) -m bench $(ARGS)

bench-peers: .venv/run.stamp  ## beside LiteLLM, Portkey and TensorZero too; writes docs/benchmarks.md
	@$(python) -m bench --peers --write docs/benchmarks.md $(ARGS)

bench-consumer: .venv/run.stamp  ## storing, linking, reading among ROWS records; writes docs/benchmarks-consumer.md
	@$(python) -m bench.consumer --write docs/benchmarks-consumer.md $(if $(ROWS),--rows $(ROWS)) $(ARGS)

docs: .venv/dev.stamp  ## rewrite docs/configuration.md from the settings
	@$(python) -m scripts.configuration

lock: .venv/dev.stamp  ## rewrite the lock files after a change in pyproject.toml
	@scripts/lock

.venv/%.stamp: requirements/%.txt requirements/build.txt pyproject.toml scripts/install
	@scripts/install $*
	@touch $@

.sdks/%.stamp: requirements/sdk-%.txt scripts/install-sdk | .venv/dev.stamp
	@scripts/install-sdk $*
	@touch $@
