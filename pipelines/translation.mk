# translation.mk - document 003: text vectors translated into the space of image vectors; networks against closed forms, each with several seeds.
#   make translation                        on N synthetic images (5 captions each; a few minutes)
#   make translation DATA=FOLDER            on the competition's files: FOLDER/train.npz and FOLDER/test.clean.npz
# Interrupt it anywhere and give the command again: training resumes from its checkpoint, everything else is made whole or not at all.
# Another value of a variable, other files: what depends on them is made again.
# in: DATA   out: $(OUT)/{MODEL-SEED.h5,.curves.png,.json}, $(OUT)/distances.txt and pictures, $(OUT)/table.csv, $(OUT)/submission.csv, $(OUT)/summary.txt
# variables: DATA, MODELS, SEEDS (each deals out its own 90/10 split by image), EPOCHS (default 6; with DATA: the models' own), N images (without DATA), BEST (makes the submission), TRAIN_FLAGS of the networks, OUT
MODELS      ?= residual-mlp mlp ridge procrustes
SEEDS       ?= 1 2
EPOCHS      ?= $(if $(call given,DATA),,6)
TRAIN_FLAGS ?=
N           ?= 2000
BEST        ?= residual-mlp-$(firstword $(SEEDS))
DATA        ?=
PIPELINE    := translation
OUT         ?= data/translation$(if $(call given,DATA),-$(call out_name,DATA))
include pipelines/common.mk
FILES       := DATA names the folder with the competition's train.npz and test.clean.npz
OWN         := $(if $(call given,DATA),yes)
$(if $(OWN),$(call need,d,DATA,$(FILES))$(foreach f,train.npz test.clean.npz,$(if $(call is,f,$(call given,DATA)/$f),,$(error '$(call given,DATA)/$f' is missing: $(FILES)))))

ifdef HELD
NETWORKS := residual-mlp mlp heads
JOBS     := $(foreach m,$(MODELS),$(foreach s,$(SEEDS),$m-$s))
seed      = $(lastword $(subst -, ,$(1)))
model     = $(patsubst %-$(call seed,$(1)),%,$(1))
network   = $(filter $(NETWORKS),$(call model,$(1)))
# files of one's own are no prerequisites: the stamp stands for them
PAIRS    := $(if $(OWN),$(call quote,$(call given,DATA)),$(OUT)/synthetic)
TRAIN    := $(if $(OWN),,$(OUT)/synthetic/train.npz)

.PHONY: translation
translation: $(OUT)/summary.txt
	@cat $<

$(call stamp,pairs,$(if $(OWN),,$(OUT)/synthetic/train.npz $(OUT)/synthetic/test.clean.npz),DATA $(if $(OWN),,N))
$(foreach j,$(sort $(JOBS) $(BEST)),$(call stamp,$j,$(OUT)/$j.train.json $(OUT)/$j.csv,$(if $(call network,$j),EPOCHS TRAIN_FLAGS),pairs,$(OUT)/$j.*))
$(call stamp,best,$(OUT)/distances.txt $(OUT)/submission.csv,BEST,$(BEST))
$(call stamp,table,$(OUT)/table.csv,MODELS SEEDS,$(JOBS))
$(call stamp,summary,$(OUT)/summary.txt,,table best)
$(call stamp,run.id,$(OUT)/run.id,,summary)

$(OUT)/synthetic/train.npz: | $(OUT)/run.id
	$(call in_run,fetch-coco) --synthetic $(N) --as-embeddings --seed 7 -o $(OUT)/synthetic -f -q
$(OUT)/synthetic/test.clean.npz: $(OUT)/synthetic/train.npz ;

# The report is the stamp: a model file alone may be the best so far of a run that was cut off.
$(OUT)/%.train.json: $(TRAIN) | $(OUT)/run.id
	@$(if $(OWN),:,$(call forget,$(OUT)/$*.ckpt.h5,$(TRAIN)))
	if [ -f $(OUT)/$*.ckpt.h5 ]; then $(call in_run,train) --resume $(OUT)/$*.ckpt.h5 --json -q > $@.tmp; \
	else $(call in_run,train) --model $(call model,$*) --seed $(call seed,$*) --split-sizes 0.9/0.1/0 $(if $(call network,$*),$(if $(EPOCHS),--epochs $(EPOCHS)) $(TRAIN_FLAGS)) \
	  $(PAIRS)/train.npz -o $(OUT)/$*.h5 -f --json -q > $@.tmp; fi && mv $@.tmp $@
$(OUT)/%.csv: $(OUT)/%.train.json
	$(call in_run,evaluate) --model $(OUT)/$*.h5 $(PAIRS)/train.npz --split val -o $(OUT)/$*.json --format csv -f -q > $@.tmp && mv $@.tmp $@
$(OUT)/distances.txt: $(OUT)/$(BEST).csv
	$(call in_run,evaluate) --model $(OUT)/$(BEST).h5 $(PAIRS)/train.npz --split val --distances --per-query none --bootstrap 0 -f -q > $@.tmp && mv $@.tmp $@
$(OUT)/submission.csv: $(OUT)/$(BEST).train.json $(if $(OWN),,$(OUT)/synthetic/test.clean.npz)
	$(call in_run,predict) --model $(OUT)/$(BEST).h5 $(PAIRS)/test.clean.npz -o $@ -f -q

# one row a model and seed: recall@1, recall@10, mrr of text -> image with 95 % intervals, chance, mean cosine
$(OUT)/table.csv: $(JOBS:%=$(OUT)/%.csv)
	@{ echo model,seed,t2i_r1,low,high,t2i_r10,low,high,t2i_mrr,low,high,chance_r10,i2t_r10,low,high,mean_cosine; \
	   $(foreach j,$(JOBS),awk -F, -v m=$(call model,$j) -v s=$(call seed,$j) -v c="$$(sed -n 's/^  "mean_cosine": \([-0-9.e]*\).*/\1/p' $(OUT)/$j.json)" \
	     '{ v[$$1] = $$2 "," $$3 "," $$4 } $$1 == "recall@10" { chance = $$5; back = $$6 "," $$7 "," $$8 } END { print m "," s "," v["recall@1"] "," v["recall@10"] "," v["mrr"] "," chance "," back "," c }' $(OUT)/$j.csv;) } > $@.tmp && mv $@.tmp $@
$(OUT)/summary.txt: $(OUT)/table.csv $(OUT)/distances.txt $(OUT)/submission.csv
	@{ echo "Captions translated into the image space, evaluated on held-out images (10 %, by image), text -> image; [95 % interval over images]$(if $(OWN),, - SYNTHETIC DATA)"; echo; \
	   awk -F, 'NR == 1 { printf "%-14s %4s  %-24s %-24s %-24s %s\n", "model", "seed", "recall@1", "recall@10", "mrr", "mean cosine"; next } \
	     { printf "%-14s %4s  %.4f [%.4f, %.4f]  %.4f [%.4f, %.4f]  %.4f [%.4f, %.4f]  %.4f\n", $$1, $$2, $$3, $$4, $$5, $$6, $$7, $$8, $$9, $$10, $$11, $$16; chance = $$12; \
	       if (!($$1 in n)) order[++k] = $$1; n[$$1]++; a[$$1] += $$3; b[$$1] += $$6; c[$$1] += $$9; d[$$1] += $$16; aa[$$1] += $$3 * $$3; bb[$$1] += $$6 * $$6 } \
	     function sd(sum, square, n) { return n > 1 && square * n > sum * sum ? sqrt((square - sum * sum / n) / (n - 1)) : 0 } \
	     END { printf "\n%-14s %5s  %-17s %-17s %-8s %s   (mean +- standard deviation over seeds; chance of recall@10: %.4f)\n", "model", "seeds", "recall@1", "recall@10", "mrr", "mean cosine", chance; \
	       for (i = 1; i <= k; i++) { m = order[i]; printf "%-14s %5d  %.4f +- %.4f  %.4f +- %.4f  %.4f   %.4f\n", m, n[m], a[m] / n[m], sd(a[m], aa[m], n[m]), b[m] / n[m], sd(b[m], bb[m], n[m]), c[m] / n[m], d[m] / n[m] } }' $<; \
	   echo; sed -n '/^mean cosine/,$$p' $(OUT)/distances.txt; echo; \
	   echo "Learning curves: $(foreach m,$(filter $(NETWORKS),$(MODELS)),$(OUT)/$m-*.curves.png)    distances: $(OUT)/$(BEST).distances.png, .samples.png ($(BEST))    submission: $(OUT)/submission.csv"; \
	   echo "Table: $<    paired test: $(BIN)/evaluate --compare $(OUT)/A.per_query.npz $(OUT)/B.per_query.npz    all steps: $(BIN)/runs show $$(cut -c1-8 $(OUT)/run.id)"; } > $@.new
	@$(end_run); mv $@.new $@
endif
