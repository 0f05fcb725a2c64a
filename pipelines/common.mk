# common.mk - what every pipeline needs. A pipeline is its data flow: targets are real files, recipes write with -o $@, make is cache and resume.
# BIN: the programs. Q=1: show no commands.
BIN   ?= bin
SHELL := /bin/bash -o pipefail
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
MAKEFLAGS += --no-print-directory

# Steps join one parent run: $(OUT)/run.id is made first, `$(call in_run,command)` runs a command below it, `$(call end_run)` closes it.
$(OUT)/run.id:
	@mkdir -p $(@D)
	@$(BIN)/runs start --run-name $(PIPELINE) > $@
in_run  = ITR_PARENT_RUN=$$(cat $(OUT)/run.id) $(BIN)/$(1)
end_run = $(BIN)/runs end $$(cat $(OUT)/run.id) --status FINISHED
