# One verb a line. Each works on a fresh clone: `.venv` is made first, and again when its inputs change.
PY := .venv/bin/python
READY := .venv/.ready
POCKET := .venv/.ready-pocket
FUZZ := .venv/.ready-fuzz
ARGS :=
# Two processes: much of a test is waiting for a server or a disk.
SUITE := -n 2 --dist loadfile

.PHONY: setup run test slow fuzz clients web-test check audit fmt bench traces docs pocket

setup: $(READY) ; @echo "ready: .venv"

run: $(READY) ; @.venv/bin/mlx-responses serve $(ARGS)

test: $(READY) ; @$(PY) -m pytest $(SUITE) $(ARGS)

slow: $(READY) ; @$(PY) -m pytest -m 'slow' --timeout 1200 $(ARGS)

fuzz: $(FUZZ) ; @$(PY) -m tools.fuzz $(ARGS)

clients: $(READY) ; @sh tools/clients.sh && $(PY) -m pytest -m 'clients' $(ARGS)

web-test: $(READY) ; @sh tools/web.sh && $(PY) -m pytest -m 'web' $(ARGS)

check: $(READY)
	@.venv/bin/ruff format --check --quiet . || { echo "run 'make fmt' to format"; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports --no-cache > .venv/layers.txt || { cat .venv/layers.txt; exit 1; }
	@$(PY) -m tools.audit
	@$(PY) -m pytest $(SUITE) $(ARGS)

audit: $(READY) ; @$(PY) -m tools.audit

fmt: $(READY) ; @.venv/bin/ruff check --quiet --fix --exit-zero . && .venv/bin/ruff format --quiet .

bench: $(READY) ; @$(PY) -m bench.all $(ARGS)

traces: $(READY) ; @$(PY) -m tools.traces

docs: $(READY) ; @$(PY) -m tools.docs

pocket: $(POCKET) ; @$(PY) -m tools.pocket.make

$(READY): pyproject.toml constraints.txt tools/setup.sh ; @sh tools/setup.sh dev && touch $@

$(POCKET): $(READY) ; @sh tools/setup.sh dev,pocket && touch $@

$(FUZZ): $(READY) ; @sh tools/setup.sh dev,fuzz && touch $@
