# stamps.mk - a real experiment: photographs and drawings with captions, published towers, a shared space by closed forms and by InfoNCE, ten random splits.
#   make stamps DATA=FOLDER            FOLDER of NAME.png beside NAME.txt; default: the Tux Paint stamps in ../shared/data/stamps
#   make stamps METHODS='ridge1 ridge cca kridge kcca'    kernel models beside the linear ones
#   make precision                     the same towers in bf16 and int8: cosine to fp32, and what that changes in recall
# Every split is 80 % training and 20 % test. Hyper-parameters are chosen on a fifth of the training part, then the model is fitted to all of it; the test part is scored once.
# Equal captions are equal answers. Interrupt it anywhere and give the command again.
# Another value of a variable, other pictures or weights: what depends on them is made again.
# in: DATA, WEIGHTS   out: $(OUT)/{features.h5,METHOD-SEED.h5,table.csv,summary.txt,summary.png,retrieval.png}, precision: $(OUT)/precision.txt
# variables: DATA, SEEDS, METHODS (ridge1: lambda = 1; ridge, cca, heads, kridge, kcca (kernel models): chosen), IMAGE/TEXT encoders and IMAGE_WEIGHTS/TEXT_WEIGHTS (default: from WEIGHTS in SHARED), of a method: CANDIDATES_*, MODEL_*, TRY_*, FIT_*; OUT
SHARED        ?= ../shared
DATA          ?= $(call given,SHARED)/data/stamps
WEIGHTS       ?= $(call given,SHARED)/weights
IMAGE         ?= efficientnet-lite0
IMAGE_WEIGHTS ?= $(call given,WEIGHTS)/efficientnet_lite0/efficientnet-lite0-57934424.pth
TEXT          ?= bert
TEXT_WEIGHTS  ?= $(call given,WEIGHTS)/all-MiniLM-L6-v2
SEEDS         ?= 1 2 3 4 5 6 7 8 9 10
METHODS       ?= ridge1 ridge cca heads
PIPELINE      := stamps
OUT           ?= data/stamps
include pipelines/common.mk
PICTURES      := make stamps DATA=FOLDER (NAME.png or NAME.jpg, each with its captions in NAME.txt)
$(if $(call given,DATA),$(call need,d,DATA,$(PICTURES)),$(error which pictures? $(PICTURES)))
$(foreach v,IMAGE_WEIGHTS TEXT_WEIGHTS,$(call need,e,$v,$v names a file or folder of weights ($v= for an encoder that has none)))

# What is tried on the validation part: one word a candidate, several options joined by ';'. ridge1 has no choice.
CANDIDATES_ridge1 ?= --lambda=1
CANDIDATES_ridge  ?= --regularization=0.1,0.3,1,3,10,30
CANDIDATES_cca    ?= $(foreach p,0.5 1 2 4,--dims=256;--power=$p;--regularization=0.1,0.3,1,3,10,30)
CANDIDATES_heads  ?= --dropout=0 --dropout=0.3 --dropout=0.6 --dropout=0.3;--temperature=0.15
CANDIDATES_kridge ?= --regularization=0.001,0.01,0.1,1,10
CANDIDATES_kcca   ?= $(foreach p,0.5 1 2 4,--dims=256;--power=$p;--regularization=0.01,0.1,1,10)
MODEL_ridge1      := --model ridge --direction image-to-text
MODEL_ridge       := --model ridge --direction image-to-text
MODEL_cca         := --model cca
MODEL_kridge      := --model kernel-ridge --direction image-to-text --features 1024
MODEL_kcca        := --model kernel-cca --features 512
MODEL_heads       := --model heads --schedule constant
# only while choosing; the number of epochs is chosen too
TRY_heads         := --monitor val_mean_recall_at_10 --epochs 30 --patience 8
FIT_heads         := --monitor train_loss --patience 0
ifdef HELD
JOBS := $(foreach m,$(METHODS),$(foreach s,$(SEEDS),$m-$s))
seed   = $(lastword $(subst -, ,$(1)))
method = $(firstword $(subst -, ,$(1)))

.PHONY: stamps precision
stamps: $(OUT)/summary.txt $(OUT)/summary.png $(OUT)/retrieval.png
	@cat $<
precision: $(OUT)/precision.txt
	@cat $<

SHOWN := cca-$(firstword $(SEEDS))
PRECISIONS := bf16 int8
$(call stamp,manifest,$(OUT)/manifest.jsonl,DATA)
$(call stamp,features,$(OUT)/features.h5 $(PRECISIONS:%=$(OUT)/features-%.h5),IMAGE IMAGE_WEIGHTS TEXT TEXT_WEIGHTS,manifest)
$(foreach j,$(sort $(JOBS) $(SHOWN)),$(call stamp,$j.tried,$(OUT)/$j.tried,$(foreach v,CANDIDATES MODEL TRY,$v_$(call method,$j)),features))
$(foreach j,$(sort $(JOBS) $(SHOWN)),$(call stamp,$j,$(OUT)/$j.h5 $(OUT)/$j.csv,FIT_$(call method,$j),$j.tried))
$(call stamp,table,$(OUT)/table.csv,METHODS SEEDS,$(JOBS))
$(call stamp,summary,$(OUT)/summary.txt $(OUT)/summary.png,,table)
$(call stamp,retrieval,$(OUT)/retrieval.png,SEEDS,$(SHOWN))
$(call stamp,precision,$(OUT)/precision-cca.h5 $(foreach p,fp32 $(PRECISIONS),$(OUT)/precision-$p.json) $(OUT)/precision.txt,,features)
$(call stamp,run.id,$(OUT)/run.id,,summary retrieval precision)

$(OUT)/manifest.jsonl: | $(OUT)/run.id
	$(call in_run,fetch-coco) $(call option,--from sidecar,DATA) --split-sizes none -o $(OUT) -f -q > /dev/null
$(OUT)/features.h5: $(OUT)/manifest.jsonl
	$(call in_run,extract-features) --image-encoder $(IMAGE) $(call option,--image-weights,IMAGE_WEIGHTS) --text-encoder $(TEXT) $(call option,--text-weights,TEXT_WEIGHTS) $< -o $@ -f -q

# one line a candidate: recall@10 on the validation part, mean of both directions; regularization and epoch that gave it; the candidate
$(OUT)/%.tried: $(OUT)/features.h5
	@for c in $(foreach c,$(CANDIDATES_$(call method,$*)),'$c'); do \
	  $(call prog,train) $(MODEL_$(call method,$*)) $(TRY_$(call method,$*)) $${c//;/ } --split-sizes 0.64/0.16/0.2 --seed $(call seed,$*) $< -o $(OUT)/$*.try.h5 -f --json -q --no-track > $@.json || exit 1; \
	  awk -F'[:,]' -v c="$$c" '/"val_mean_recall_at_10"/ && v == "" { v = $$2 } /"value"/ { v = $$2 } /"epoch"/ { e = $$2 + 0 } /"regularization"/ && r == "" { r = $$2 + 0 } \
	    END { print v + 0, "regularization=" r, "epochs=" e, c }' $@.json; \
	done > $@.new; rm -f $@.json $(OUT)/$*.try.*; mv $@.new $@
# the best one, the first of equals, fitted to the whole training part
$(OUT)/%.h5: $(OUT)/%.tried
	@set -- $$(sort -s -k1,1gr $< | head -n 1); o=$${4//;/ }; \
	case $(call method,$*) in ridge|cca|kridge|kcca) o="$${o%--regularization*} --$$2" ;; heads) o="$$o --$$3 $(FIT_heads)" ;; esac; \
	echo $(call in_run,train) $(MODEL_$(call method,$*)) $$o --split-sizes 0.8/0/0.2 --seed $(call seed,$*); \
	$(call in_run,train) $(MODEL_$(call method,$*)) $$o --split-sizes 0.8/0/0.2 --seed $(call seed,$*) $(OUT)/features.h5 -o $@ -f -q --run-name $*
$(OUT)/%.csv: $(OUT)/%.h5
	@$(call in_run,evaluate) --model $< $(OUT)/features.h5 --split test --relevance captions:$(OUT)/features.h5 -o $(OUT)/$*.json --format csv -f -q > $@.tmp && mv $@.tmp $@

# METHOD,SEED and one figure a metric: text -> image, image -> text, then chance
$(OUT)/table.csv: $(JOBS:%=$(OUT)/%.csv)
	@{ echo method,seed,t2i_r1,t2i_r5,t2i_r10,i2t_r1,i2t_r5,i2t_r10,chance_r1,chance_r5,chance_r10; \
	   $(foreach j,$(JOBS),awk -F, -v j=$(call method,$j),$(call seed,$j) '/^recall@/ { t = t "," $$2; i = i "," $$6; c = c "," $$5 } END { print j t i c }' $(OUT)/$j.csv;) } > $@.tmp && mv $@.tmp $@

# Mean over splits +- half a 95 % interval. Training parts overlap, so the plain standard error is too small: t with the corrected variance s^2 (1/k + test/train) of Nadeau and Bengio
# (Machine Learning 52, 2003). Differences are taken split by split.
define STATISTICS
function t95(k) { return k < 2 ? 0 : k > 30 ? 1.96 : substr("12.706 4.3027 3.1824 2.7764 2.5706 2.4469 2.3646 2.3060 2.2622 2.2281 2.2010 2.1788 2.1604 2.1448 2.1314 2.1199 2.1098 2.1009 2.0930 2.0860 2.0796 2.0739 2.0687 2.0639 2.0595 2.0555 2.0518 2.0484 2.0452", 1 + 7 * (k - 2), 6) + 0 }
function half(k, s, q) { return k < 2 || q * k <= s * s ? 0 : t95(k) * sqrt((q - s * s / k) / (k - 1) * (1 / k + 0.25)) }
NR == 1 { next }
{ if (!($$1 in n)) order[++m] = $$1; n[$$1]++
  for (c = 3; c <= 11; c++) { x = 100 * $$c; v[$$1, $$2, c] = x; s[$$1, c] += x; q[$$1, c] += x * x; d = x - v[order[1], $$2, c]; ds[$$1, c] += d; dq[$$1, c] += d * d } }
endef
export STATISTICS
$(OUT)/summary.txt: $(OUT)/table.csv
	@{ awk -F, "$$STATISTICS"' END { \
	     printf "%d random splits, 80 %% training and 20 %% test; %s and %s; recall in %%, mean +- 95 %% interval\n\n", n[order[1]], "$(IMAGE)", "$(TEXT)"; \
	     printf "%-8s %-13s %-13s %-13s | %-13s %-13s %-13s\n", "", "t2i R@1", "R@5", "R@10", "i2t R@1", "R@5", "R@10"; \
	     for (i = 1; i <= m; i++) { printf "%-8s", order[i]; for (c = 3; c <= 8; c++) printf "%s %5.1f +- %4.1f", c == 6 ? " |" : "", s[order[i], c] / n[order[i]], half(n[order[i]], s[order[i], c], q[order[i], c]); print "" } \
	     printf "%-8s", "chance"; for (c = 3; c <= 8; c++) printf "%s %5.1f        ", c == 6 ? " |" : "", s[order[1], c < 6 ? c + 6 : c + 3] / n[order[1]]; print ""; \
	     printf "\nagainst %s, split by split\n", order[1]; \
	     for (i = 2; i <= m; i++) { printf "%-8s", order[i]; for (c = 3; c <= 8; c++) printf "%s %+5.1f +- %4.1f", c == 6 ? " |" : "", ds[order[i], c] / n[order[i]], half(n[order[i]], ds[order[i], c], dq[order[i], c]); print "" } }' $<; \
	   echo; echo "What was chosen: $(OUT)/*.tried    each split: $<    pictures: $(OUT)/summary.png, $(OUT)/retrieval.png    all steps: $(BIN)/runs show $$(cut -c1-8 $(OUT)/run.id)"; } > $@.new
	@$(end_run); mv $@.new $@
$(OUT)/summary.png: $(OUT)/table.csv
	@awk -F, "$$STATISTICS"' END { for (i = 1; i <= m; i++) { printf "%s", order[i]; for (c = 3; c <= 8; c++) printf " %.2f %.2f", s[order[i], c] / n[order[i]], half(n[order[i]], s[order[i], c], q[order[i], c]); \
	  printf " %.2f %.2f %.2f\n", s[order[1], 9] / n[order[1]], s[order[1], 10] / n[order[1]], s[order[1], 11] / n[order[1]] } }' $< > $(OUT)/summary.dat
	@gnuplot -d -e "set terminal pngcairo size 1000,430 noenhanced font 'DejaVu Sans,10'; set output '$@.new'; set multiplot layout 1,2; set style data histogram; set style histogram errorbars gap 2 lw 1; set style fill solid 0.7; \
	  set yrange [0:100]; set ylabel 'recall, %'; set grid y; set key top left; set title 'text to image'; d = '$(OUT)/summary.dat'; \
	  plot d u 2:3:xtic(1) t 'R@1' lc rgb '#4477aa', d u 4:5 t 'R@5' lc rgb '#66ccee', d u 6:7 t 'R@10' lc rgb '#228833', d u 0:16 w lines dt 2 lc rgb 'black' t 'chance of R@10'; \
	  set title 'image to text'; plot d u 8:9:xtic(1) t 'R@1' lc rgb '#4477aa', d u 10:11 t 'R@5' lc rgb '#66ccee', d u 12:13 t 'R@10' lc rgb '#228833', d u 0:16 w lines dt 2 lc rgb 'black' t 'chance of R@10'" && mv $@.new $@
$(OUT)/retrieval.png: $(OUT)/$(SHOWN).h5
	@$(call in_run,extract-features) --model $< $(OUT)/features.h5 --split test -o $(OUT)/shown.npz -f -q
	@$(call in_run,search) $(OUT)/shown.npz --manifest $(OUT)/manifest.jsonl --random 6 --seed 1 --sheet $@ -f -q > /dev/null

# --- precision of the towers ---------------------------------------------------------------------------------------------------------------------
# A space fitted on fp32 vectors of 40 % of the pictures, the other 60 % searched with the vectors of each precision; differences are paired, query by query, intervals over pictures.
$(OUT)/features-%.h5: $(OUT)/manifest.jsonl
	$(call in_run,extract-features) --image-encoder $(IMAGE) $(call option,--image-weights,IMAGE_WEIGHTS) --text-encoder $(TEXT) $(call option,--text-weights,TEXT_WEIGHTS) --precision $* $< -o $@ -f -q
$(OUT)/precision-cca.h5: $(OUT)/features.h5
	$(call in_run,train) --model cca --dims 256 --power 1 --regularization 3 --split-sizes 0.4/0/0.6 --seed 1 $< -o $@ -f -q
$(OUT)/precision-%.json: $(OUT)/features-%.h5 $(OUT)/precision-cca.h5 $(OUT)/features.h5
	$(call in_run,evaluate) --model $(OUT)/precision-cca.h5 $< --split test --relevance captions:$(OUT)/features.h5 -o $@ -f -q > /dev/null
$(OUT)/precision-fp32.json: $(OUT)/features.h5 $(OUT)/precision-cca.h5
	$(call in_run,evaluate) --model $(OUT)/precision-cca.h5 $< --split test --relevance captions:$(OUT)/features.h5 -o $@ -f -q > /dev/null
$(OUT)/precision.txt: $(OUT)/precision-fp32.json $(OUT)/precision-bf16.json $(OUT)/precision-int8.json
	@{ for p in bf16 int8; do echo "== $$p against fp32: $(IMAGE), $(TEXT)"; $(call prog,extract-features) --verify $(OUT)/features-$$p.h5 --against $(OUT)/features.h5 --no-track | sed -n '/^against/,$$p' | tail -n +2; \
	   $(call prog,evaluate) --compare $(OUT)/precision-fp32.json $(OUT)/precision-$$p.json --no-track -q || exit 1; echo; done; } > $@.new && mv $@.new $@
	@$(end_run) 2> /dev/null || true
endif
