# coco-quantization.mk - document 002 from JPEG to plot: COCO fetched, CLIP's vectors of pictures and captions, 256/512/1024 numbers, the grid of precisions and pools, tables, plots, page.
#   make coco-quantization                                      1,000 pictures of val2017 (160 MB; LIMIT=0: all 5,000) and CLIP ViT-B/32 (600 MB), both fetched and checked
#   make coco-quantization DATA=FOLDER|manifest.jsonl|scenes    pictures of your own (NAME.png beside NAME.txt), a manifest, or drawn scenes
#   make coco-quantization WEIGHTS=FOLDER ENCODERS="clip-vit-b16"   other weights; "IMAGE TEXT" with IMAGE_WEIGHTS and TEXT_WEIGHTS: towers that share no space get one by CCA,
#                                                               and only the part that it was not fitted to is judged
# Interrupt it anywhere and give the command again: pictures, parts of the features and cells of the grid are not made twice.
# in: DATA, WEIGHTS   out: $(OUT)/{manifest.jsonl,features.h5,embeddings.npz}, $(OUT)/result/{experiment_results.json,experiment_summary.json,detailed_results.csv,*.png,experiment_report.html}
# variables: SUBSET, LIMIT pictures, N scenes, SEED, BASE_URL and ANNOTATIONS_URL of a mirror, DIMS, PRECISIONS (the document: fp16 int8 int4), POOLS, SEEDS of the pools
SUBSET        ?= val2017
LIMIT         ?= 1000
N             ?= 1000
SEED          ?= 42
ENCODERS      ?= clip-vit-b32
DATA          ?=
WEIGHTS       ?=
DIMS          ?= 256 512 1024
PRECISIONS    ?= fp32 bf16 fp16 int8 int4 binary
POOLS         ?= 100 200 300 400 500
SEEDS         ?= $(SEED)
PART_ROWS     ?= 500
PIPELINE      := coco-quantization
OUT           ?= data/coco-quantization$(if $(DATA),-$(basename $(notdir $(DATA:/=))))
include pipelines/common.mk

IMAGE         := $(firstword $(ENCODERS))
TEXT          := $(lastword $(ENCODERS))
SHARED_SPACE  := $(filter $(IMAGE),$(filter clip-%,$(TEXT)))
FREE          := classic hash
, := ,
space := $() $()

.PHONY: coco-quantization FORCE
coco-quantization: $(OUT)/result/experiment_summary.json
	@$(end_run) 2>/dev/null || true
	@echo; echo "Look at $(OUT)/result/experiment_analysis.png and $(OUT)/result/experiment_report.html; every cell is in $(OUT)/result/detailed_results.csv"

# other pictures or weights under the same OUT are another experiment
$(OUT)/selection.txt: FORCE | $(OUT)/run.id
	@echo '$(or $(DATA),$(SUBSET) limit=$(LIMIT)) n=$(N) seed=$(SEED) $(KARPATHY)' | cmp -s - $@ || echo '$(or $(DATA),$(SUBSET) limit=$(LIMIT)) n=$(N) seed=$(SEED) $(KARPATHY)' > $@
$(OUT)/encoders.txt: FORCE | $(OUT)/run.id
	@echo '$(ENCODERS) $(WEIGHTS) $(IMAGE_WEIGHTS) $(TEXT_WEIGHTS)' | cmp -s - $@ || echo '$(ENCODERS) $(WEIGHTS) $(IMAGE_WEIGHTS) $(TEXT_WEIGHTS)' > $@

$(OUT)/manifest.jsonl: $(OUT)/selection.txt
ifeq ($(DATA),)
	$(call in_run,fetch-coco) --subset $(SUBSET) --limit $(LIMIT) --seed $(SEED) $(if $(BASE_URL),--base-url '$(BASE_URL)') $(if $(ANNOTATIONS_URL),--annotations-url '$(ANNOTATIONS_URL)') \
	  $(if $(KARPATHY),--karpathy '$(KARPATHY)') -o $(OUT) > /dev/null
else ifeq ($(DATA),scenes)
	$(call in_run,fetch-coco) --synthetic $(N) --seed 7 -o $(OUT) -f -q > /dev/null
else ifneq ($(filter %.jsonl,$(DATA)),)
	@test -f '$(DATA)' || { echo "make: there is no '$(DATA)': DATA names a manifest.jsonl, a folder of captioned pictures, or 'scenes'" >&2; exit 1; }
	@cp '$(DATA)' $@
else
	@test -d '$(DATA)' || { echo "make: '$(DATA)' is no folder: DATA names a manifest.jsonl, a folder of captioned pictures, or 'scenes'" >&2; exit 1; }
	$(call in_run,fetch-coco) --from sidecar '$(DATA)' --seed $(SEED) -o $(OUT) -f -q > /dev/null
endif

# weights: those named; else fetched into the cache, each tower's own; classic and hash need none
named    = $(or $($(1)_WEIGHTS),$(WEIGHTS))
weights  = $(if $(filter $(FREE),$($(1))),,$(2) "$(or $(call named,$(1)),$$($(BIN)/fetch-model $($(1)) --no-track -q))")
fetched  = $(if $(or $(filter $(FREE),$($(1))),$(call named,$(1))),,$(BIN)/fetch-model $($(1)) --no-track -q > /dev/null || { echo "make: no weights for $($(1)): give WEIGHTS=FILE or FOLDER (IMAGE_WEIGHTS, TEXT_WEIGHTS for one side), or ENCODERS='classic hash', which need none" >&2; exit 1; };)
$(OUT)/features.h5: $(OUT)/manifest.jsonl $(OUT)/encoders.txt
	@$(call fetched,IMAGE) $(call fetched,TEXT) :
	$(call in_run,extract-features) --image-encoder $(IMAGE) $(call weights,IMAGE,--image-weights) --text-encoder $(TEXT) $(call weights,TEXT,--text-weights) \
	  $(if $(filter %.jsonl,$(DATA)),--root '$(dir $(DATA))') --part-rows $(PART_ROWS) $< -o $@ -f
$(OUT)/cca.h5: $(OUT)/features.h5
	$(call in_run,train) --model cca $< -o $@ -f -q
$(OUT)/embeddings.npz: $(OUT)/features.h5 $(if $(SHARED_SPACE),,$(OUT)/cca.h5)
	$(call in_run,extract-features) $(if $(SHARED_SPACE),,--model $(OUT)/cca.h5 --split test) $< --project $(subst $(space),$(,),$(strip $(DIMS))) --seed $(SEED) -o $@ -f -q
	@rm -f $(OUT)/result/experiment_results.journal
# the grid keeps a journal: killed at any cell, the same command goes on (new vectors begin anew)
$(OUT)/result/experiment_results.json: $(OUT)/embeddings.npz | $(OUT)/run.id
	$(call in_run,run-experiments) --data_path $< --output_dir $(@D) --embedding_dims $(DIMS) --precisions $(PRECISIONS) --candidate_sizes $(POOLS) --full --recall_k 10 \
	  --seeds $(SEEDS) --seed $(SEED) --resume -q
$(OUT)/result/experiment_summary.json: $(OUT)/result/experiment_results.json
	$(call in_run,analyze) --results_dir $(@D) --output_path $@ -q > /dev/null
