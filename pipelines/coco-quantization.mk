# coco-quantization.mk - document 002 from JPEG to plot: COCO fetched, CLIP's vectors of pictures and captions, 256/512/1024 numbers, the grid of precisions and pools, tables, plots, page.
#   make coco-quantization                                      1,000 pictures of val2017 (160 MB; LIMIT=0: all 5,000) and CLIP ViT-B/32 (600 MB), both fetched and checked
#   make coco-quantization DATA=FOLDER|manifest.jsonl|scenes    pictures of your own (NAME.png beside NAME.txt), a manifest, or drawn scenes
#   make coco-quantization WEIGHTS=FOLDER ENCODERS="clip-vit-b16"   other weights; "IMAGE TEXT" with IMAGE_WEIGHTS and TEXT_WEIGHTS: towers that share no space get one by CCA,
#                                                               and only the part that it was not fitted to is evaluated
# Interrupt it anywhere and give the command again: pictures, parts of the features and cells of the grid are not made twice.
# Another value of a variable, other pictures or weights: what depends on them is made again.
# in: DATA, WEIGHTS   out: $(OUT)/{manifest.jsonl,features.h5,embeddings.npz}, $(OUT)/result/{experiment_results.json,experiment_summary.json,detailed_results.csv,*.png,experiment_report.html}
# variables: DATA, SUBSET, LIMIT pictures, N scenes (DATA=scenes), SEED, KARPATHY, BASE_URL and ANNOTATIONS_URL of a mirror, ENCODERS, WEIGHTS, IMAGE_WEIGHTS, TEXT_WEIGHTS, DIMS, PRECISIONS (the document: fp16 int8 int4), POOLS, SEEDS of the pools, PART_ROWS captions in a part of the features, OUT
SUBSET        ?= val2017
LIMIT         ?= 1000
N             ?= 1000
SEED          ?= 42
ENCODERS      ?= clip-vit-b32
DATA          ?=
WEIGHTS       ?=
IMAGE_WEIGHTS ?=
TEXT_WEIGHTS  ?=
KARPATHY      ?=
BASE_URL      ?=
ANNOTATIONS_URL ?=
DIMS          ?= 256 512 1024
PRECISIONS    ?= fp32 bf16 fp16 int8 int4 binary
POOLS         ?= 100 200 300 400 500
SEEDS         ?= $(SEED)
PART_ROWS     ?= 500
PIPELINE      := coco-quantization
OUT           ?= data/coco-quantization$(if $(call given,DATA),-$(basename $(call out_name,DATA)))
include pipelines/common.mk

IMAGE         := $(firstword $(ENCODERS))
TEXT          := $(lastword $(ENCODERS))
SHARED_SPACE  := $(filter $(IMAGE),$(filter clip-%,$(TEXT)))
FREE          := classic hash
DIMS_LIST     := $(subst $() $(),$(,),$(strip $(DIMS)))

# where the pictures come from: fetched, scenes, manifest, folder
WHICH         := DATA names a manifest.jsonl, a folder of captioned pictures, or 'scenes'
SOURCE        := $(if $(call given,DATA),$(or $(filter scenes,$(call given,DATA)),$(if $(filter %.jsonl,$(lastword $(call given,DATA))),manifest,folder)),fetched)
$(if $(filter manifest,$(SOURCE)),$(call need,f,DATA,$(WHICH)))
$(if $(filter folder,$(SOURCE)),$(call need,d,DATA,$(WHICH)))
$(foreach v,WEIGHTS IMAGE_WEIGHTS TEXT_WEIGHTS,$(call need,e,$v,$v names a file or folder of weights; without it they are fetched))
$(call need,f,KARPATHY,KARPATHY names the file dataset_coco.json of Karpathy's split)

ifdef HELD
.PHONY: coco-quantization
coco-quantization: $(OUT)/result/experiment_summary.json
	@echo; echo "Look at $(OUT)/result/experiment_analysis.png and $(OUT)/result/experiment_report.html; every cell is in $(OUT)/result/detailed_results.csv"

SELECTION.fetched  := SUBSET LIMIT SEED KARPATHY BASE_URL ANNOTATIONS_URL
SELECTION.scenes   := N
SELECTION.manifest :=
SELECTION.folder   := SEED
$(call stamp,manifest,$(OUT)/manifest.jsonl,DATA $(SELECTION.$(SOURCE)))
$(call stamp,features,$(OUT)/features.h5,ENCODERS WEIGHTS IMAGE_WEIGHTS TEXT_WEIGHTS,manifest)
$(call stamp,cca,$(OUT)/cca.h5,,features)
$(call stamp,embeddings,$(OUT)/embeddings.npz,DIMS SEED,features $(if $(SHARED_SPACE),,cca))
# the journal holds cells of these vectors: more or other cells of them continue it
$(call stamp,journal,$(OUT)/result/experiment_results.json,SEEDS,embeddings,$(OUT)/result/experiment_results.journal)
$(call stamp,results,$(OUT)/result/experiment_results.json,PRECISIONS POOLS,journal)
$(call stamp,summary,$(OUT)/result/experiment_summary.json,,results,$(addprefix $(OUT)/result/,detailed_results.csv summary_by_candidate.csv experiment_table.* experiment_report.html *.png))
$(call stamp,run.id,$(OUT)/run.id,,summary)

FETCH.fetched  = --subset $(SUBSET) --limit $(LIMIT) --seed $(SEED) $(call option,--base-url,BASE_URL) $(call option,--annotations-url,ANNOTATIONS_URL) $(call option,--karpathy,KARPATHY)
FETCH.scenes   = --synthetic $(N) --seed 7 -f -q
FETCH.folder   = $(call option,--from sidecar,DATA) --seed $(SEED) -f -q
$(OUT)/manifest.jsonl: | $(OUT)/run.id
	$(if $(filter manifest,$(SOURCE)),@cp $(call quote,$(call given,DATA)) $@.new && mv $@.new $@,$(call in_run,fetch-coco) $(FETCH.$(SOURCE)) -o $(OUT) > /dev/null)

# weights: those named; else fetched into the cache, each tower's own; classic and hash need none
named    = $(or $(call given,$(1)_WEIGHTS),$(call given,WEIGHTS))
weights  = $(if $(filter $(FREE),$($(1))),,$(2) $(if $(call named,$(1)),$(call quote,$(call named,$(1))),"$$($(call prog,fetch-model) $($(1)) --no-track -q)"))
fetched  = $(if $(or $(filter $(FREE),$($(1))),$(call named,$(1))),,$(call prog,fetch-model) $($(1)) --no-track -q > /dev/null || { echo "make: no weights for $($(1)): give WEIGHTS=FILE or FOLDER (IMAGE_WEIGHTS, TEXT_WEIGHTS for one side), or ENCODERS='classic hash', which need none" >&2; exit 1; };)
ROOT     := $(if $(filter manifest,$(SOURCE)),--root $(call quote,$(shell dirname -- $(call quote,$(call given,DATA)))))
$(OUT)/features.h5: $(OUT)/manifest.jsonl
	@$(call fetched,IMAGE) $(call fetched,TEXT) :
	$(call in_run,extract-features) --image-encoder $(IMAGE) $(call weights,IMAGE,--image-weights) --text-encoder $(TEXT) $(call weights,TEXT,--text-weights) \
	  $(ROOT) --part-rows $(PART_ROWS) $< -o $@ -f
$(OUT)/cca.h5: $(OUT)/features.h5
	$(call in_run,train) --model cca $< -o $@ -f -q
$(OUT)/embeddings.npz: $(OUT)/features.h5 $(if $(SHARED_SPACE),,$(OUT)/cca.h5)
	$(call in_run,extract-features) $(if $(SHARED_SPACE),,--model $(OUT)/cca.h5 --split test) $< --project $(DIMS_LIST) --seed $(SEED) -o $@ -f -q
# the grid keeps a journal: killed at any cell, the same command resumes
$(OUT)/result/experiment_results.json: $(OUT)/embeddings.npz | $(OUT)/run.id
	@$(call forget,$(@D)/experiment_results.journal,$<)
	$(call in_run,run-experiments) --data_path $< --output_dir $(@D) --embedding_dims $(DIMS) --precisions $(PRECISIONS) --candidate_sizes $(POOLS) --full --recall_k 10 \
	  --seeds $(SEEDS) --seed $(SEED) --resume -q
$(OUT)/result/experiment_summary.json: $(OUT)/result/experiment_results.json
	$(call in_run,analyze) --results_dir $(@D) --output_path $@ -f -q > /dev/null
	@$(end_run) 2> /dev/null || true
endif
