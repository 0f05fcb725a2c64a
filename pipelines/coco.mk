# coco.mk - real COCO: fetched and verified, described, a shared space learned, the test part scored.
#   make coco                                  1,000 pictures of val2017 (about 160 MB; LIMIT=0: all 5,000, 800 MB)
#   make coco KARPATHY=dataset_coco.json SUBSET=val2017,train2017 LIMIT=0 PROTOCOL=coco-5k          the split that papers use (19 GB)
# Interrupt it anywhere and give the command again: pictures on disk are not fetched twice, every step writes its file whole or not at all.
# Another value of a variable: what depends on it is made again; another selection is another manifest, though the pictures in it are not fetched again.
# out: $(OUT)/{manifest.jsonl,features.h5,cca.h5,test.npz,metrics.json,summary.txt}, $(OUT)/failures.json says what is missing and why
# variables: SUBSET, LIMIT pictures, SEED, KARPATHY, BASE_URL and ANNOTATIONS_URL of a mirror (file:// too), CONNECTIONS, MAX_FAILED, IMAGE/TEXT encoders, DIMS of the space, PROTOCOL, OUT
SUBSET      ?= val2017
LIMIT       ?= 1000
SEED        ?= 42
CONNECTIONS ?= 16
MAX_FAILED  ?= 0
IMAGE       ?= classic
TEXT        ?= hash
PROTOCOL    ?= full
DIMS        ?= 512
KARPATHY    ?=
BASE_URL    ?=
ANNOTATIONS_URL ?=
PIPELINE    := coco
OUT         ?= data/coco
include pipelines/common.mk
$(call need,f,KARPATHY,KARPATHY names the file dataset_coco.json of Karpathy's split)

ifdef HELD
.PHONY: coco
coco: $(OUT)/summary.txt
	@cat $<

$(call stamp,manifest,$(OUT)/manifest.jsonl,SUBSET LIMIT SEED KARPATHY BASE_URL ANNOTATIONS_URL MAX_FAILED)
$(call stamp,features,$(OUT)/features.h5,IMAGE TEXT,manifest)
$(call stamp,cca,$(OUT)/cca.h5,DIMS,features)
$(call stamp,test,$(OUT)/test.npz,,cca)
$(call stamp,metrics,$(OUT)/metrics.json,PROTOCOL,test)
$(call stamp,summary,$(OUT)/summary.txt,,metrics)
$(call stamp,run.id,$(OUT)/run.id,,summary)

$(OUT)/manifest.jsonl: | $(OUT)/run.id
	$(call in_run,fetch-coco) --subset $(SUBSET) --limit $(LIMIT) --seed $(SEED) --connections $(CONNECTIONS) --max-failed $(MAX_FAILED) \
	  $(call option,--base-url,BASE_URL) $(call option,--annotations-url,ANNOTATIONS_URL) $(call option,--karpathy,KARPATHY) -o $(OUT) > /dev/null
$(OUT)/features.h5: $(OUT)/manifest.jsonl
	$(call in_run,extract-features) --image-encoder $(IMAGE) --text-encoder $(TEXT) $< -o $@ -f -q
$(OUT)/cca.h5: $(OUT)/features.h5
	$(call in_run,train) --model cca --dims $(DIMS) $< -o $@ -f -q
$(OUT)/test.npz: $(OUT)/cca.h5 $(OUT)/features.h5
	$(call in_run,extract-features) --model $< $(OUT)/features.h5 --split test -o $@ -f -q
$(OUT)/metrics.json: $(OUT)/test.npz
	$(call in_run,evaluate) $< --protocol $(PROTOCOL) --json -f -q > $@.tmp && mv $@.tmp $@
$(OUT)/summary.txt: $(OUT)/metrics.json
	@{ echo "COCO $(SUBSET), $(if $(filter 0,$(LIMIT)),all pictures,$(LIMIT) pictures drawn with seed $(SEED)), $(IMAGE) and $(TEXT) features, CCA; protocol $(PROTOCOL) on the test part:"; echo; \
	   $(call prog,evaluate) $(OUT)/test.npz --protocol $(PROTOCOL) --no-track -f -q; echo; \
	   echo "Numbers: $@ and $(OUT)/metrics.json    pictures: $(OUT)/failures.json says what came    all steps: $(BIN)/runs show $$(cut -c1-8 $(OUT)/run.id)"; } > $@.new
	@$(end_run); mv $@.new $@
endif
