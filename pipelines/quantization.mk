# quantization.mk - document 002: what embedding size, storage precision and candidate-pool size cost in recall, speed and memory.
#   make quantization                                          on embedded scenes (features, CCA, three sizes)
#   make quantization DATA=coco_data/coco_embeddings.npz       on vectors of your own (text_D, video_D, ground_truth)
# Another value of a variable, another file: what depends on them is made again. Interrupted, it resumes: no cell of the grid is computed twice.
# in: DATA (optional)   out: $(OUT)/result/{experiment_results.json,experiment_summary.json,detailed_results.csv,*.png,experiment_report.html}
# variables: DATA, N scenes (without DATA), SEED, DIMS, PRECISIONS, POOLS, SEEDS of the pools, OUT
N          ?= 5000
SEED       ?= 42
DIMS       ?= 256 512 1024
PRECISIONS ?= fp32 bf16 fp16 int8 int4 binary
POOLS      ?= 100 200 300 400 500
SEEDS      ?= $(SEED)
DATA       ?=
PIPELINE   := quantization
OUT        ?= data/quantization
include pipelines/common.mk
OWN        := $(if $(call given,DATA),yes)
VECTORS    := $(if $(OWN),,$(OUT)/test.npz)
$(call need,e,DATA,DATA names an NPZ or HDF5 file of vectors (text_D$(,) video_D$(,) ground_truth); without DATA embedded scenes are taken)

ifdef HELD
.PHONY: quantization
quantization: $(OUT)/result/experiment_summary.json
	@echo; echo "Look at $(OUT)/result/experiment_analysis.png and $(OUT)/result/experiment_report.html; every cell is in $(OUT)/result/detailed_results.csv"

ifndef OWN
$(call stamp,manifest,$(OUT)/manifest.jsonl,N)
$(call stamp,features,$(OUT)/features.h5,,manifest)
$(call stamp,cca,$(OUT)/cca.h5,,features)
$(call stamp,test,$(OUT)/test.npz,,cca)
endif
# the journal holds cells of these vectors: more or other cells of them continue it
$(call stamp,journal,$(OUT)/result/experiment_results.json,DATA SEED SEEDS,$(if $(OWN),,test),$(OUT)/result/experiment_results.journal)
$(call stamp,results,$(OUT)/result/experiment_results.json,DIMS PRECISIONS POOLS,journal)
$(call stamp,summary,$(OUT)/result/experiment_summary.json,,results,$(addprefix $(OUT)/result/,detailed_results.csv summary_by_candidate.csv experiment_table.* experiment_report.html *.png))
$(call stamp,run.id,$(OUT)/run.id,,summary)

$(OUT)/manifest.jsonl: | $(OUT)/run.id
	$(call in_run,fetch-coco) --synthetic $(N) --seed 7 -o $(OUT) -f -q > /dev/null
$(OUT)/features.h5: $(OUT)/manifest.jsonl
	$(call in_run,extract-features) --image-encoder classic --text-encoder hash $< -o $@ -f -q
$(OUT)/cca.h5: $(OUT)/features.h5
	$(call in_run,train) --model cca $< -o $@ -f -q
$(OUT)/test.npz: $(OUT)/cca.h5 $(OUT)/features.h5
	$(call in_run,extract-features) --model $< $(OUT)/features.h5 --split test --project 256$(,)512$(,)1024 -o $@ -f -q
# the grid keeps a journal: killed at any cell, the same command resumes
$(OUT)/result/experiment_results.json: $(VECTORS) | $(OUT)/run.id
	@$(if $(OWN),:,$(call forget,$(@D)/experiment_results.journal,$<))
	$(call in_run,run-experiments) --data_path $(if $(OWN),$(call quote,$(call given,DATA)),$<) --output_dir $(@D) --embedding_dims $(DIMS) --precisions $(PRECISIONS) --candidate_sizes $(POOLS) --full --recall_k 10 \
		--seeds $(SEEDS) --seed $(SEED) --resume -q
$(OUT)/result/experiment_summary.json: $(OUT)/result/experiment_results.json
	$(call in_run,analyze) --results_dir $(@D) --output_path $@ -f -q > /dev/null
	@$(end_run) 2> /dev/null || true
endif
