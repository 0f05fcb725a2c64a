#!/usr/bin/env bash
# evaluate: figures equal NumPy's, every way in, ties, protocols, relevance, TREC files, comparison, conditions, and what is refused.
. "$(dirname "$0")/../lib.sh"
G=$ROOT/tests/golden; E=$BIN/evaluate
cp "$G/evaluate.npz" e.npz
# npz NAME KEY=SHAPE:EXPRESSION...: float32 arrays from Python expressions of row i and column k (python3's standard library only); int64 for KEY ending in "ground_truth", text for ids
cat > npz.py <<'PY'
import struct, sys, zipfile
def npy(descr, shape, raw):
    h = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, repr(tuple(shape)))
    h += " " * (-(len(h) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(h)) + h.encode() + raw
def array(key, spec):
    shape, expr = spec.split(":", 1)
    shape = [int(x) for x in shape.split("x")]
    cells = [eval(expr, {"i": i, "k": k}) for i in range(shape[0]) for k in range(shape[1] if len(shape) > 1 else 1)]
    if key.endswith("_ids"):
        w = max(len(c) for c in cells)
        return npy("<U%d" % w, shape, b"".join(c.ljust(w, "\0").encode("utf-32-le") for c in cells))
    f = "q" if key.endswith("ground_truth") else "f"
    return npy("<i8" if f == "q" else "<f4", shape, struct.pack("<%d%s" % (len(cells), f), *cells))
out, items = sys.argv[1], [a.split("=", 1) for a in sys.argv[2:]]
if out.endswith(".npy"):
    open(out, "wb").write(array(*items[0]))
else:
    with zipfile.ZipFile(out, "w") as z:
        for k, v in items:
            z.writestr(k + ".npy", array(k, v))
PY
npz() { python3 npz.py "$@"; }
json() { "$E" "$@" --json -q > r.json; }
close='def close($a; $b): ($a - $b | fabs) <= 1e-12 * ([1, ($b | fabs)] | max);'      # the same doubles, summed in another order

more=map@3,precision@3,recall_all@3,map@60,precision@60,recall_all@60
golden() {        # the keys NAME/R are those of --map-denominator R
	json e.npz --dim 6 --recall-k 1 3 10 --metrics default,$more && cp r.json gold.json && json e.npz --dim 6 --metrics map@3,map@60 --map-denominator R --per-query none &&
	jq -n --slurpfile r gold.json --slurpfile by_r r.json --slurpfile g "$G/evaluate.json" "$close"'
	[("t2i", "i2t") as $d | $g[0][$d] | to_entries[] | if .key == "ci95" then .value | to_entries[] else {key, value: [.value]} end |
	(if .key | endswith("/R") then $by_r[0][$d] else $r[0][$d] end) as $ours | (.key | rtrimstr("/R")) as $k |
	if .value | length == 2 then close($ours.ci95[$k][0]; .value[0]), close($ours.ci95[$k][1]; .value[1]) else close($ours[$k]; .value[0]) end] | length == 104 and all' | grep -qx true
}
keys() {
	json e.npz && jq -e '(.t2i, .i2t) | (has("recall@1") and has("recall@5") and has("recall@10") and has("mrr") and has("ndcg@10") and has("map_at_r") and has("r_precision") and has("median_rank")
	and has("mean_rank") and has("n_queries") and has("n_gallery") and has("tie_fraction") and (.chance | has("recall@10")) and (.ci95["recall@10"] | length == 2))' r.json &&
	jq -e 'has("rsum") and .ties == "expected" and (.warnings | length > 0) and .synthetic == false and .schema == 1 and .provenance.tool == "evaluate" and (.per_query | test("per_query.npz$"))' r.json
}
rsum() { jq -e '(([.t2i, .i2t | .["recall@1"], .["recall@5"], .["recall@10"]] | add * 100) - .rsum | fabs) < 1e-9' r.json; }
t "--no-provenance leaves it out of the JSON" eval '"$E" e.npz --json -q --no-provenance --per-query none > np.json && jq -e "has(\"provenance\") | not" np.json && "$E" e.npz -o np.json -f -q --no-provenance && "$E" --compare np.json np.json --json -q --no-provenance | jq -e "has(\"provenance\") | not"'
threads() { for j in 1 2; do "$E" e.npz --json -q -j $j -o out.json -f > stdout.$j && mv out.json out.$j && mv out.per_query.npz pq.$j || return 1; done; cmp out.1 out.2 && cmp pq.1 pq.2 && cmp stdout.1 stdout.2; }
constant() {
	npz c.npz text_4=503x4:0.5 video_4=203x4:0.5 "ground_truth=503:i%203"
	for p in full pool:50; do for j in 1 2; do
		json c.npz --protocol $p -j $j --per-query none && jq -e '(.t2i, .i2t) | .tie_fraction == 1 and ([.chance | keys[]] | length == 9) and (. as $s | [.chance | keys[] | $s[.] == $s.chance[.]] | all)' r.json || return 1
		jq -e '.warnings | map(test("degenerate")) | any' r.json || return 1
	done; done
}
tie_rules() {     # three equal texts and a better one that is wrong: ranks 2, 3, 4
	npz t.npz "text_2=1x2:1-k" "video_2=4x2:[[1,0],[.6,.8],[.6,.8],[.6,.8]][i][k]" ground_truth=1:2
	for rule in expected:3 pessimistic:4 optimistic:2 stable:3; do json t.npz --ties ${rule%:*} --per-query none && jq -e ".t2i.mean_rank == ${rule#*:}" r.json || return 1; done
	json t.npz --per-query none && jq -e '(.t2i.mrr - (1/2 + 1/3 + 1/4) / 3 | fabs) < 1e-15' r.json
}
pools() { json e.npz --protocol pool:12 --seed 5 --per-query none && cp r.json p.json && json e.npz --protocol pool:12 --seed 5 -j 1 --per-query none && cmp r.json p.json && jq -e '.t2i.chance["recall@1"] * 12 - 1 | fabs < 1e-14' r.json &&
	json e.npz --protocol pool:12 --seed 6 --per-query none && ! cmp -s r.json p.json; }
own() { npz t.npy "text=12x3:(i*5+k*k)%7-3" && npz i.npy "image=4x3:(i*3+k)%5-2" && npz gt.npy "ground_truth=12:i//3" && printf 'text,image\n' > gt.csv && for i in 0 1 2 3 4 5 6 7 8 9 10 11; do echo "$i,$((i / 3))"; done >> gt.csv
	json --text-vectors t.npy --image-vectors i.npy --captions-per-image 3 && jq 'del(.provenance, .relevance, .per_query)' r.json > a && json --text t.npy --image i.npy --ground-truth gt.npy && jq 'del(.provenance, .relevance, .per_query)' r.json > b &&
	json --text t.npy --image i.npy --ground-truth gt.csv && jq 'del(.provenance, .relevance, .per_query)' r.json > c && cmp a b && cmp a c && jq -e '.warnings | map(test("unit length")) | any' r.json &&
	json --text t.npy --image i.npy --captions-per-image 3 --no-normalize && ! jq 'del(.provenance, .relevance, .per_query)' r.json | cmp -s - a; }
folder() { mkdir -p clip/text_emb clip/img_emb && for p in 0 1; do npz clip/text_emb/text_emb_$p.npy "x=5x4:((i+5*$p)*7+k*3)%11" && npz clip/img_emb/img_emb_$p.npy "x=5x4:((i+5*$p)*7+k*3)%11"; done && json clip && jq -e '.t2i.n_queries == 10 and .t2i["recall@1"] == 1' r.json && [ -f clip/dim4.per_query.npz ]; }
trec() { json e.npz --run-out run.txt --run-depth 0 --qrels-out qrels.txt && cp r.json a.json && json --run run.txt --relevance qrels.txt &&
	jq -s -e '[.[] | [.t2i, .i2t | del(.ci95, .n_gallery, .chance, .left_out)]] | .[0][0]["recall@5"] == .[1][0]["recall@5"] and .[0][0].mrr == .[1][0].mrr and (.[0][1].map_at_r - .[1][1].map_at_r | fabs) < 1e-12 and .[0][1].mean_rank == .[1][1].mean_rank' a.json r.json; }
truncated() { json e.npz --run-out run5.txt --run-depth 5 && json --run run5.txt --relevance qrels.txt && jq -s -e '.[0].t2i["recall@5"] == .[1].t2i["recall@5"] and .[1].t2i.mean_rank == null and (.[1].warnings | map(test("truncated")) | any)' a.json r.json; }
relevance_json() { printf '{"t2i": {"t0": ["v1", "v2", "elsewhere"], "nobody": ["v1"]}}' > j.json && json e.npz --relevance j.json --per-query none && jq -e '.t2i.n_queries == 2 and .t2i.missing == 1 and .i2t.n_queries == 2 and (.warnings | map(test("1 positives are not in the gallery")) | any)
	and (.warnings | map(test("1 queries of the relevance are missing")) | any)' r.json; }
plain_qrels() { printf 't0 0 v1 1\nt0 0 v2 0\nt3 0 v3 2\n' > q.txt && json e.npz --relevance q.txt --per-query none && jq -e '.t2i.n_queries == 2 and .i2t.n_queries == 2' r.json; }
against_itself() { json e.npz -o a1.json -f && "$E" --compare a1.json a1.per_query.npz --json -q > c.json && jq -e '(.t2i, .i2t) | [to_entries[] | select(.value | type == "object") | .value] | length == 9 and all(.difference == 0 and .p == 1 and .p_holm == 1)' c.json; }
better() {
	npz b1.npz "text_8=300x8:((i*31+k*17)%23)/23-.5+(0 if (i*7+k)%5 else .5)" "video_8=100x8:((i*3*31+k*17)%23)/23-.5" "ground_truth=300:i//3" && npz b2.npz "text_8=300x8:((i//3*3*31+k*17)%23)/23-.5+(0 if (i*7+k)%5 else .1)" "video_8=100x8:((i*3*31+k*17)%23)/23-.5" "ground_truth=300:i//3" &&
	json b1.npz && json b2.npz && "$E" --compare b1.dim8.per_query.npz b2.dim8.per_query.npz --json -q > c.json && jq -e '.t2i.mrr | .difference > 0 and .ci95[0] > 0 and .p_holm < 0.05 and .p_holm >= .p' c.json && "$E" --compare b1.dim8.per_query.npz b2.dim8.per_query.npz | grep -q "p (Holm)"
}
baseline() { json b2.npz --baseline b1.dim8.per_query.npz && jq -s -e '.[0].baseline.t2i.mrr == .[1].t2i.mrr' r.json c.json && "$E" b2.npz -q --baseline b1.dim8.per_query.npz | grep -q "p (Holm)"; }
formats() { for f in text csv tsv md latex; do "$E" e.npz --format $f -q --per-query none > out.$f || return 1; done; head -n 1 out.csv | grep -qx 'metric,t2i,t2i_low,t2i_high,t2i_chance,i2t,i2t_low,i2t_high,i2t_chance' && grep -q '&' out.latex && grep -q '^|' out.md && grep -q chance out.text; }
tracked() { "$E" e.npz -q --per-query none --runs-dir tr > /dev/null && cat tr/*/*/metrics/t2i_recall_at_10 tr/*/*/metrics/i2t_recall_at_10 tr/*/*/metrics/mean_recall_at_10 | grep -c . | grep -qx 3; }
flat() { [ "$(ls tr/*/*/params | grep -cx dim)" = 1 ]; }

# metrics by name: these and no others, in every output; options of metrics, in the result and in the per-query file
named() { json e.npz --metrics mrr,map@3 --per-query nm.npz && jq -e '(.t2i | has("mrr") and has("map@3") and (has("recall@1") | not) and (.ci95["map@3"] | length == 2) and (.chance | has("map@3"))) and .rsum == null
	and .metric_options == {"map_denominator": "min(R,K)"}' r.json && "$E" e.npz --metrics mrr,map@3 -q --per-query none | grep -q '^map@3 ' && json e.npz --per-query none && jq -e 'has("metric_options") | not' r.json; }
by_r() { json e.npz --metrics mrr,map@3 --map-denominator R --per-query nr.npz && "$E" --compare nm.npz nr.npz --json -q > c.json &&
	jq -e '.t2i["map@3"].difference == 0 and .i2t["map@3"].difference < 0 and (.warnings | map(test("evaluated differently: .*min.R,K.* against .*R")) | any)' c.json &&
	"$E" --compare nr.npz nr.npz --json -q | jq -e '.warnings | map(test("differently")) | any | not'; }
own_metrics() { mkdir -p nmm && cp e.npz nmm/ && for o in '--metrics mrr' '--metrics map@3' '--metrics map@3 --map-denominator R' "--metrics default,$more"; do "$E" nmm/e.npz -q --bootstrap 0 --no-track $o > /dev/null || return 1; done
	[ "$(ls nmm/*.per_query.npz | wc -l)" = 4 ] && [ -f nmm/e.dim6.map@3.per_query.npz ]; }
gated() { "$E" e.npz -q --per-query none --metrics map@3 --fail-if 't2i.map@3>2' > /dev/null 2> gate.err; [ $? = 2 ] && "$E" e.npz -q --per-query none --metrics map@3 --fail-if 't2i.map@3<0.1' > /dev/null; }
in_help() { "$E" --help > h.txt; for m in recall@K recall_all@K precision@K mrr ndcg@K map_at_r map map@K r_precision median_rank mean_rank; do grep -qF "$m:" h.txt || { echo "no $m"; return 1; }; done; grep -qF -- '--map-denominator min(R,K)|R' h.txt; }
# --- exclusions: images among themselves (the query leaves), reference images of composed queries ---
npz x.npy "image=12x3:((i*5+k*k)%7-3)" && { echo text,image; for i in $(seq 0 11); do for j in $(seq 0 11); do [ $((i % 4)) = $((j % 4)) ] && echo "$i,$j"; done; done; } > label.csv
printf '{"nobody": ["v1"]}' > j2.json; printf 'x0 Q0 a 1 1 t\n' > one.run; printf '{"t2i": {"t0": ["v0", "v2"], "t1": ["v3"], "stranger": ["v1"]}}' > ref.json; printf 't2i:t0 0 v0 1\nt2i:t0 0 v2 1\nt2i:t1 0 v3 1\n' > ref.qrels
among_themselves() { json --text x.npy --image x.npy --ground-truth label.csv --exclude self --no-normalize --metrics mrr,recall@2,recall_all@2,map@5 --per-query xq.npz && python3 - <<'PY'
import itertools, json
x = [[((i * 5 + k * k) % 7 - 3) for k in range(3)] for i in range(12)]
r = json.load(open("r.json"))["t2i"]
total, chance = {}, 0
for q in range(12):
    rest = [i for i in range(12) if i != q]
    good = {i for i in rest if i % 4 == q % 4}
    score = {i: sum(a * b for a, b in zip(x[q], x[i])) for i in rest}
    levels = [[i for i in rest if score[i] == s] for s in sorted(set(score.values()), reverse=True)]
    n, sums = 0, {}
    for parts in itertools.product(*(itertools.permutations(l) for l in levels)):
        order = [i for l in parts for i in l]
        hits = [k for k, i in enumerate(order) if i in good]
        v = {"mrr": 1 / (hits[0] + 1), "recall@2": hits[0] < 2, "recall_all@2": sum(h < 2 for h in hits) / len(good),
             "map@5": sum((j + 1) / (h + 1) for j, h in enumerate(hits) if h < 5) / min(len(good), 5)}
        n += 1
        for k in v:
            sums[k] = sums.get(k, 0) + v[k]
    for k in sums:
        total[k] = total.get(k, 0) + sums[k] / n / 12
for k in total:
    assert abs(total[k] - r[k]) < 1e-9, (k, total[k], r[k])
assert abs(r["chance"]["recall_all@2"] - 2 / 11) < 1e-12, r["chance"]        # eleven rows are left
PY
}
said() { jq -e '.excluded == {"by": "self", "t2i": 12, "i2t": 12} and (.warnings | map(test("^24 positives were the query itself")) | any)' r.json &&
	"$E" --text x.npy --image x.npy --ground-truth label.csv --exclude self -q --per-query none | grep -qx 'exclude self: 12 images left the galleries of texts, 12 texts those of images' &&
	json --text x.npy --image x.npy --ground-truth label.csv --exclude self --protocol pool:6 --per-query none && jq -e '.excluded.t2i == 12' r.json; }
references() { json e.npz --exclude ref.json --per-query rq.npz && cp r.json a.json && json e.npz --exclude ref.qrels --per-query none && jq -s -e '(.[0] | .t2i) == (.[1] | .t2i) and .[0].excluded == {"by": "ref.json", "t2i": 3, "i2t": 0}' a.json r.json &&
	python3 -c 'import struct, zipfile; b = zipfile.ZipFile("rq.npz").read("t2i_pool.npy"); n = struct.unpack_from("<H", b, 8)[0]; p = struct.unpack("<%dq" % ((len(b) - 10 - n) // 8), b[10 + n:]); assert sorted(p)[:3] == [38, 39, 40], p' &&
	json e.npz --per-query none && jq -e 'has("excluded") | not' r.json; }
t "images among themselves: every order of equal scores, without the query" among_themselves
t "what is excluded is said, pools included" said
t "reference images from JSON and qrels" references
wanted() { json e.npz --per-query none --qrels-out own.qrels -f && grep '^t2i' own.qrels | head -n 1 > bad.qrels && ! "$E" e.npz -q --exclude bad.qrels --per-query none > /dev/null 2> x.err && grep -q "excludes 'v[0-9]*', which is one of its positives" x.err; }
t "a positive cannot be excluded" wanted
expect_err "excludes nothing" "exclusions of strangers" "$E" e.npz --exclude j2.json --per-query none
expect_err "no text has the id of an image" "self without common ids" "$E" e.npz --exclude self --per-query none
expect_err "conventions itr" "exclusions under other conventions" "$E" e.npz --exclude ref.json --conventions trec_eval --per-query none
expect_exit 2 "exclusions of a run exit 2" "$E" --run one.run --relevance ref.qrels --exclude ref.json
t "metrics by name" named
t "what map@K divides by is told, and a comparison of two ways warns" by_r
t "automatic names tell metrics and their options apart" own_metrics
t "conditions on metrics that were asked for" gated
t "help names every metric" in_help
t "figures and intervals equal NumPy's" golden
t "the JSON has every key" keys
t "rsum is the six recalls" rsum
t "same bytes for 1 and 2 threads" threads
t "a constant model is exactly at chance, and said to be degenerate" constant
t "the four rules for ties" tie_rules
t "pools are the seed's" pools
t "own vectors, ground truth three ways, normalised or not" own
t "a clip-retrieval folder in parts" folder
t "TREC run and qrels out and in" trec
t "a truncated run keeps what it can tell" truncated
t "relevance as JSON: positives outside of the gallery are counted" relevance_json
# --- runs of other programs: grades, conventions, what a run lacks ---
qr() { "$E" --run "$1" --relevance "$2" --bootstrap 0 --per-query none --no-track --json -q "${@:3}" > r.json 2> r.err; }
is() { jq -en --slurpfile r r.json "$close \$r[0] | $1" > /dev/null || { cat r.json; return 1; }; }
printf 'q1 Q0 a 1 3 t\nq1 Q0 b 2 2 t\nq1 Q0 c 3 1 t\nq2 Q0 a 1 1 t\nq9 Q0 a 1 1 t\n' > g.run
printf '# made by hand\nq1 0 a 1\nq1 0 b 3\nq2 0 a 0\nq3 0 b 2\n' > g.qrels
graded() { qr g.run g.qrels --missing-queries skip && is '.graded and .gain == "linear" and .conventions == "itr" and close(.t2i["ndcg@10"]; (1 + 3 / (3|log2)) / (3 + 1 / (3|log2)))' &&
	qr g.run g.qrels --missing-queries skip --gain exponential && is '.gain == "exponential" and close(.t2i["ndcg@10"]; (1 + 7 / (3|log2)) / (7 + 1 / (3|log2)))'; }
counts() { qr g.run g.qrels && is '.t2i | .n_queries == 2 and .missing == 1 and .no_positive == 1 and .unjudged == 1 and .mrr == 0.5 and .mean_rank == null' &&
	is '.provenance.judging | .conventions == "itr" and .missing_queries == "zero" and .t2i == {"missing": 1, "no_positive": 1, "unjudged": 1}' &&
	qr g.run g.qrels --missing-queries skip && is '.t2i | .n_queries == 1 and .missing == 1 and .mrr == 1' &&
	qr g.run g.qrels --conventions trec_eval && is '.conventions == "trec_eval" and (.t2i | .n_queries == 3 and close(.mrr; 1/3) and close(.map; 1/3) and .no_positive == 1)' &&
	"$E" --run g.run --relevance g.qrels --bootstrap 0 --per-query none --no-track -q --conventions trec_eval | tee r.txt | grep -q '^conventions trec_eval.*recip_rank' && grep -qx 't2i relevance: 1 queries missing (count 0), 1 without a positive (count 0), 1 not in it (left out)' r.txt; }
tied_by_rule() { printf 'q Q0 a 1 1 t\nq Q0 b 2 1.000000001 t\nq Q0 c 3 1 t\n' > t.run && printf 'q 0 a 2\nq 0 u 1\n' > t.qrels &&          # as float32 all are equal: c, b, a
	qr t.run t.qrels --conventions trec_eval && is '.ties == "descending document id" and (.t2i | close(.mrr; 1/3) and .["recall@1"] == 0 and close(.map; 1/6) and close(.["ndcg@10"]; 1 / (2 + 1 / (3|log2))))' &&
	qr t.run t.qrels --conventions ranx && is '.t2i | close(.mrr; 1/2) and close(.map; 1/4)' &&
	qr t.run t.qrels && is '.t2i | close(.mrr; (1/2 + 1/3) / 2)'; }
as_the_run() { json e.npz --run-out all.run --run-depth 0 --qrels-out all.qrels --per-query none && for c in trec_eval ranx; do          # vectors give what their run gives
		qr all.run all.qrels --conventions $c && jq 'del(.provenance, .dim, .warnings) | .t2i, .i2t | del(.chance)' r.json > a &&
		json e.npz --relevance all.qrels --conventions $c --bootstrap 0 --per-query none && jq 'del(.provenance, .dim, .warnings) | .t2i, .i2t | del(.chance)' r.json > b && cmp a b || return 1; done; }
graded_vectors() { printf '{"t2i": {"t0": {"v1": 3, "v0": 1, "v2": 0}, "t1": {"v1": 2}}}' > gj.json && printf 't2i:t0 0 v1 3\nt2i:t0 0 v0 1\nt2i:t0 0 v2 0\nt2i:t1 0 v1 2\n' > gj.qrels &&
	json e.npz --relevance gj.json --per-query none && jq -S 'del(.provenance, .relevance)' r.json > a && json e.npz --relevance gj.qrels --per-query none --qrels-out back.qrels && jq -S 'del(.provenance, .relevance)' r.json | cmp - a &&
	jq -e '.graded' r.json && grep -qx 't2i:t0 0 v1 3' back.qrels && json e.npz --relevance gj.qrels --gain exponential --per-query none && ! jq -S 'del(.provenance, .relevance)' r.json | cmp -s - a; }
beir() { printf 'query-id\tcorpus-id\tscore\nq1\ta\t1\nq1\tb\t3\n' > b.tsv && printf 'q1 0 a 1\nq1 0 b 3\n' > b.qrels && qr g.run b.tsv && jq -S .t2i r.json > a && qr g.run b.qrels && jq -S .t2i r.json | cmp - a; }
dressed() { { printf '\357\273\277# a comment\r\n\r\n'; sed 's/$/\r/; s/ /\t/g' g.run; } > d.run && { printf '\357\273\277'; sed 's/$/\r/' g.qrels; } > d.qrels && qr g.run g.qrels && jq -S .t2i r.json > a && qr d.run d.qrels && jq -S .t2i r.json | cmp - a &&
	{ printf '\377\376' && iconv -f utf-8 -t utf-16le g.run; } > u.run && qr u.run g.qrels && jq -S .t2i r.json | cmp - a; }
same_ids() { printf '1 Q0 2 1 2 t\n2 Q0 1 1 2 t\n' > n.run && printf '1 0 2 1\n2 0 1 1\n' > n.qrels && qr n.run n.qrels && is '.t2i.mrr == 1 and .i2t == null'; }
repeated() { printf 'q1 0 a 1\nq1 0 a 1\nq1 0 b 3\n' > rep.qrels && qr g.run rep.qrels && is '.warnings | map(test("^1 lines of relevance stand in .* more than once")) | any'; }
one_sided() { printf 't2i:q1 0 a 1\ni2t:a 0 q1 1\n' > o.qrels && qr g.run o.qrels && is '.i2t == null and (.warnings | map(test("no i2t lists, the relevance has i2t queries")) | any)'; }
absent_per_query() { "$E" --run g.run --relevance g.qrels --no-track -q --per-query mq.npz > /dev/null && python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile("mq.npz").read("t2i_query_id.npy"))' | tr -d '\0' | grep -q q3 && "$E" --compare mq.npz mq.npz --json -q | jq -e '.t2i.n_queries == 2 and .t2i.mrr.difference == 0'; }
like_ranx() { python3 - "$E" "$G/ranx.json" <<'PY'
import json, subprocess, sys
keys = {"exponential": "ndcg@10"}
for n, c in enumerate(json.load(open(sys.argv[2], encoding="utf-8"))["cases"]):
    with open("x.run", "w", encoding="utf-8") as f:
        f.writelines("%s Q0 %s 1 %s t\n" % (q, d, s) for q, d, s in c["run"])
    with open("x.qrels", "w", encoding="utf-8") as f:
        f.writelines("%s 0 %s %d\n" % (q, d, g) for q, l in c["qrels"].items() for d, g in l.items())
    for gain in "linear", "exponential":
        r = json.loads(subprocess.run([sys.argv[1], "--run", "x.run", "--relevance", "x.qrels", "--conventions", "ranx", "--gain", gain, "--bootstrap", "0", "--per-query", "none", "--no-track",
                                       "--json", "-q"], capture_output=True, check=True).stdout)["t2i"]
        for k, v in c["ranx"].items():
            if k in ("exponential", "ndcg@10") and (k == "exponential") != (gain == "exponential"):
                continue
            if abs(r[keys.get(k, k)] - v) > 1e-9:
                sys.exit("case %d: %s is %r, ranx says %r" % (n, k, r[keys.get(k, k)], v))
PY
}
t "ranx's own figures on runs with ties, close and infinite scores" like_ranx
t "grades count in ndcg, linear and exponential" graded
t "what a run lacks and what the relevance does not name is counted and said" counts
t "each convention's own rule for ties" tied_by_rule
t "vectors under other conventions give what their run gives" as_the_run
t "grades as JSON and as qrels, on vectors" graded_vectors
t "BEIR's qrels" beir
t "comments, a byte-order mark, CRLF, UTF-16 and tabs change nothing" dressed
t "a run whose queries and documents share their ids" same_ids
t "equal lines that repeat are counted" repeated
t "a direction of the relevance that the run lacks is named" one_sided
t "missing queries stand in the per-query file" absent_per_query
expect_exit 2 "trec_eval has its own rule for ties" "$E" --run g.run --relevance g.qrels --conventions trec_eval --ties stable
expect_exit 2 "trec_eval's gain is linear" "$E" --run g.run --relevance g.qrels --conventions trec_eval --gain exponential
expect_err "whole gallery" "pools have no other conventions" "$E" e.npz --conventions trec_eval --protocol pool:3 --per-query none
t "plain qrels" plain_qrels
t "compared with itself nothing differs" against_itself
t "a better model is found better" better
t "the same against a baseline" baseline
beside() { mkdir sub && cp e.npz sub/ && json sub/e.npz && jq -e '.per_query == "sub/e.dim6.per_query.npz"' r.json && [ -s sub/e.dim6.per_query.npz ]; }
blocked() { rm sub/*.per_query.npz && mkdir sub/e.dim6.per_query.npz && json sub/e.npz && jq -e '.per_query == null' r.json; }
kept() {      # the same again: the file stays as it is, however it is asked for; another evaluation of that name: refused, nothing changes
	"$E" e.npz -q --per-query keep.npz > /dev/null && cp -p keep.npz copy.npz && "$E" e.npz -q --json -j 1 --per-query keep.npz > /dev/null && cmp keep.npz copy.npz && [ ! keep.npz -nt copy.npz ] || return 1
	"$E" e.npz -q --per-query keep.npz --ties optimistic > /dev/null 2> keep.err; [ $? = 1 ] && grep -q 'another evaluation: give --per-query another name .* or --force' keep.err && cmp keep.npz copy.npz &&
	"$E" e.npz -q --per-query keep.npz --ties optimistic -f > /dev/null && ! cmp -s keep.npz copy.npz; }
changed() {   # the input's bytes are others, its figures the same
	"$E" e.npz -q --per-query ch.npz > /dev/null && cp e.npz moved.npz && printf 'PK' > pad && python3 -c "import zipfile; a = zipfile.ZipFile('e.npz'); b = zipfile.ZipFile('moved.npz', 'w'); [b.writestr(n, a.read(n)) for n in reversed(a.namelist())]" &&
	! "$E" moved.npz -q --per-query ch.npz > /dev/null 2>&1; }
own_names() { mkdir -p nm && cp e.npz nm/ && for o in '--ties stable' '--protocol pool:12' '--recall-k 1 3' '--no-normalize' '--relevance j.json' '--conventions trec_eval' '--gain exponential' '--missing-queries skip' '--protocol pool:12 --seed 7'; do
		"$E" nm/e.npz -q --bootstrap 0 --no-track $o > /dev/null || return 1; done; [ "$(ls nm/*.per_query.npz | wc -l)" = 9 ]; }
t "a per-query file that holds the same is kept" kept
t "one of other inputs is not taken for the same" changed
t "automatic names tell the options apart" own_names
for o in run-out qrels-out; do : > there.$o; expect_err "exists: --force" "--$o does not overwrite" "$E" e.npz -q --per-query none --$o there.$o; done
expect_err "is an input" "nor the input, by force" "$E" e.npz -q --per-query none --run-out e.npz -f
expect_err "named for two outputs" "nor each other" "$E" e.npz -q --per-query none --run-out x.out --qrels-out x.out
t "the per-query file is beside the input" beside
t "where it cannot be, the figures come all the same" blocked
t "tables" formats
t "tracked metrics" tracked
t "tracked options" flat
expect_exit 1 "--fail-if fails" "$E" e.npz -q --per-query none --fail-if 't2i.recall@1<0.999' --fail-if 'rsum>1000'
expect_exit 0 "--fail-if passes" "$E" e.npz -q --per-query none --fail-if 't2i.recall@1>0.999'
# a gate that cannot fire is wrong use: said before the work
gate() { "$E" e.npz -q --per-query none --no-track --fail-if "$1" > /dev/null 2> gate.err; [ $? = 2 ] && grep -q "$2" gate.err || { cat gate.err; return 1; }; }
t "an unknown figure names the nearest" gate 't2i.recal@10<1' "did you mean 't2i.recall@10'"
t "a condition must be one" gate 't2i.recall@1' "no condition"
for c in 't2i.recall@1<nan' 't2i.recall@1>inf' 't2i.recall@1<-inf' 'rsum!=nan'; do t "a gate at '$c'" gate "$c" 'can never fire'; done
for c in 't2i.recall@1<0' 'i2t.mrr>1' 't2i.ndcg@10==2'; do t "a gate at '$c'" gate "$c" 'can never hold'; done
t "a cut-off that is not asked for" gate 't2i.recall@7<1' "did you mean 't2i.recall@"
expect_exit 0 "a gate at the edge may be" "$E" e.npz -q --per-query none --fail-if 't2i.recall@1<=0' --fail-if 't2i.chance.mrr>1000'
expect_exit 1 "a figure that the result lacks fails the gate" "$E" --run g.run --relevance g.qrels -q --per-query none --fail-if 't2i.mean_rank>1000'
expect_exit 2 "two inputs exit 2" "$E" e.npz t.npz
expect_exit 2 "no input exits 2" "$E"
expect_exit 2 "--recall-k 0 exits 2" "$E" e.npz --recall-k 0
for m in mapp@10 recall mrr@3 map@0 mrr,mrr default,mrr; do expect_exit 2 "--metrics $m exits 2" "$E" e.npz --metrics $m --per-query none; done
expect_exit 2 "an option of a metric that is not computed exits 2" "$E" e.npz --map-denominator R --per-query none
expect_exit 2 "--recall-k without the default metrics exits 2" "$E" e.npz --metrics mrr --recall-k 3 --per-query none
expect_exit 2 "an unknown rule for ties exits 2" "$E" e.npz --ties fair
expect_exit 2 "an unknown option exits 2" "$E" e.npz --dimm 6
expect_err "pool:C" "an unknown protocol" "$E" e.npz --protocol pol:3
expect_err "5,000" "coco-1k needs the 5,000 test images" "$E" e.npz --protocol coco-1k
expect_err "text_7.*did you mean 'text_6'" "a size that is not there" "$E" e.npz --dim 7
expect_err "exists" "an existing result is not overwritten" "$E" e.npz -q -o a1.json
expect_err "none of its" "relevance of other ids" "$E" c.npz -q --relevance j.json
t "a failed evaluation leaves no per-query file" test ! -e t.dim6.per_query.npz
expect_exit 1 "a full disk is noticed" bash -c "\"$E\" e.npz -q --per-query none > /dev/full"

if [ -d "$SHARED/data/coco5k" ]; then
	ids() { python3 - "$SHARED/data/coco5k" <<'PY'
import json, struct, sys
sys.argv = ["", sys.argv[1]]
d = sys.argv[1]; t2i = json.load(open(d + "/original_caption_to_image.json"))
open("coco.ids", "w").write("\n".join("%s %s" % (c, i[0]) for c, i in t2i.items()))
PY
	}
	coco() {     # a matrix of zeros is exactly at chance whatever is relevant
		ids && images=$(cut -d' ' -f2 coco.ids | sort -u) && [ "$(echo "$images" | wc -l)" = 5000 ] && cp coco.ids c.ids && echo "$images" > i.ids &&
		npz coco.npz "text_2=25000x2:1-k" "video_2=5000x2:1-k" "text_ids=25000:__import__('linecache').getline('c.ids',i+1).split()[0]" "video_ids=5000:__import__('linecache').getline('i.ids',i+1).strip()" \
			"ground_truth=25000:__import__('builtins').__dict__.setdefault('R',{l.strip():n for n,l in enumerate(open('i.ids'))})[__import__('linecache').getline('c.ids',i+1).split()[1]]" &&
		for r in eccv cxc coco; do json coco.npz --relevance $r:"$SHARED/data/coco5k" --per-query none --bootstrap 50 && jq -e '(.t2i, .i2t) | . as $s | [.chance | keys[] | $s[.] == $s.chance[.]] | all' r.json || return 1; done
		json coco.npz --protocol coco-1k --per-query none --bootstrap 50 && jq -e '(.t2i["recall@1"] - 0.001 | fabs) < 1e-12 and .t2i.n_gallery == 1000 and .i2t.n_gallery == 5000 and .t2i.n_queries == 25000' r.json
	}
	t "ECCV Caption, CxC, COCO 5K and 1K on the real files" coco
	t "anchors for the 5,000 images" bash -c "'$E' coco.npz -q --per-query none --bootstrap 0 --anchors | grep -q 'ViT-B/32 (OpenAI)'"
	expect_err "coco-1k is defined on the original captions" "coco-1k takes no ECCV relevance" "$E" coco.npz --protocol coco-1k --relevance eccv:"$SHARED/data/coco5k"
else
	skip "ECCV Caption, CxC, COCO 5K and 1K" "$SHARED/data/coco5k is absent"
fi

if { "$BIN/fetch-coco" --synthetic 120 --size 96 --seed 7 -q -o data && "$BIN/extract-features" --image-encoder classic --text-encoder hash data/manifest.jsonl -q -o f.h5 && "$BIN/train" --model cca f.h5 -q -o cca.h5 &&
	"$BIN/extract-features" --model cca.h5 f.h5 --split test -q -o test.npz; } > prepare.log 2>&1; then
	store() { json test.npz --per-query none && jq -S '{t2i, i2t}' r.json > a && json --model cca.h5 f.h5 --split test --per-query none && jq -S '{t2i, i2t}' r.json > b && cmp a b && jq -e '.synthetic and (.warnings | map(test("synthetic")) | any)' r.json; }
	other() { "$BIN/fetch-coco" --synthetic 130 --size 96 --seed 7 -q -o data2 && "$BIN/extract-features" --image-encoder classic --text-encoder hash data2/manifest.jsonl -q -o g.h5; }
	t "a store with its model equals its embeddings" store
	two_models() { "$BIN/train" --model cca --regularization 1 f.h5 -q -o cca2.h5 && for m in cca cca2; do for s in test val; do "$E" --model $m.h5 f.h5 --split $s -q --bootstrap 0 > /dev/null || return 1; done; done
		ls f.cca.test.dim*.per_query.npz f.cca.val.dim*.per_query.npz f.cca2.test.dim*.per_query.npz && "$E" --compare f.cca.test.dim*.per_query.npz f.cca2.test.dim*.per_query.npz -q > cmp.txt && grep -q 'SYNTHETIC DATA' cmp.txt; }
	marked() { for f in csv tsv md latex; do "$E" test.npz -q --per-query none --bootstrap 0 --format $f > m.$f 2> /dev/null && "$E" --compare f.cca.test.dim*.per_query.npz f.cca2.test.dim*.per_query.npz -q --format $f > c.$f 2> /dev/null &&
		grep -qi synthetic m.$f && grep -qi synthetic c.$f || { echo $f; return 1; }; done; head -1 m.csv | grep -q ',synthetic$' && sed -n 2p m.csv | grep -q ',true$'; }
	t "models and splits of one store have per-query files of their own" two_models
	t "synthetic data is marked in every format" marked
	t "(another store)" other
	expect_err "fitted beside another split" "a store whose parts differ is refused" "$E" --model cca.h5 g.h5 --split test
	expect_err "give --model" "a store of unequal sizes needs a model" "$E" f.h5
	expect_err "share no space" "--dim does not make a space of two" "$E" f.h5 --dim 64
	expect_err "did you mean 'test'" "an unknown split" "$E" --model cca.h5 f.h5 --split tset
else
	tail -n 5 prepare.log; echo "not ok - features to evaluate"; FAILED=1
fi
