# demo.mk - the main job: pictures with captions -> features -> a shared space -> metrics that can be trusted, and a picture to look at.
#   make demo                      on N embedded scenes (nothing is downloaded)
#   make real DATA=FOLDER          on any folder of captioned JPEG/PNG pictures (NAME.png beside NAME.txt)
# in: DATA (real only)   out: $(OUT)/{manifest.jsonl,features.h5,cca.h5,test.npz,metrics.json,retrieval.png,summary.txt}
# variables: N scenes, SEED, DIMS, TEXT/IMAGE encoders
N        ?= 2000
SEED     ?= 7
IMAGE    ?= classic
TEXT     ?= hash
GOALS    := $(or $(MAKECMDGOALS),demo)
PIPELINE := $(firstword $(GOALS))
OUT      ?= data/$(PIPELINE)
DIM      := 512
# a small collection cannot fill 512 directions: CCA then stops at what the training part allows
DIMS     := $(if $(filter real,$(PIPELINE)),128,512)
NEXT_STEP := $(if $(filter demo,$(PIPELINE)),"Next: the same on pictures of your own: make real DATA=FOLDER - NAME.png with its captions in NAME.txt")
include pipelines/common.mk

.PHONY: demo real
demo real: $(OUT)/summary.txt
	@cat $<

$(OUT)/manifest.jsonl: | $(OUT)/run.id
ifeq ($(PIPELINE),real)
	@test -n '$(DATA)' -a -d '$(DATA)' || { echo "make: say which pictures: make real DATA=FOLDER (a folder of NAME.png or NAME.jpg, each with its captions in NAME.txt)" >&2; exit 1; }
	$(call in_run,fetch-coco) --from sidecar '$(DATA)' --seed $(SEED) -o $(OUT) -f -q --max-failed 1000000
else
	$(call in_run,fetch-coco) --synthetic $(N) --seed $(SEED) -o $(OUT) -f -q
endif
$(OUT)/features.h5: $(OUT)/manifest.jsonl
	$(call in_run,extract-features) --image-encoder $(IMAGE) --text-encoder $(TEXT) $< -o $@ -f -q
$(OUT)/cca.h5: $(OUT)/features.h5
	$(call in_run,train) --model cca --dims $(DIMS) $< -o $@ -f -q
$(OUT)/test.npz: $(OUT)/cca.h5 $(OUT)/features.h5
	$(call in_run,extract-features) --model $< $(OUT)/features.h5 --split test $(if $(filter demo,$(PIPELINE)),--project 256$(,)512$(,)1024) -o $@ -f -q
$(OUT)/metrics.json: $(OUT)/test.npz
	$(call in_run,evaluate) $< $(if $(filter demo,$(PIPELINE)),--dim $(DIM)) --json -q > $@.tmp && mv $@.tmp $@
$(OUT)/retrieval.png: $(OUT)/test.npz $(OUT)/manifest.jsonl
	$(call in_run,search) $< $(if $(filter demo,$(PIPELINE)),--dim $(DIM)) --manifest $(OUT)/manifest.jsonl --random 6 --seed $(SEED) --sheet $@ -f -q > /dev/null
$(OUT)/summary.txt: $(OUT)/metrics.json $(OUT)/retrieval.png
	@$(BIN)/evaluate $(OUT)/test.npz $(if $(filter demo,$(PIPELINE)),--dim $(DIM)) --no-track -q > $@.table
	@{ echo; echo "What was done: pictures with captions were described by numbers ($(IMAGE) for pictures, $(TEXT) for text), canonical correlation analysis"; \
	   echo "learned a space that both share from the training part, and the test part, which it never saw, was searched both ways:"; \
	   echo "text -> image (t2i: which picture belongs to this caption?) and image -> text (i2t). 'chance' is what guessing would give."; echo; \
	   cat $@.table; echo; \
	   echo "Look at $(OUT)/retrieval.png: six captions, the five pictures ranked first, hit or miss."; \
	   echo "Numbers: $(OUT)/metrics.json    all steps of this run: $(BIN)/runs list --tree    one in full: $(BIN)/runs show $$(cut -c1-8 $(OUT)/run.id)"; \
	   echo $(NEXT_STEP); } > $@.new
	@rm -f $@.table; $(end_run); mv $@.new $@
, := ,
