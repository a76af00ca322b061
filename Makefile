# The torch of the package index carries CUDA (5 GB); an installed or local build serves as well.
PYTHON ?= python3
BIN = .venv/bin

# Threads that wait sleep; where they spin, whatever else runs here slows all down by a multiple.
export OMP_WAIT_POLICY ?= passive

.PHONY: demo test lint docs check-docs check-pages check-browser bench gpu gpu-train soak release clean lowest newest

demo: .venv/installed
	$(BIN)/jeat reproduce digits --out runs/demo --seeds 1 --workers 2

# Two processes of one thread each.
test: .venv/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The tests with the lowest versions that pyproject.toml allows together, and with the newest there are.
lowest newest:
	$(PYTHON) -m venv .venv-$@
	.venv-$@/bin/pip install -q uv
	.venv-$@/bin/uv pip install -q --python .venv-$@ --upgrade \
	  --resolution $(if $(filter lowest,$@),lowest-direct,highest) -e .[test]
	OMP_NUM_THREADS=1 .venv-$@/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/installed-test
	$(BIN)/ruff check src tests docs benchmarks examples
	$(BIN)/ruff format --check src tests docs benchmarks examples
	$(BIN)/mypy

# The site, as files that need neither a server nor a network. Its page of a net wants onnxruntime-web of
# npm; without, the site has none, and no link to it. HF_HUB_OFFLINE=0 fetches its test images, CIFAR-10.
docs: .venv/installed-docs
	rm -rf docs/_build/pages && mkdir -p docs/_build/pages
	HF_HUB_OFFLINE=$${HF_HUB_OFFLINE:-1} $(BIN)/jeat export cifar10-jeat docs/_build/pages/cifar10-jeat.html \
	  || echo "The site is built without the page of cifar10-jeat."
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html
	@echo "The site is docs/_build/html/index.html: open it, or copy the folder."

# Runs the notebooks, and looks at each page of the site in a browser, where there is one.
check-docs: .venv/installed-test .venv/installed-docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "" tests/test_site.py

# Runs the commands that pages show: minutes.
check-pages: .venv/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "" tests/test_pages_run.py

# Uses the app and an exported page in a browser.
check-browser: .venv/installed-test .venv/installed-docs .venv/installed-app
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "" tests/test_app_browser.py tests/test_page.py tests/test_page_forms.py

bench: .venv/installed-bench
	$(BIN)/python -m benchmarks

# Both need a GPU and CIFAR-10 in $JEAT_DATA/cifar10.
gpu: .venv/installed-bench
	$(BIN)/python -m benchmarks.gpu

gpu-train: .venv/installed-bench
	$(BIN)/python -m benchmarks.gpu_train

soak: .venv/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.soak

# Builds sdist and wheel into dist/, and uses each in an empty environment: make release PYTHON="python3.11 python3.13"
release:
	bash .ci/release $(PYTHON)

clean:
	rm -rf .venv .venv-lowest .venv-newest dist docs/_build

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -e .
	touch $@

# Without what peers need for other things than attacks, some of which cannot be built. A peer that
# cannot be installed is left out, and the benchmarks say so in its row.
.venv/installed-bench: .venv/installed
	-$(BIN)/pip install -q foolbox six
	-for p in torchattacks adv-lib adversarial-robustness-toolbox; do \
	  $(BIN)/pip install -q --no-deps $$p; done
	touch $@

.venv/installed-%: .venv/installed
	$(BIN)/pip install -q -e .[$*]
	touch $@
