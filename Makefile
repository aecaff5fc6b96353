# wasabi: what to type. `make demo` and `make test` do their own set-up.
#
#   CUDA=1          also fetch what an NVIDIA GPU needs (2.5 GB)
#   PYTHON=…        the python3 whose pip fetches libtorch
#   WHEELS=folder   take the pinned wheels from a folder, without a network
#   WASABI_CACHE=…  where libtorch is kept (default: ~/.cache/wasabi)

PYTHON ?= python3
CARGO ?= cargo
PROGRAM = $(or $(CARGO_TARGET_DIR),target)/release/wasabi

# What is built here is the pinned libtorch, whatever the shell was set up for.
unexport LIBTORCH LIBTORCH_INCLUDE LIBTORCH_LIB LIBTORCH_STATIC LIBTORCH_CXX11_ABI
unexport LIBTORCH_USE_PYTORCH LIBTORCH_BYPASS_VERSION_CHECK

.PHONY: help setup build demo test test-kill lint bench bench-gpu doctor tools

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

tools:
	@command -v $(CARGO) >/dev/null || { echo "no Rust toolchain: install one from https://rustup.rs (1.90 or later)" >&2; exit 1; }
	@command -v c++ >/dev/null || { echo "no C++ compiler (c++): apt install g++, or dnf install gcc-c++" >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON): apt install python3 python3-pip, or PYTHON=<python>" >&2; exit 1; }

setup: tools ## fetch libtorch into the cache, once for all clones
	@$(PYTHON) tools/setup.py $(if $(filter-out 0,$(CUDA)),--cuda) $(if $(WHEELS),--wheels "$(WHEELS)")

build: setup ## build the program, target/release/wasabi
	$(CARGO) build --release --locked

demo: build ## train on data/, evaluate, generate, draw: about three minutes after the build
	$(PROGRAM) run scripts/demo.rhai

test: setup ## build and run every test
	$(CARGO) test --release --locked

lint: setup ## formatting, clippy and rustdoc, warnings as errors
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --release --locked --no-deps --lib

bench: setup ## measure speed and memory
	$(CARGO) bench --locked

bench-gpu: setup ## a folder for a machine with CUDA and a Python torch: golden tests, a step, an epoch, generation
	CARGO="$(CARGO)" tools/bench_gpu.sh $(or $(CARGO_TARGET_DIR),target)/bench-gpu

doctor: build ## look this machine over
	$(PROGRAM) doctor

test-kill: setup ## kill a run two hundred times, and see that nothing is lost
	$(CARGO) test --release --locked --test all -- --ignored --nocapture lab_kill::
