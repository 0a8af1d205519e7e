# Every command of the gallery. `make` alone explains them.

APP  ?= hello
HOST ?= 127.0.0.1
PORT ?= 8080
# set here, so that an environment's NAME (Windows' Linux has one) is not taken for an app's
NAME =
FROM = hello

# the first Python that is new enough; PYTHON=... chooses another
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1 && { echo $$python; break; }; done)
endif
VENV_PYTHON = .venv/bin/python
INSTALL = $(PYTHON) scripts/install.py
NAME_AND_TAG = --image='$(IMAGE)' --tag='$(TAG)'
IN_ENGINE = DOCKER='$(DOCKER)' $(PYTHON)
TEST_PACKAGES = $(INSTALL) tests/requirements.txt
# two files of tests at a time, in the order of tests/conftest.py
WORKERS = -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help list run gallery new sync model smoke check docker docker-run \
	docker-smoke docker-push test test-quick lint workshop screenshots \
	clean python

help:
	@echo 'make list                    the apps: name, file, what each teaches'
	@echo 'make run APP=sepia           start an app, then open http://localhost:8080'
	@echo '     PORT=9000               on another port'
	@echo '     HOST=0.0.0.0            open to everybody in your network'
	@echo 'make gallery                 one page with all apps, at http://localhost:8080'
	@echo 'make new NAME=leaf_disease FROM=resnet'
	@echo '                             make a folder for your own app; FROM=hello for a bare start'
	@echo 'make model APP=resnet        fetch the weights of an app, nothing else'
	@echo 'make smoke APP=sepia         start an app, call it as a client would, check the answer'
	@echo '     APP=all                 the same for every app'
	@echo 'make check APP=resnet        will SciLifeLab Serve run it? read from its files, no Docker needed'
	@echo '     APP=all                 the same for every app'
	@echo 'make docker APP=resnet       build the container image of an app (fetches its weights)'
	@echo 'make docker-run APP=resnet   run it, then open http://localhost:8080'
	@echo 'make docker-smoke APP=resnet try it as SciLifeLab Serve will run it'
	@echo 'make docker-push APP=resnet IMAGE=user/name'
	@echo '                             publish it on Docker Hub (ghcr.io/owner/name: on GitHub)'
	@echo '     TAG=v1                  a tag of your own; DOCKER=podman another engine'
	@echo 'make test                    test everything (the first time, it installs what it needs)'
	@echo 'make test-quick              the quick part'
	@echo 'make lint                    check the style of the code'
	@echo 'make sync FROM=resnet        make a shared change in all three classifiers'
	@echo 'make workshop                take the listings in docs/workshop anew from the files'
	@echo 'make screenshots             take the pictures in docs/images anew'
	@echo 'make clean                   remove .venv and caches; weights stay'

list: python
	@$(PYTHON) scripts/list_apps.py

run: python
	@$(INSTALL) --app '$(APP)'
	@$(VENV_PYTHON) scripts/fetch_model.py '$(APP)' --if-missing
	@$(VENV_PYTHON) scripts/run_app.py '$(APP)' --host '$(HOST)' --port '$(PORT)'

gallery: python
	@$(PYTHON) scripts/assemble_gallery.py --install
	@$(VENV_PYTHON) scripts/serve_gallery.py --host '$(HOST)' --port '$(PORT)'

new: python
	@$(PYTHON) scripts/new_app.py --from='$(FROM)' -- '$(NAME)'

sync: python
	@$(PYTHON) scripts/sync_folders.py --from='$(FROM)'

model: python
	@$(INSTALL) --app '$(APP)' --only pooch,requests,tqdm
	@$(VENV_PYTHON) scripts/fetch_model.py '$(APP)'

smoke: python
	@$(INSTALL) --app '$(APP)'
	@$(VENV_PYTHON) scripts/smoke_test.py '$(APP)'

check: python
	@$(INSTALL) scripts/requirements.txt
	@$(VENV_PYTHON) scripts/check_app.py '$(APP)' $(NAME_AND_TAG) $(ARGS)

docker: python
	@$(IN_ENGINE) scripts/build_image.py '$(APP)' $(NAME_AND_TAG)

docker-run: python
	@$(IN_ENGINE) scripts/run_image.py '$(APP)' $(NAME_AND_TAG) --host '$(HOST)' --port '$(PORT)'

docker-smoke: python
	@$(INSTALL) example_apps/requirements.txt
	@DOCKER='$(DOCKER)' $(VENV_PYTHON) scripts/smoke_test_image.py '$(APP)' $(NAME_AND_TAG)

docker-push: python
	@$(IN_ENGINE) scripts/push_image.py '$(APP)' $(NAME_AND_TAG)

test: python
	@$(TEST_PACKAGES)
	@$(VENV_PYTHON) scripts/get_browser.py
	@$(VENV_PYTHON) -m pytest $(WORKERS) $(ARGS)

test-quick: python
	@$(TEST_PACKAGES)
	@$(VENV_PYTHON) scripts/get_browser.py
	@$(VENV_PYTHON) -m pytest $(WORKERS) -m 'not slow' $(ARGS)

lint: python
	@$(INSTALL) tests/requirements-lint.txt
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@.venv/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@.venv/bin/zizmor --offline --quiet .github

workshop: python
	@$(PYTHON) scripts/update_workshop.py $(ARGS)

screenshots: python
	@$(TEST_PACKAGES)
	@$(VENV_PYTHON) scripts/get_browser.py
	@$(VENV_PYTHON) scripts/take_screenshots.py

clean:
	@rm -rf .venv .pytest_cache .ruff_cache .gradio
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo 'Removed .venv and the caches. Weights in data/ stay.'

python:
	@test -n '$(PYTHON)' || { \
	  echo 'Python 3.10 or later is needed, and none was found ('"$$(python3 --version 2>&1 | tail -1)"').'; \
	  echo 'Install it from https://www.python.org/downloads/ and try again, or say PYTHON=/path/to/python3.'; \
	  exit 1; }
