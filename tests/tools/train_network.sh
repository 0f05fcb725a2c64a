#!/usr/bin/env bash
# train --model NETWORK: what comes out, going on after a crash or an interrupt, what is refused; evaluate and predict with the result.
. "$(dirname "$0")/../lib.sh"
"$BIN/fetch-coco" --synthetic 60 --as-embeddings --seed 7 -q -o d > prepare.log 2>&1 || { tail -n 5 prepare.log; echo "not ok - the pairs to train on"; exit 1; }
NET=(--model residual-mlp --hidden 48 --batch-size 32 --lr 1e-3 d/train.npz -q)
net() { "$BIN/train" "${NET[@]}" "$@"; }
report() { net --epochs 2 --json -o m.h5 > r.json && jq -e '.epochs == 2 and .steps == 18 and .best.metric == "val_loss" and .best.epoch >= 1 and .final.val_loss > 0 and .final.train_loss > 0
	and .samples_per_second > 0 and .gflops > 0 and .peak_rss_mb > 0 and (.run_id | length) == 32 and .model == "residual-mlp" and .synthetic' r.json; }
tracked() { d=$(echo runs/*/"$(jq -r .run_id r.json)") && [ "$(wc -l < "$d/metrics/val_loss")" = 2 ] && [ "$(wc -l < "$d/metrics/train_loss_step")" = 2 ] && [ "$(cat "$d/params/lr")" = 0.001 ] &&
	[ "$(cat "$d/params/loss")" = infonce ] && [ -f "$d/artifacts/m.curves.png" ] && ls "$d"/artifacts/m.ckpt.h5*; }
threads() { for j in 1 2; do net --epochs 2 -j $j --json -o t$j.h5 > /dev/null || return 1; done; cmp t1.h5 t2.h5 && cmp m.h5 t1.h5; }
# kill -9 while it trains, go on from the checkpoint alone, compare with a run that nobody disturbed
# (the program itself runs in the background: with a function, $! is a shell, and the program would live on)
crash() { rm -f k$1.h5 k$1.ckpt*; "$BIN/train" "${NET[@]}" --epochs 25 --patience 0 --json -j "$1" -o k$1.h5 > k.log 2>&1 & pid=$!
	await $pid [ -f k$1.ckpt.1.h5 ]
	kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null; [ -f k$1.ckpt.h5 ] && "$BIN/train" --resume k$1.ckpt.h5 -j "$1" -q --json > k$1.json && cmp whole.h5 k$1.h5 &&
	jq -e --slurpfile w whole.json '.final == $w[0].final and .best == $w[0].best and .epochs == $w[0].epochs and .steps == $w[0].steps' k$1.json; }
one_run() { n=$(jq -r .run_id k1.json) && [ "$(ls -d runs/*/"$n" | wc -l)" = 1 ] && grep -q 'status: 3' runs/*/"$n"/meta.yaml && [ "$(sort -un -k3 runs/*/"$n"/metrics/val_loss | wc -l)" = 25 ]; }
interrupt() { set -m; "$BIN/train" --model mlp --epochs 1000 d/train.npz -o i.h5 > i.log 2>&1 & pid=$!; set +m       # -m: else a job in the background never sees SIGINT
	await $pid [ -f i.ckpt.h5 ]; kill -INT $pid; wait $pid; [ $? = 130 ] && grep -q 'train --resume i.ckpt.h5' i.log && [ -f i.ckpt.h5 ]; }
moved() { mkdir -p other && cp d/train.npz other/ && "$BIN/train" --resume m.ckpt.h5 other/train.npz -q; }
heads() { "$BIN/train" --model heads --epochs 3 --embed-dim 16 --learn-temperature --grad-cache 16 --clip 1 --ema 0.9 d/train.npz -q --json -o h.h5 > h.json && jq -e '.dim == 16 and .final.temperature > 0.009 and
	.final.temperature != 0.07' h.json && "$BIN/predict" --model h.h5 --side image d/train.npz -q -o images.npz; }
bf16() { net --epochs 1 --precision bf16 --json -o b.h5 > b.json && net --epochs 1 --json -o f.h5 > f.json && ! cmp -s b.h5 f.h5 &&
	jq -e --slurpfile f f.json '(.final.val_loss / $f[0].final.val_loss - 1 | fabs) < 0.02' b.json; }
positives() { for p in diagonal mask all; do net --epochs 1 --positives $p --symmetric --json -o p.h5 -f > p-$p.json || return 1; done; [ "$(jq -s 'map(.final.train_loss) | unique | length' p-*.json)" = 3 ]; }
gradients() { "$BIN/train" --check-grad > g.txt && [ "$(grep -c ' ok$' g.txt)" -ge 16 ] && ! grep -q WRONG g.txt; }
leaky() { "$BIN/train" --model mlp --hidden 16 --epochs 1 --split-by caption d/train.npz -o l.h5 2> l.log && grep -q leaky l.log && "$BIN/evaluate" --model l.h5 d/train.npz --split val 2>&1 | grep leaky; }
reported() { "$BIN/evaluate" --model m.h5 d/train.npz --split val --json -q > e.json && jq -e --slurpfile r r.json '.mean_cosine as $c | ($r[0].best.epoch == 2) and (($c - $r[0].final.val_cosine) | fabs) < 1e-6 and
	((.t2i["recall@10"].value? // .t2i["recall@10"]) as $v | ($v - $r[0].final.val_t2i_recall_at_10 | fabs) < 1e-9)' e.json; }
distances() { "$BIN/evaluate" --model m.h5 d/train.npz --split val --distances -q | grep -q '^cosine .*%' && [ -s m.distances.png ] && [ -s m.samples.png ]; }
submission() { "$BIN/predict" --model m.h5 d/test.clean.npz -q -o s.csv && python3 - <<'P'
import csv, json, sys
csv.field_size_limit(1 << 20); rows = list(csv.reader(open('s.csv')))
v = [json.loads(r[1]) for r in rows[1:]]
sys.exit(not (rows[0] == ['id', 'embedding'] and len(v) == 1500 and all(len(x) == 1536 for x in v) and all(abs(sum(a * a for a in x) - 1) < 1e-5 for x in v)))
P
}
standard_output() { "$BIN/predict" --model m.h5 d/test.clean.npz -q --no-track -o - | cmp - s.csv; }
closed() { "$BIN/train" --model ridge --split-sizes 0.9/0.1/0 d/train.npz -q -o ridge.h5 && "$BIN/evaluate" --model ridge.h5 d/train.npz --split val --json -q | jq -e '.mean_cosine > 0.05' && "$BIN/predict" --model ridge.h5 d/test.clean.npz -q -o v.h5; }
diverged() { rm -f nan.*; "$BIN/train" --model mlp --loss mse --hidden 8 --epochs 1 --batch-size 500 --lr 1e30 d/train.npz --json -o nan.h5 "$@" > nan.json 2> nan.log; [ $? = 1 ] && ! grep -q -e '->' nan.log &&
	[ ! -e nan.h5 ] && [ ! -e nan.ckpt.h5 ] && jq -e '.best == null and .diverged and .output == null and .epochs == 0 and (.final | keys) == ["train_loss"]' nan.json; }
older() { cp m.h5 nan.h5; "$BIN/train" --model mlp --loss mse --epochs 1 --batch-size 500 --lr 1e30 d/train.npz -o nan.h5 -f 2> nan.log; [ $? = 1 ] && grep -q "'nan.h5' is of an earlier training" nan.log && cmp m.h5 nan.h5; }
no_float() { "$BIN/train" --model cca --power -4000 --regularization 1 --split-sizes 0.9/0.1/0 d/train.npz -q -o over.h5 2> over.log; [ $? = 1 ] && grep -q 'does not fit into float32' over.log && [ ! -e over.h5 ]; }
wrong_number() { net "$1" -o x.h5 2> w.log; [ $? = 2 ] && grep -qE -- "'${1%%=*}'.* (is|needs|not between|do not sum|are not of the form)" w.log; }
runs_dir() { net --epochs 1 --runs-dir elsewhere -o rd.h5 && (mkdir -p far && cd far && ITR_RUNS_DIR=other "$BIN/train" --resume ../rd.ckpt.h5 ../d/train.npz -q) && [ ! -e far/other ] && [ "$(ls -d elsewhere/0/*/meta.yaml | wc -l)" = 1 ] &&
	mv elsewhere elsewhere.2 && ITR_RUNS_DIR=other "$BIN/train" --resume rd.ckpt.h5 2> rd.log && grep -q 'is not tracked any further.*--runs-dir DIR' rd.log && "$BIN/train" --resume rd.ckpt.h5 -q --runs-dir elsewhere.2; }
alone() { "$BIN/train" --model residual-mlp --hidden 8 --epochs 1 --batch-size 1 --val-batch 1 small.npz -o one.h5 2> one.log; grep -q 'one pair a batch learns nothing' one.log && grep -q 'val loss of one pair a batch is 0' one.log; }
same_vectors() { "$BIN/train" --model mlp --hidden 8 --epochs 1 same.npz -o same.h5 2> same.log; grep -q 'the text vectors of .same.npz. are all (nearly) the same' same.log && ! grep -q 'the image vectors' same.log; }
runaway() { "$BIN/train" --model heads --embed-dim 16 --epochs 3 --patience 0 --temperature 0.005 --learn-temperature d/train.npz -o away.h5 2> away.log; grep -q 'the learned temperature has reached its limit, 0.01' away.log && [ "$(grep -c 'learned temperature' away.log)" = 1 ]; }
quiet() { "$BIN/train" --model heads --embed-dim 16 --epochs 1 --learn-temperature d/train.npz -o calm.h5 2> calm.log && ! grep warning calm.log; }
python3 - <<'P'
import random, struct, zipfile
def npy(rows, dim, f):
    h = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (rows, dim); h += " " * (-(len(h) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(h)) + h.encode() + b"".join(struct.pack("<f", f(i, k)) for i in range(rows) for k in range(dim))
r = random.Random(1)
for name, spread in (("small", 1), ("same", 1e-5)):
    with zipfile.ZipFile(name + ".npz", "w") as z:
        z.writestr("captions/embeddings.npy", npy(100, 6, lambda i, k: 1 + k + spread * r.gauss(0, 1))); z.writestr("images/embeddings.npy", npy(20, 8, lambda i, k: r.gauss(0, 1)))
P

t "two epochs: the report holds what it must" report
t "the run holds metrics, parameters, curve and checkpoint" tracked
t "same bytes for 1 and 2 threads, and again" threads
t "a run that nobody disturbs" eval 'net --epochs 25 --patience 0 --json -o whole.h5 > whole.json'
t "kill -9 and --resume, 1 thread: the same bytes" crash 1
t "kill -9 and --resume, 2 threads: the same bytes" crash 2
t "all of it is one run" one_run
t "Ctrl-C saves, says how to go on, exits 130" interrupt
t "--resume takes data that moved, told by their hash" moved
expect_err "'--lr 0.5' conflicts" "--resume refuses another learning rate" "$BIN/train" --resume m.ckpt.h5 --lr 0.5
expect_err "'--seed 1' conflicts" "--resume refuses another seed" "$BIN/train" --resume m.ckpt.h5 --seed 1
expect_err "'--output x.h5' conflicts" "--resume refuses another output" "$BIN/train" --resume m.ckpt.h5 -o x.h5
"$BIN/fetch-coco" --synthetic 60 --as-embeddings --seed 8 -q -o d8 > /dev/null 2>&1; "$BIN/fetch-coco" --synthetic 70 --as-embeddings --seed 7 -q -o d70 > /dev/null 2>&1
expect_err "SHA-256 differs" "--resume refuses other data" "$BIN/train" --resume m.ckpt.h5 d8/train.npz
cp m.ckpt.h5 c.ckpt.h5; cp m.ckpt.1.h5 c.ckpt.1.h5; head -c 100000 m.ckpt.h5 > c.ckpt.h5
expect_err "--resume c.ckpt.1.h5" "a truncated checkpoint is refused, the one before offered" "$BIN/train" --resume c.ckpt.h5
mkdir lone && cp m.ckpt.h5 lone/x.ckpt.h5
expect_err "'lone/x.ckpt.h5' is of an earlier run: --resume lone/x.ckpt.h5" "a fresh run does not replace another's checkpoint" net --epochs 1 -o lone/x.h5
t "--force does" net --epochs 1 -o lone/x.h5 -f
# after 2 of 3 epochs, by the program before version 2: train OPTIONS small.npz -o v1.h5, and then v1.ckpt.1.h5
first_version() { options='--model heads --embed-dim 4 --epochs 3 --batch-size 16 --lr 1e-2 --ema 0.9 --dropout 0.1 --learn-temperature --patience 0 --positives mask --min-lr 1e-3'
	cp "$ROOT/tests/data/checkpoint_v1.h5" v1.ckpt.h5 && "$BIN/train" --resume v1.ckpt.h5 --no-provenance -q --json > v1.json && "$BIN/train" $options small.npz --no-provenance -q --json -o v2.h5 > v2.json &&
	cmp v1.h5 v2.h5 && [ "$(jq -c '.final, .best, .steps' v1.json)" = "$(jq -c '.final, .best, .steps' v2.json)" ]; }
t "a checkpoint of version 1 is resumed, to the same bytes" first_version
expect_err "m.h5" "a model is no checkpoint" "$BIN/train" --resume m.h5
t "heads: temperature, chunks, clipping, average" heads
t "bf16 trains to about the same loss" bf16
t "three readings of positives are three losses" positives
t "--check-grad: every op" gradients
t "--split-by caption says that it is leaky, evaluate too" leaky
t "evaluate finds what training has reported" reported
t "--distances: table and pictures" distances
t "submission.csv is what the competition wants" submission
t "the same on standard output" standard_output
t "closed forms are evaluated and predict the same way" closed
t "--resume finds the run where --runs-dir had it; a store that is gone does not stop it" runs_dir
expect_err "no run can be tracked" "a store that is named and is not there does" "$BIN/train" --resume rd.ckpt.h5 --runs-dir nowhere
t "one pair a batch: a warning" alone
t "a side of equal vectors: a warning" same_vectors
t "a temperature that runs away: one warning, with its value" runaway
t "none of these without reason" quiet
python3 - <<'P'
import random, struct, zipfile
def npy(rows, dim, f):
    h = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (rows, dim); h += " " * (-(len(h) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(h)) + h.encode() + b"".join(struct.pack("<f", f(i, k)) for i in range(rows) for k in range(dim))
r = random.Random(2); images = [[r.gauss(0, 1) for k in range(5)] for i in range(20)]
for name, m, n in (("teacher", 100, 20), ("part", 75, 15)):
    with zipfile.ZipFile(name + ".npz", "w") as z:
        z.writestr("captions/embeddings.npy", npy(m, 5, lambda i, k: images[i // 5][k] + 0.3 * r.gauss(0, 1))); z.writestr("images/embeddings.npy", npy(n, 5, lambda i, k: images[i][k]))
P
student() { "$BIN/train" --model heads --embed-dim 8 --batch-size 16 --lr 1e-2 --patience 0 --method distill --teacher teacher.npz small.npz -q --no-provenance "$@"; }
distilled() { student --epochs 20 --distill-weight 10 -o ds.h5 --json > ds.json && f=$(echo runs/*/"$(jq -r .run_id ds.json)")/metrics/train_loss_distill && [ "$(wc -l < "$f")" = 20 ] &&
	awk '{ v[NR] = $2 } END { exit !(v[20] > 0 && v[20] < 0.7 * v[1]) }' "$f" && jq -e '.final | (.train_loss_contrast + .train_loss_distill - .train_loss | fabs) < 1e-9' ds.json; }
t "--method distill: similarities come near the teacher's, each term is measured" distilled
t "the same bytes for 1 and 2 threads, and after --resume" eval 'student --epochs 3 -j 1 -o d1.h5 && student --epochs 3 -j 2 -o d2.h5 && cmp d1.h5 d2.h5 && cp d1.ckpt.1.h5 d3.ckpt.h5 && mv d1.h5 d1.whole.h5 &&
	"$BIN/train" --resume d3.ckpt.h5 -q --no-provenance && cmp d1.h5 d1.whole.h5'
t "GradCache's chunks see the whole batch" eval 'student --epochs 2 -o d4.h5 --json > d4.json && student --epochs 2 --grad-cache 5 -o d5.h5 --json > d5.json && jq -e --slurpfile a d4.json "(.final.train_loss_distill / \$a[0].final.train_loss_distill - 1 | fabs) < 1e-5" d5.json'
t "pairs that the teacher does not know are counted" eval '"$BIN/train" --model heads --embed-dim 8 --epochs 1 --method distill --teacher part.npz small.npz -o d6.h5 2> d6.log && grep -qE "does not know [0-9]+ of 60 training pairs" d6.log'
t "--sampler no-duplicates: the same bytes for 1 and 2 threads, others than without" eval 'for j in 1 2; do net --epochs 1 --sampler no-duplicates -j $j --no-provenance -o sa$j.h5 || exit 1; done; cmp sa1.h5 sa2.h5 && net --epochs 1 --no-provenance -o sa.h5 && ! cmp -s sa.h5 sa1.h5'
rival() { "$BIN/train" --model heads --embed-dim 8 --batch-size 16 --epochs 4 --patience 0 --clip 1 --method adversary --adversary-lr 1e-2 small.npz -q --no-provenance "$@"; }
t "--method adversary: a second network with own steps; the same bytes for 1 and 2 threads and after --resume" eval 'rival -j 1 -o av1.h5 --json > av.json && rival -j 2 -o av2.h5 && cmp av1.h5 av2.h5 && cp av1.ckpt.1.h5 av3.ckpt.h5 &&
	mv av1.h5 av.whole.h5 && "$BIN/train" --resume av3.ckpt.h5 -q --no-provenance && cmp av1.h5 av.whole.h5 && jq -e ".final.train_own_loss_adversary > 0 and .final.train_loss_adversary > 0" av.json'
t "a term can be monitored" eval 'student --epochs 2 --monitor train_loss_distill -o d7.h5 --json | jq -e ".best.metric == \"train_loss_distill\" and .best.epoch == 2"'
expect_err "needs a teacher" "no teacher" "$BIN/train" --model heads --epochs 1 --method distill small.npz -o d8.h5
expect_err "is no teacher: its texts have 6 dimensions, its images 8" "a teacher has one space" student --teacher small.npz --epochs 1 -o d8.h5
t "--resume refuses another teacher" eval '"$BIN/train" --model heads --epochs 2 --method distill --teacher teacher.npz small.npz -q -o d9.h5 && cp part.npz teacher.npz && ! "$BIN/train" --resume d9.ckpt.1.h5 2> d9.log && grep -q "the file of the objective .distill. is not that" d9.log'
expect_err "did you mean 'val_cosine'" "an unknown monitor names the nearest" net --monitor val_cosin --epochs 1 -o x.h5
expect_err "did you mean 'adam" "an unknown optimiser names the nearest" net --optimizer adamv --epochs 1 -o x.h5
expect_err "embeddings" "wrong keys list those that are there" "$BIN/train" --model mlp images.npz -o x.h5
expect_err "loss is (-?nan|inf).*no good state to resume from.*No model is written" "a loss that is no number stops" net --lr 1e38 --epochs 9 -o nan.h5
t "without a checkpoint of weights that are of no use" test ! -e nan.ckpt.h5 -a ! -e nan.h5
t "weights that overflow in the last step: exit 1, best is null, no epoch is counted" diverged
t "the same whatever is monitored" eval 'for m in val_t2i_recall_at_10 val_i2t_mrr val_mean_recall_at_10 val_cosine train_loss; do diverged --monitor $m || exit 1; done'
t "an older model at that path stays as it was, and the message says so" older
t "closed forms: what does not fit into float32 is refused" no_float
expect_err "is not the one that the model was fitted with" "evaluate refuses other data" "$BIN/evaluate" --model m.h5 d70/train.npz --split val
expect_err "holds no images" "predict says when a side is missing" "$BIN/predict" --model m.h5 --side image d/test.clean.npz -o y.csv
expect_err "ending has to be" "predict refuses an unknown ending before it works" "$BIN/predict" --model no.h5 d/test.clean.npz -o y.bad
for o in --patience=-1 --epochs=0 --epochs=-3 --batch-size=0 --accumulate=-1 --grad-cache=-1 --val-batch=0 --log-every=0 --lr=0 --lr=inf --lr=nan --lr=-1 --min-lr=-1 --min-lr=1 --min-lr=nan --weight-decay=-1 \
	--weight-decay=nan --warmup=-1 --clip=-1 --clip=inf --ema=1 --ema=1.5 --ema=nan --temperature=0 --temperature=nan --temperature=-1 --dropout=1 --dropout=-0.1 --dropout=nan --hidden=-1 --embed-dim=-1 \
	--checkpoint-minutes=-1 --checkpoint-minutes=inf --split-sizes=nan/0.5/0.5 --split-sizes=-0.1/1/0.1 --split-sizes=0.9/0.9/0.9 --split-sizes=0.5/0.1/0.1; do
	t "train $o is wrong use, and the message says what it may be" wrong_number "$o"
done
expect_exit 2 "an option of closed forms exits 2" net --dims 4 -o x.h5
belongs() { net --epochs 1 -o x.h5 "${@:2}" 2> b.log; [ $? = 2 ] && grep -qF -- "$1" b.log; }
t "an option of a loss that is not in use is refused by name" belongs "'--positives' belongs to --loss infonce" --loss cosine --positives mask
t "so is one of another kind of model" belongs "'--dims' belongs to --model cca or --model kernel-cca" --dims 4
t "of a network as well" belongs "'--activation' belongs to --model mlp" --activation relu
t "heads take --hidden, and say that it has no effect" eval '"$BIN/train" --model heads --hidden 5 --embed-dim 4 --epochs 1 small.npz -f -o hh.h5 2> hh.log && grep -q "warning: .--hidden. has no effect with --model heads" hh.log'
t "so are those of optimisers and schedules" belongs "'--momentum' belongs to --optimizer sgd" --momentum 0.9
t "with all that have it" belongs "'--min-lr' belongs to --schedule cosine or --schedule linear" --schedule constant --min-lr 1e-6
t "--help has a group a component" eval '"$BIN/train" --help | grep -A1 "^Optimizer adam, adamw:" | grep -q -- --beta1 && "$BIN/train" --help=mdoc | grep -qx "Loss infonce:"'
momentum() { net --epochs 1 --optimizer sgd --momentum "$1" --json -q -o mo.h5 -f > mo$1.json && jq -e ".final.train_loss" mo$1.json; }
t "--momentum counts" eval 'momentum 0 && momentum 0.9 && ! [ "$(jq .final.train_loss mo0.json)" = "$(jq .final.train_loss mo0.9.json)" ]'
t "a run logs the options of its components alone" eval 'd=$(echo runs/*/"$(jq -r .run_id mo0.9.json)") && [ "$(cat "$d/params/momentum")" = 0.9 ] && [ -f "$d/params/min_lr" ] && [ ! -e "$d/params/beta1" ]'
t "--resume brings them back" eval 'cp mo.h5 mo.1.h5 && rm mo.h5 && "$BIN/train" --resume mo.ckpt.h5 -q && cmp mo.h5 mo.1.h5'
expect_err "'--beta1' conflicts with 'mo.ckpt.h5', which was made without it" "--resume refuses one of a component that was not in use" "$BIN/train" --resume mo.ckpt.h5 --beta1 0.5
expect_exit 2 "no output exits 2" "$BIN/train" --model mlp d/train.npz
expect_err "exists" "an existing model is not overwritten" net --epochs 1 -o m.h5
t "nothing was left behind by the refused ones" test ! -e x.h5
