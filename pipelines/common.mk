# common.mk - what every pipeline needs. A pipeline is its data flow: targets are real files, recipes write with -o $@, make is cache and resume.
# BIN: the programs. Q=1: show no commands. Neither they, nor the number of jobs, nor a program that was built again makes a result out of date.
#
# A pipeline sets PIPELINE and OUT, includes this file, checks what it was given (need), and has its rules between `ifdef HELD` and `endif`:
#   $(call stamp,NAME,FILES,VARIABLES,UPSTREAM,PARTIAL)    FILES are out of date when one of VARIABLES, or of those of the stamps UPSTREAM, has another value
#   $(call in_run,command)    a command as a step of the parent run; $(call prog,command): outside of it
#   $(call given,DATA), $(call quote,TEXT), $(call option,--from,DATA)    the value of a variable as it was given; a text as one word of the shell; an option if it has a value
BIN   ?= bin
SHELL := /bin/bash -o pipefail
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
MAKEFLAGS += --no-print-directory
$(if $(Q),$(eval .SILENT:))
DRY   := $(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS))))

# --- paths ------------------------------------------------------------------------------------------------------------------------------------------
# make would expand the `$` of a path and split it at spaces. What the command line or the environment gives is therefore read with $(value ...), letter by letter, and meets
# the shell quoted: make real DATA='/tmp/c$x/p' means that folder (`$` is not doubled). Such values never stand among targets or prerequisites: stamps stand for them.
given    = $(if $(filter command environment,$(firstword $(origin $(1)))),$(value $(1)),$($(1)))
HASH    := \#
SPECIAL := ' " ` \ $$ & ; | < > ( ) { } [ ] * ? ! ~ ^ $(HASH)
special  = $(strip $(foreach c,$(SPECIAL),$(findstring $c,$(1))) $(filter-out 1,$(words x$(1)x)))
quote    = $(if $(1),$(if $(call special,$(1)),'$(subst ','\'',$(1))',$(1)),'')
option   = $(if $(call given,$(2)),$(1) $(call quote,$(call given,$(2))))
, := ,
# variables that name a file, a folder or a file:// address: what is there counts, not only its name
PATHS   := DATA WEIGHTS IMAGE_WEIGHTS TEXT_WEIGHTS KARPATHY BASE_URL ANNOTATIONS_URL
# make would expand them once more for the environment of its commands
$(foreach v,$(PATHS) SHARED,$(if $(filter command,$(firstword $(origin $v))),$(eval unexport $v)))

# the last part of a path, as part of OUT
out_name  = $(shell LC_ALL=C; b=$$(basename -- $(call quote,$(call given,$(1)))); printf %s "$${b//[^[:alnum:]._+,@-]/_}")
ifeq ($(origin OUT),file)
OUT := $(OUT)
endif
# OUT is part of the names of targets, which cannot hold everything.
$(if $(strip $(call special,$(call given,OUT)) $(foreach c,: % =,$(findstring $c,$(call given,OUT)))),$(error OUT='$(call given,OUT)': make cannot hold this name among its targets; give a folder without spaces, quotes and $(SPECIAL) : % =))
is        = $(shell test -$(1) $(call quote,$(2)) && echo yes)
# $(call need,d,VARIABLE,what it should be): an error unless it names a folder (d), a file (f), either (e). Results of what is not there are not shown.
need      = $(if $(call given,$(2)),$(if $(call is,$(1),$(call given,$(2))),,$(error there is no $(if $(filter f,$(1)),file,$(if $(filter d,$(1)),folder,file or folder)) '$(call given,$(2))': $(3))))

# --- one make a folder ------------------------------------------------------------------------------------------------------------------------------
# The make that was called takes the lock and starts a second one, whose commands inherit the open file: the lock is gone when the last of them is, however they ended.
# Two seconds are for the remains of one that was just killed.
MAKEFILE := $(shell printf %s '$(subst ','\'',$(MAKEFILE_LIST))' | sed 's/^ *\(.*\.mk\) .*common\.mk$$/\1/')
HELD     := $(if $(filter-out x$(ITR_HELD),x$(OUT)),,yes)
ifndef HELD
GOALS_HERE := $(or $(MAKECMDGOALS),$(PIPELINE))
.PHONY: $(GOALS_HERE) hold
$(GOALS_HERE): hold ;
hold:
	+@$(if $(DRY),,mkdir -p $(OUT) && exec 9>> $(OUT)/.make-lock || exit 1; flock -w 2 -E 75 9; code=$$?; \
	  if [ $$code = 75 ]; then read -r pid what < $(OUT)/.make-lock; [ -d "/proc/$$pid" ] || what="$$what, ended, but a program that it started still runs"; \
	    echo "make: '$(OUT)' is in use by another make: pid $$pid, $$what. Wait until it ends, or give another folder: OUT=FOLDER" >&2; exit 1; \
	  elif [ $$code != 0 ]; then echo "make: '$(OUT)/.make-lock' cannot be locked" >&2; exit 1; fi; \
	  echo "$$$$ make $(GOALS_HERE), since $$(date '+%F %T')" > $(OUT)/.make-lock;) ITR_HELD=$(OUT) exec $(MAKE) -f $(call quote,$(MAKEFILE)) $(MAKECMDGOALS)
endif

# --- stamps -----------------------------------------------------------------------------------------------------------------------------------------
# $(OUT)/.stamps/NAME holds what FILES are made of: a line a variable, and for PATHS a hash over names, sizes and times (ctime too: a file may come with an old mtime) of what is
# there. When that differs, the stamp is written again, and FILES and unfinished work on them (PARTIAL: checkpoints, journals) are removed: they belong to the former values.
# A stamp holds the variables of its UPSTREAM stamps too, so that nothing downstream outlives them, even if make was interrupted in between.
# All stamps come before the first step (they are prerequisites of run.id): a step that fails leaves no result of the former values behind it.
# Not in it: programs and recipes. After changing those, remove $(OUT).
STAMPS := $(OUT)/.stamps
define stamp_rule
variables.$(1) := $(sort $(3) $(foreach u,$(4),$(variables.$u)))
files.$(1)     := $(filter-out $(OUT)/run.id,$(2)) $(5)
$(if $(2),$(2): $(STAMPS)/$(1))
$(OUT)/run.id: | $(STAMPS)/$(1)
$(STAMPS)/$(1): $$(if $$(call changed,$(1)),FORCE)
	$(if $(filter run.id,$(1)),@if [ -e $$@ ]; then printf '%s\n' $$(call words_of,run.id) | diff <(cat $$@; echo) - | sed -n 's/^> \(.*\)/make: \1: what depends on it is made again/p' >&2 || true; fi)
	@rm -rf $$(files.$$(@F)) && mkdir -p $$(@D) && printf '%s\n' $$(call words_of,$$(@F)) | head -c -1 > $$@
endef
stamp    = $(eval $(call stamp_rule,$(strip $(1)),$(strip $(2)),$(3),$(4),$(5)))
line     = $(1)=$(call given,$(1))$(if $(filter $(1),$(PATHS)),$(if $(call given,$(1)), [$(call files_of,$(1))]))
words_of = $(foreach v,$(variables.$(1)),$(call quote,$(call line,$v)))
text     = $(foreach v,$(variables.$(1)),$(call line,$v))
# without a last newline, which $(file <) of GNU make 4.3 takes away or not
on_disk  = $(if $(wildcard $(STAMPS)/$(1)),$(subst $(newline), ,$(file < $(STAMPS)/$(1))))
changed  = $(if $(and $(findstring x$(call text,$(1))x,x$(call on_disk,$(1))x),$(findstring x$(call on_disk,$(1))x,x$(call text,$(1))x)),,yes)
define newline


endef
# hashed once a make, before anything reads it; a manifest stands for itself and its pictures; what the pipeline itself writes does not count
files_of = $(or $(files_of.$(1)),$(eval files_of.$(1) := $(call hash_of,$(call given,$(1))))$(files_of.$(1)))
hash_of  = $(shell p=$(call quote,$(1)); case "$$p" in (file://*) p=$${p$(HASH)file://}; [ -e "$$p" ] || printf -v p %b "$${p//%/\\x}" 2> /dev/null;; esac; \
	{ find -L "$$p" $(if $(wildcard $(OUT)),-samefile $(OUT) -prune -o) -type f -printf '%P %s %T@ %C@\0' 2> /dev/null | LC_ALL=C sort -z; \
	  case "$$p" in (*.jsonl) root=$$(dirname -- "$$p"); sed -n 's/^.*"image": *"\([^"]*\)".*$$/\1/p' "$$p" | (cd -- "$$root" && xargs -r -d '\n' stat -L -c '%n %s %y %z' 2> /dev/null);; esac; } | sha256sum | cut -c1-32)
# a half-finished step resumes only with the file that it began with, which may have been removed by hand and made again: $(call forget,CHECKPOINT,FILE)
forget   = if [ $(2) -nt $(1) ]; then rm -f $(1); fi
.PHONY: FORCE
FORCE:

# --- runs -------------------------------------------------------------------------------------------------------------------------------------------
# Steps join one parent run, whose id is in $(OUT)/run.id. Its stamp (UPSTREAM: the results) makes a new experiment a new parent run, and ends one that was given up;
# an interrupted experiment that resumes keeps its own. `$(call end_run)` closes it.
$(OUT)/run.id:
	@if [ -s $@ ] && $(call prog,runs) list --filter "status = 'RUNNING'" --columns id --full-ids --format csv 2> /dev/null | grep -qxf $@; then $(call prog,runs) end "$$(cat $@)" --status KILLED; fi
	@$(call prog,runs) start --run-name $(PIPELINE) > $@
prog    = $(call quote,$(call given,BIN)/$(1))
in_run  = ITR_PARENT_RUN=$$(cat $(OUT)/run.id) $(call prog,$(1))
end_run = $(call prog,runs) end $$(cat $(OUT)/run.id) --status FINISHED
