# demo.mk - the main job: pictures with captions -> features -> a shared space -> metrics that can be trusted, and a picture to look at.
#   make demo                      on N embedded scenes (nothing is downloaded)
#   make real DATA=FOLDER          on any folder of captioned JPEG/PNG pictures (NAME.png beside NAME.txt)
# Another value of a variable, other pictures in FOLDER: what depends on them is made again.
# in: DATA (real only)   out: $(OUT)/{manifest.jsonl,features.h5,cca.h5,test.npz,metrics.json,retrieval.png,summary.txt}
# variables: DATA, N scenes (demo only), SEED, IMAGE/TEXT encoders, DIMS of the space, DIM of the three sizes that demo makes is evaluated, OUT
N        ?= 2000
SEED     ?= 7
IMAGE    ?= classic
TEXT     ?= hash
DATA     ?=
PIPELINE := $(if $(filter real,$(MAKECMDGOALS)),real,demo)
OUT      ?= data/$(PIPELINE)
DIM      ?= 512
# a small collection cannot fill 512 directions: CCA then stops at what the training part allows
DIMS     ?= $(if $(filter real,$(PIPELINE)),128,512)
include pipelines/common.mk
REAL     := $(filter real,$(PIPELINE))
PICTURES := say which pictures: make real DATA=FOLDER (a folder of NAME.png or NAME.jpg, each with its captions in NAME.txt)
$(if $(REAL),$(if $(call given,DATA),$(call need,d,DATA,$(PICTURES)),$(error $(PICTURES))))

ifdef HELD
.PHONY: demo real
demo real: $(OUT)/summary.txt
	@cat $<

$(call stamp,manifest,$(OUT)/manifest.jsonl,PIPELINE SEED $(if $(REAL),DATA,N))
$(call stamp,features,$(OUT)/features.h5,IMAGE TEXT,manifest)
$(call stamp,cca,$(OUT)/cca.h5,DIMS,features)
$(call stamp,test,$(OUT)/test.npz,,cca)
$(call stamp,metrics,$(OUT)/metrics.json,$(if $(REAL),,DIM),test)
$(call stamp,retrieval,$(OUT)/retrieval.png,$(if $(REAL),,DIM),test)
$(call stamp,summary,$(OUT)/summary.txt,,metrics retrieval)
$(call stamp,run.id,$(OUT)/run.id,,summary)

$(OUT)/manifest.jsonl: | $(OUT)/run.id
	$(call in_run,fetch-coco) $(if $(REAL),--from sidecar $(call quote,$(call given,DATA)),--synthetic $(N)) --seed $(SEED) -o $(OUT) -f -q $(if $(REAL),--max-failed 1000000)
$(OUT)/features.h5: $(OUT)/manifest.jsonl
	$(call in_run,extract-features) --image-encoder $(IMAGE) --text-encoder $(TEXT) $< -o $@ -f -q
$(OUT)/cca.h5: $(OUT)/features.h5
	$(call in_run,train) --model cca --dims $(DIMS) $< -o $@ -f -q
$(OUT)/test.npz: $(OUT)/cca.h5 $(OUT)/features.h5
	$(call in_run,extract-features) --model $< $(OUT)/features.h5 --split test $(if $(REAL),,--project 256$(,)512$(,)1024) -o $@ -f -q
$(OUT)/metrics.json: $(OUT)/test.npz
	$(call in_run,evaluate) $< $(if $(REAL),,--dim $(DIM)) --json -f -q > $@.tmp && mv $@.tmp $@
$(OUT)/retrieval.png: $(OUT)/test.npz $(OUT)/manifest.jsonl
	$(call in_run,search) $< $(if $(REAL),,--dim $(DIM)) --manifest $(OUT)/manifest.jsonl --random 6 --seed $(SEED) --sheet $@ -f -q > /dev/null
$(OUT)/summary.txt: $(OUT)/metrics.json $(OUT)/retrieval.png
	@$(call prog,evaluate) $(OUT)/test.npz $(if $(REAL),,--dim $(DIM)) --no-track -f -q > $@.table
	@{ echo; echo "What was done: pictures with captions were described by numbers ($(IMAGE) for pictures, $(TEXT) for text), canonical correlation analysis"; \
	   echo "learned a space that both share from the training part, and the test part, which it never saw, was searched both ways:"; \
	   echo "text -> image (t2i: which picture belongs to this caption?) and image -> text (i2t). 'chance' is what guessing would give."; echo; \
	   cat $@.table; echo; \
	   echo "Look at $(OUT)/retrieval.png: six captions, the five pictures ranked first, hit or miss."; \
	   echo "Numbers: $(OUT)/metrics.json    all steps of this run: $(BIN)/runs list --tree    one in full: $(BIN)/runs show $$(cut -c1-8 $(OUT)/run.id)"; \
	   echo $(if $(REAL),,"Next: the same on pictures of your own: make real DATA=FOLDER - NAME.png with its captions in NAME.txt"); } > $@.new
	@rm -f $@.table; $(end_run); mv $@.new $@
endif
