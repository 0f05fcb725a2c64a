# itr - image-text retrieval. `make help` lists what can be made. No line here names a source file: tools/*.c become programs,
# lib/*/*.c the library, tests/unit/test_*.c the unit tests. A file whose name ends in _avx2, _avx512, _avx512vnni or _avx512bf16
# is a kernel and is compiled for that instruction set; which one runs is chosen at run time (lib/base/cpu.h).

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif

# --- knobs: make CC=clang, DEVELOPER=1 (warnings are errors), NATIVE=1, SANITIZE=address,undefined, V=1; config.mk overrides --------
-include config.mk
CC        := $(if $(filter default,$(origin CC)),gcc,$(CC))
BUILD     ?= build$(if $(SANITIZE),/asan)
BIN       ?= $(if $(SANITIZE),$(BUILD)/bin,bin)
PREFIX    ?= /usr/local
prefix    ?= $(PREFIX)
PROGRAM_PREFIX ?= itr-
OPT       ?= $(if $(SANITIZE),-O1,-O2)
V         ?= 0
# Q=1 on the command line is a knob of the pipelines, not of these recipes
override Q := $(if $(filter 1,$(V)),,@)
quote      = '$(subst ','\'',$(1))'
SAY        = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' $(1) $(2))

MODULES   := openblas hdf5 libcurl libcjson libzip libpng libjpeg libutf8proc libcrypto zlib
VERSION   := $(shell sed -n 's/^\#\# \([0-9][0-9.]*\).*/\1/p' NEWS.md 2>/dev/null | head -n 1)
GIT       := $(shell git rev-parse --short=12 HEAD 2>/dev/null)

# Debian's names for everything that building, testing and plotting need; `make deps` installs them.
DEPS_BUILD := gcc pkg-config libopenblas-openmp-dev libhdf5-dev libcurl4-openssl-dev libcjson-dev libzip-dev libpng-dev \
              libjpeg62-turbo-dev libutf8proc-dev libssl-dev zlib1g-dev gnuplot-nox fonts-dejavu-core
DEPS_TEST  := clang libcmocka-dev jq python3 python3-venv nginx-light
DEPS       := $(DEPS_BUILD) $(DEPS_TEST)

have_module = $(shell pkg-config --exists $(1) 2>/dev/null && echo $(1))
HDF5_PC   := $(or $(call have_module,hdf5-serial),$(call have_module,hdf5))
BLAS_PC   := $(or $(call have_module,openblas-openmp),$(call have_module,openblas))
PC        := $(patsubst openblas,$(BLAS_PC),$(patsubst hdf5,$(HDF5_PC),$(MODULES)))
PC_CFLAGS  = $(shell pkg-config --cflags $(PC) 2>/dev/null)
PC_LIBS    = $(shell pkg-config --libs $(PC) 2>/dev/null)

WARN      := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wundef -Wvla \
             $(if $(DEVELOPER),-Werror)
CFLAGS    ?= -g $(OPT)
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(CFLAGS) $(WARN) -ffp-contract=off -fno-math-errno -fno-trapping-math -pthread -Ilib -I$(BUILD) $(PC_CFLAGS) \
             $(if $(NATIVE),-march=native) \
             $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
LIBS       = $(PC_LIBS) -lm

# The compiler's target, not this machine: make CC=aarch64-linux-gnu-gcc builds for arm64 on an x86-64.
X86       := $(filter x86_64-% amd64-%,$(shell $(CC) -dumpmachine 2>/dev/null))
isa_flags  = $(if $(X86),$(if $(filter %_avx2,$(1)),-mavx2 -mfma -mf16c)$(if $(filter %_avx512,$(1)),-mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq)$(if \
             $(filter %_avx512vnni,$(1)),-mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512vpopcntdq)$(if \
             $(filter %_avx512bf16,$(1)),-mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16))
kernel_opt = $(if $(filter lib/tensor/% lib/retrieval/kern% lib/retrieval/quantise% lib/retrieval/precision% lib/image/resize% lib/autograd/op_% lib/optim/%,$(1)),-O3)

LIB_SRC   := $(sort $(wildcard lib/*/*.c))
TOOL_SRC  := $(sort $(wildcard tools/*.c))
TEST_SRC  := $(sort $(wildcard tests/unit/test_*.c))
BENCH_SRC := $(sort $(wildcard tests/bench/bench_*.c))
LIB_OBJ   := $(LIB_SRC:%.c=$(BUILD)/%.o)
TOOLS     := $(TOOL_SRC:tools/%.c=$(BIN)/%)
TESTS     := $(TEST_SRC:tests/unit/%.c=$(BUILD)/unit/%)
BENCH_BIN := $(BENCH_SRC:tests/bench/%.c=$(BUILD)/bench/%)
LIB       := $(BUILD)/libitr.a

.PHONY: all deps deps-build ensure-deps demo real quantization coco coco-quantization translation stamps precision check check-quick check-unit check-tools check-corrupt check-pipeline check-interop check-asan check-layers check-docs \
        asan bench bench-programs bench-encode bench-search bench-train install uninstall clean help tests FORCE

##@ Building
all: check-modules $(TOOLS) stale-programs  ## programs in bin/ (the default)
tests: all $(TESTS) $(BENCH_BIN)

.PHONY: check-modules stale-programs
check-modules:
	@command -v pkg-config >/dev/null || { echo "make: pkg-config is missing. Run: make deps" >&2; exit 1; }
	@bad=0; for m in $(PC) $(if $(HDF5_PC),,hdf5) $(if $(BLAS_PC),,openblas); do pkg-config --exists $$m || { bad=1; case $$m in \
	  openblas*) p=libopenblas-openmp-dev;; hdf5*) p=libhdf5-dev;; libcurl) p=libcurl4-openssl-dev;; libcjson) p=libcjson-dev;; libzip) p=libzip-dev;; \
	  libpng) p=libpng-dev;; libjpeg) p=libjpeg62-turbo-dev;; libutf8proc) p=libutf8proc-dev;; libcrypto) p=libssl-dev;; zlib) p=zlib1g-dev;; *) p=$$m;; esac; \
	  echo "make: library '$$m' is missing: Debian package $$p. Run: make deps" >&2; }; done; \
	command -v $(firstword $(CC)) >/dev/null || { echo "make: compiler '$(firstword $(CC))' is missing: Debian package $(notdir $(firstword $(CC)))" >&2; exit 1; }; \
	exit $$bad

stale-programs:                        # a renamed tool must not leave its old program behind
	@for p in $(filter-out $(TOOLS),$(wildcard $(BIN)/*)); do [ -f "$$p" ] && rm -f "$$p"; done; true

# Rebuild when the flags change, not only when files do.
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD); echo '$(CC) $(ALL_CFLAGS) $(LIBS) $(VERSION)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS) $(LIBS) $(VERSION)' > $@
$(BUILD)/sources: FORCE
	@mkdir -p $(BUILD); echo '$(LIB_SRC)' | cmp -s - $@ || { echo '$(LIB_SRC)' > $@; rm -f $(LIB); }
$(BUILD)/version.h: FORCE
	@mkdir -p $(BUILD); printf '#define ITR_VERSION "%s"\n#define ITR_GIT "%s"\n' '$(or $(VERSION),0.0.0)' '$(GIT)' > $@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/%.o: %.c $(BUILD)/flags | $(BUILD)/version.h
	@mkdir -p $(@D)
	$(call SAY,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $(call kernel_opt,$<) $(call isa_flags,$*) -MMD -MP -c $< -o $@
$(LIB): $(LIB_OBJ) $(BUILD)/sources
	$(call SAY,AR,$@)
	$(Q)rm -f $@; ar rcs $@ $(LIB_OBJ)
$(BIN)/%: $(BUILD)/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(LIB) $(LIBS) -o $@
$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(LIB)
	@mkdir -p $(@D)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(LIB) -lcmocka $(LIBS) -o $@
$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(LIB)
	@mkdir -p $(@D)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(LIB) $(LIBS) -o $@
.SECONDARY:
-include $(LIB_OBJ:.o=.d) $(TOOL_SRC:%.c=$(BUILD)/%.d) $(TEST_SRC:%.c=$(BUILD)/%.d) $(BENCH_SRC:%.c=$(BUILD)/%.d)

# What the pipelines need is less than what the tests need.
deps: WANT = $(DEPS)
deps-build: WANT = $(DEPS_BUILD)
deps deps-build:  ## install what building, plotting and testing need (Debian 12), as root or with sudo
	@missing=$$(for p in $(WANT); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || echo $$p; done); \
	[ -n "$$missing" ] || exit 0; line="apt-get install -y --no-install-recommends $$(echo $$missing)"; \
	if [ "$$(id -u)" = 0 ]; then sudo=; elif sudo -n true 2>/dev/null; then sudo=sudo; \
	else echo "make: these packages are missing; as root, run:"; echo "  $$line"; exit 1; fi; \
	echo "installing:" $$missing; export DEBIAN_FRONTEND=noninteractive; \
	{ $$sudo apt-get update -qq && $$sudo $$line -qq; } > deps.log 2>&1 || { tail -n 20 deps.log; echo "make: that failed; the whole log is in deps.log. The line was: $$line"; exit 1; }; rm -f deps.log

asan:  ## the same programs with AddressSanitizer and UBSan, in build/asan/bin
	@$(MAKE) SANITIZE=address,undefined all

##@ Running
# A goal that may install packages first starts a second make, so that pkg-config is asked only afterwards. make hands on the variables of the command line and of the environment,
# letter by letter; it shall not expand the `$` of a path for the environment of commands.
$(foreach v,DATA WEIGHTS IMAGE_WEIGHTS TEXT_WEIGHTS KARPATHY BASE_URL ANNOTATIONS_URL SHARED,$(if $(filter command,$(firstword $(origin $v))),$(eval unexport $v)))
demo: deps-build  ## the main job on embedded data: scenes -> features -> CCA -> metrics and a picture (under 90 s)
	@$(MAKE) all && $(MAKE) -f pipelines/demo.mk demo
real: deps-build  ## the same on real pictures: make real DATA=folder of captioned images
	@$(MAKE) all && $(MAKE) -f pipelines/demo.mk real
coco: deps-build  ## COCO fetched, described, scored; resumable: make coco [LIMIT=1000] [SUBSET=val2017] [BASE_URL=... ANNOTATIONS_URL=...]
	@$(MAKE) all && $(MAKE) -f pipelines/coco.mk coco
quantization: deps-build  ## document 002: sizes x precisions x candidate pools, tables and plots: make quantization [DATA=embeddings.npz] [N=5000]
	@$(MAKE) all && $(MAKE) -f pipelines/quantization.mk quantization
coco-quantization: deps-build  ## document 002 from JPEG to plot, with CLIP: make coco-quantization [DATA=FOLDER|manifest.jsonl|scenes] [WEIGHTS=...] [ENCODERS=...] [LIMIT=1000]
	@$(MAKE) all && $(MAKE) -f pipelines/coco-quantization.mk coco-quantization
stamps: deps-build  ## published towers on real pictures, ten random splits: ridge, CCA, InfoNCE: make stamps [DATA=folder] [SEEDS="1 2 3"]
	@$(MAKE) all && $(MAKE) -f pipelines/stamps.mk stamps
precision: deps-build  ## the same towers in bf16 and int8: cosine to fp32 and the change in recall@10: make precision [DATA=folder]
	@$(MAKE) all && $(MAKE) -f pipelines/stamps.mk precision
translation: deps-build  ## document 003: networks and closed forms translate text vectors into image vectors: make translation [DATA=folder with train.npz, test.clean.npz]
	@$(MAKE) all && $(MAKE) -f pipelines/translation.mk translation

##@ Testing
check:  ## unit, tool, corrupt-input, pipeline and interop tests; ends with "N passed, N failed, N skipped"
	@echo "make check: everything is built and tested; 10 to 15 minutes on two cores. Debian packages that are missing are installed first (as root or with sudo; else the line to run"
	@echo "is printed): $(words $(DEPS)) of them, see 'make deps'. The interop tests make a virtualenv in tests/interop/venv from a package index (NumPy, h5py, MLflow, ...: 150 MB fetched, 700 MB"
	@echo "on disk), or use the python that ITR_PYTHON names. Nothing else is installed. make check-quick: under 2 minutes, no virtualenv."
	@$(MAKE) deps && $(MAKE) tests && tests/run
check-quick: deps  ## layers, man pages, unit tests and the short tool stories: under 2 minutes on two cores once built
	@$(MAKE) tests && tests/run quick
	@echo "left out: the other tool stories (downloads, towers, training, grids, compilers), corrupt input, pipelines, interop. make check runs them."
check-unit check-tools check-corrupt check-pipeline check-interop: check-%: deps
	@$(MAKE) tests && tests/run $*
check-asan: deps  ## unit, tool and corrupt tests under AddressSanitizer and UBSan
	@$(MAKE) SANITIZE=address,undefined tests && SANITIZE=1 tests/run unit tools corrupt
check-layers:  ## who may include whom (lib/LAYERS), and what the library must never call
	@tests/layers.sh
check-docs: all  ## man pages against option tables
	@tests/docs.sh $(BIN)
# BENCHES, which the user may give, says which ones run
bench-programs: $(BENCH_BIN)
bench: all $(BENCH_BIN)  ## ours against the peers, as ratios (needs a virtualenv with the peers: see tests/bench/README.md): make bench [BENCHES="gemm train search rank encode fetch"]
	@tests/bench/run
bench-search: $(BUILD)/bench/bench_search  ## top-10 search at every precision against FAISS, PyTorch, ...: one JSON line a case
	@$(BUILD)/bench/bench_search
bench-encode: all $(BENCH_BIN)  ## files to vectors: preprocessing and encoders against the peers (PEERS_PYTHON): one JSON line a case
	@bash tests/bench/bench_encode.sh
bench-train: $(BUILD)/bench/bench_train $(BUILD)/bench/bench_finetune  ## training and fine-tuning steps against PyTorch's (PEERS_PYTHON=python with torch): one JSON line a case
	@tests/bench/bench_train.sh && tests/bench/bench_finetune.sh

##@ Installing
installer = tools/install.sh $(1) $(call quote,$(DESTDIR)) $(call quote,$(prefix)) $(call quote,$(BIN)) $(call quote,$(LIB)) $(call quote,$(PROGRAM_PREFIX))
install: all  ## programs as PREFIX/bin/itr-NAME, man pages, library and headers: make install [PREFIX=/usr/local] [DESTDIR=]
	@$(call installer,install)
uninstall:  ## removes what install put there, folders that it made too
	@$(call installer,uninstall)
clean:  ## build/ and bin/; data and runs stay
	rm -rf build bin
help:  ## this list
	@awk 'BEGIN { FS = ":.*##" } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z -]+:.*##/ { sub(" .*", "", $$1); printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nKnobs: CC=clang DEVELOPER=1 NATIVE=1 SANITIZE=address,undefined V=1\nPipelines: OUT=FOLDER, Q=1, and the variables that their pages in pipelines/ name. Another value, or other files under DATA, and what depends on it is made again.\n'
FORCE:
