# gatewatch: `make demo` shows it, `make test` checks it. Both set themselves up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test properties lint clean lock venv browser slow-clients fuzz-api audit sbom terraform bench-api bench-ingest bench-detect bench-simulate bench-push bench-ui screenshots walkthrough kill-test

help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

$(STAMP): requirements-dev.lock pyproject.toml hatch_build.py ingest/cut.c
	@PYTHON="$(PYTHON)" sh tools/setup.sh $(VENV)
	@touch $@

venv: $(STAMP) ## create .venv with the pinned dependencies

browser: $(STAMP) ## make sure that a Chromium for the browser tests is there
	@sh tools/chromium.sh $(BIN)

demo: $(STAMP) ## set up and show gatewatch with data in it (no AWS account needed)
	@$(BIN)/gatewatch demo

lint: $(STAMP) ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(STAMP) browser lint ## set up and run every check
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --reruns 2 -rR

properties: $(STAMP) ## every property test with new random examples
	NEW_EXAMPLES=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $$(grep -rlE '@given|RuleBasedStateMachine' tests)

bench-ingest: $(STAMP) ## ingest speed against DuckDB's C10 and GoAccess
	$(BIN)/python -m bench.ingest

bench-detect: $(STAMP) ## detection against labels, beside CloudWatch-like alarms and burn rates
	$(BIN)/python -m bench.detect $(DETECT)

bench-simulate: $(STAMP) ## speed and memory of simulate, and of scan over a world of 5 M calls
	$(BIN)/python -m bench.simulate

bench-api: $(STAMP) ## the API on 10 M requests and 10,000 findings while 10,000 lines/s come in
	$(BIN)/python -m bench.api $(API)

bench-push: $(STAMP) ## events a second through the Firehose endpoint, durable before the answer
	$(BIN)/python -m bench.push

bench-ui: $(STAMP) browser ## the dashboard over 10 M requests: paint, pages, filters, brush, live tail, sizes, shifts against their budgets
	$(BIN)/python -m bench.ui $(UI)

screenshots: $(STAMP) browser ## every page of the demo at 1440 and 390 px, light and dark, into screenshots/
	$(BIN)/python -m bench.screens $(SCREENS)

walkthrough: $(STAMP) browser ## the pictures of docs/walkthrough.md, of its own seeded world, into docs/pictures/
	$(BIN)/python -m bench.walkthrough $(WALK)

kill-test: $(STAMP) ## SIGKILL during ingest and during pushes, judged against a ledger
	$(BIN)/python -m bench.kill
	$(BIN)/python -m bench.push --kills 20 --lines 250000

alert-kill-test: $(STAMP) ## alerts: 200 kills, two workers with faults on PostgreSQL, a storm of 5,000 findings
	$(BIN)/python -m bench.alerts $(ALERTS)

slow-clients: $(STAMP) ## 1,000 slow connections of each kind: still alive, and each dropped in time
	$(BIN)/python -m bench.slow

fuzz-api: $(STAMP) ## Schemathesis over the whole API of a server with data in it, and as a stranger
	$(BIN)/python -m bench.fuzz_api $(FUZZ)

terraform: $(STAMP) ## Terraform plans deploy/aws/terraform and doctor's patches (needs it, and TF_PLUGIN_DIR)
	$(BIN)/python -m pytest -rs tests/ingest/aws/test_terraform.py

audit: $(STAMP) ## known vulnerabilities of what is pinned; exit 3: could not tell (it asks PyPI)
	$(BIN)/python -m bench.audit

sbom: $(STAMP) ## dist/sbom.cdx.json: what an installation consists of, in CycloneDX
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file dist/sbom.cdx.json 2>/dev/null
	@echo "dist/sbom.cdx.json"

lock: ## re-pin the dependencies (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header -o requirements.lock -q
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header -c requirements.lock -o requirements-dev.lock -q

clean: ## remove what the targets made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .demo bench/data
