# make help lists what there is. Stamps in the environment make a second call instant.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
PIP_ARGS ?=
MINUTES ?= 2
ARGS ?=
override PROMPT := $(value PROMPT)
export PROMPT
PIP = $(VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt

ifneq ($(filter draw,$(MAKECMDGOALS)),)
ifeq ($(strip $(PROMPT)),)
$(error say what to draw: make draw PROMPT="a red fox to the left of a blue car, flat style")
endif
endif

.PHONY: help draw studio test check fuzz toy readme screens programs clean
.DEFAULT_GOAL := help

help:
	@echo 'make draw PROMPT="a red fox"   draw a picture into out/ (ARGS="--style line -n 4" adds options of sayso draw)'
	@echo 'make studio                    the studio in a browser (ARGS="--port 9000" adds options of sayso serve)'
	@echo 'make test                      all tests'
	@echo 'make check                     style, types, who imports whom, and the README against the disk'
	@echo 'make fuzz MINUTES=20           made-up requests against a real server, from its OpenAPI document'
	@echo 'make toy                       the whole pipeline at toy size: train, draw, score (minutes)'
	@echo 'make screens                   photograph the studio into docs/screens, with the bundled weights drawing'
	@echo 'make readme                    bring the README tree and its table of commands up to date'
	@echo 'make clean                     remove the environment and the caches'

draw: $(VENV)/.draw
	@mkdir -p out
	@$(VENV)/bin/sayso draw -o out $(ARGS) -- "$$PROMPT"

studio: $(VENV)/.studio
	@$(VENV)/bin/sayso serve --open $(ARGS)

test: $(VENV)/.dev programs
	$(VENV)/bin/python -m pytest -q $(ARGS)

check: $(VENV)/.dev
	$(VENV)/bin/ruff check --quiet --output-format concise
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/python scripts/readme_tree.py --check

fuzz: $(VENV)/.dev
	$(VENV)/bin/python scripts/fuzz.py --minutes $(MINUTES)

toy: $(VENV)/.dev
	PATH="$(abspath $(VENV))/bin:$$PATH" bash runs/cpu.sh

screens: $(VENV)/.dev programs
	$(VENV)/bin/python scripts/screens.py

readme: $(VENV)/.dev
	$(VENV)/bin/python scripts/readme_tree.py --write

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache *.egg-info

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo 'sayso needs Python 3.11 or newer; none was found (PYTHON=/path/to/python names one)'; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo 'this Python cannot make an environment; on Debian install python3-venv'; exit 1; }

$(VENV)/.draw: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo 'installing what drawing needs into $(VENV); this takes a minute or two, once' >&2
	@$(PIP) -e .
	@touch $@

$(VENV)/.studio: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo 'installing what the studio needs into $(VENV); this takes a minute or two, once' >&2
	@$(PIP) -e '.[serve]'
	@touch $(VENV)/.draw $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo 'installing what tests and training need into $(VENV); this takes a minute or two, once' >&2
	@$(PIP) -e '.[train,serve,dev]'
	@touch $(VENV)/.draw $@

# Some tests want programs from Debian: Tesseract reads lettering, Chromium shows the page, PostgreSQL stores, npm brings a client.
# They are skipped, with a reason, where these cannot be had.
programs: | $(VENV)/bin/pip
	@want=; tesseract --list-langs 2>/dev/null | grep -q chi_sim || want='tesseract-ocr tesseract-ocr-eng tesseract-ocr-chi-sim'; \
	command -v chromium >/dev/null || want="$$want chromium"; ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || want="$$want postgresql"; \
	command -v npm >/dev/null || want="$$want nodejs npm"; [ -n "$$want" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then as=; elif sudo -n true 2>/dev/null; then as='sudo -n'; else as=none; fi; \
	if command -v apt-get >/dev/null && [ "$$as" != none ] && echo "installing $$want" >&2 && $$as apt-get update -qq >$(VENV)/programs.log 2>&1; \
	then for one in $$want; do $$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$$one" \
		>>$(VENV)/programs.log 2>&1 || echo "$$one cannot be installed here: tests that use it will be skipped" >&2; done; \
	else echo "missing, and cannot be installed here: $$want; tests that use them will be skipped" >&2; fi
