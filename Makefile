# Every command of the gallery: type `make` for a list. scripts/commands.py declares them.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules  # or a file check.c would be what `make check` makes

# what was set on the command line; an environment's NAME (Windows' Linux has one) is not an app's
GIVEN = $(foreach name,$(filter-out PYTHON MAKEFLAGS,$(.VARIABLES)),\
	$(if $(filter command,$(origin $(name))),'$(name)=$(subst ','\'',$(value $(name)))'))

# the first Python that has all packages; PYTHON=... chooses another
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do \
  $$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' >/dev/null 2>&1 && { echo $$python; break; }; done)
endif

# any word is handed on; what is no command gets a message
%: python
	@$(PYTHON) scripts $@ $(GIVEN)

.PHONY: python
python:
	@test -n '$(PYTHON)' || { \
	  echo 'Python 3.10 to 3.14 is needed, and none was found ('"$$(python3 --version 2>&1 | tail -1)"').'; \
	  echo 'Install 3.14 from https://www.python.org/downloads/ and try again, or set PYTHON=/path/to/python3.'; \
	  exit 1; }

Makefile: ;
