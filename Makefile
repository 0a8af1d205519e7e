# Every command of the gallery: type `make` for a list. scripts/__main__.py runs them.

COMMANDS = list run gallery new model train smoke expect verify check docker docker-run docker-smoke docker-push \
	test test-quick test-long test-recipes test-train test-scale fuzz bench bench-memory bench-scale load scale \
	classify lint constraints audit sync workshop site screenshots clean
SETTINGS = APP HOST PORT NAME FROM WITH URL IMAGE TAG ARGS DOCKER TORCH_INDEX USERS SECONDS \
	REPLICAS IN OUT RAY_ADDRESS

# those set on the command line; an environment's NAME (Windows' Linux has one) is not an app's
GIVEN = $(foreach name,$(SETTINGS),$(if $(filter command,$(origin $(name))),'$(name)=$(subst ','\'',$($(name)))'))

# the first Python that is new enough; PYTHON=... chooses another
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1 && { echo $$python; break; }; done)
endif

.PHONY: help $(COMMANDS) python

help $(COMMANDS): python
	@$(PYTHON) scripts $@ $(GIVEN)

python:
	@test -n '$(PYTHON)' || { \
	  echo 'Python 3.10 or later is needed, and none was found ('"$$(python3 --version 2>&1 | tail -1)"').'; \
	  echo 'Install it from https://www.python.org/downloads/ and try again, or set PYTHON=/path/to/python3.'; \
	  exit 1; }
