# Joint by Joint. `make book` and `make test` need Python 3.11 or newer, and nothing else beside make.

PYTHON ?= python3
PROFILE ?= quick
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: help book pdf test lab lint address clean

help:
	@echo "make book     execute every chapter and build the site (PROFILE=smoke for a look, JOBS=N at a time)"
	@echo "make pdf      print the built site as one PDF (needs Chromium; PROFILE as for make book)"
	@echo "make test     run the whole test suite, the chapters and the site included (needs Chromium)"
	@echo "make lab      open JupyterLab on the notebooks"
	@echo "make lint     check with ruff"
	@echo "make address  put the repository's address from _config.yml into the notebooks"
	@echo "make clean    remove what was built; rendered hands and trained runs stay in .cache"

book: $(STAMP)
	$(BIN)/python -m hand_lib book --profile $(PROFILE) $(if $(JOBS),--jobs $(JOBS))

pdf: $(STAMP)
	$(BIN)/python -m hand_lib.book.pdf --profile $(PROFILE)

test: $(STAMP)
	$(BIN)/python -m pytest -n $(or $(JOBS),auto) --dist worksteal --durations 15

lab: $(STAMP)
	$(BIN)/jupyter lab --notebook-dir=. notebooks

lint: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

address: $(STAMP)
	$(BIN)/python -m hand_lib.book.address

clean:
	rm -rf build

# The environment, made anew or brought up to date when what it is made from changed. torch goes first, by its pin.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is missing or older than Python 3.11; name another: make PYTHON=python3.12"; exit 1; }
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv $(VENV) > /dev/null || { \
	  $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; } || { \
	  rm -rf $(VENV); echo "$(PYTHON) cannot make environments; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[book,test]'
	@touch $(STAMP)
