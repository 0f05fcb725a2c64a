#!/usr/bin/env bash
# evaluate on damaged and hostile input: a message and exit 1, never a crash, nothing left behind.
. "$(dirname "$0")/../lib.sh"
E=$BIN/evaluate; cp "$ROOT/tests/golden/evaluate.npz" e.npz
cat > mk.py <<'PY'
import struct, sys, zipfile
def npy(descr, shape, raw):
    h = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, repr(tuple(shape)))
    h += " " * (-(len(h) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(h)) + h.encode() + raw
def f4(rows, dim, at=None, value=0.0):
    x = [((i * 7 + k * 3) % 11) / 11 for i in range(rows) for k in range(dim)]
    if at is not None: x[at] = value
    return npy("<f4", (rows, dim), struct.pack("<%df" % len(x), *x))
def i8(*v): return npy("<i8", (len(v),), struct.pack("<%dq" % len(v), *v))
def ids(*v):
    w = max(map(len, v)); return npy("<U%d" % w, (len(v),), b"".join(s.ljust(w, "\0").encode("utf-32-le") for s in v))
def save(name, **m):
    with zipfile.ZipFile(name + ".npz", "w") as z:
        for k, v in m.items(): z.writestr(k + ".npy", v)
ok = dict(text_3=f4(4, 3), video_3=f4(2, 3), ground_truth=i8(0, 0, 1, 1))
def bad(name, **m): save(name, **{**ok, **m})
save("ok", **ok)
bad("nan", text_3=f4(4, 3, 4, float("nan")))
bad("inf", video_3=f4(2, 3, 4, float("inf")))
bad("far", ground_truth=i8(0, 0, 1, 2))
bad("negative", ground_truth=i8(0, 0, 1, -2))
bad("bool", ground_truth=npy("|b1", (4,), bytes([0, 0, 1, 1])))
bad("mask", ground_truth=npy("|b1", (4, 2), bytes([1, 0, 0, 1, 1, 0, 0, 1])))
open("mask.npy", "wb").write(npy("|b1", (4, 2), bytes([1, 0, 0, 1, 1, 0, 0, 1])))
bad("short", ground_truth=i8(0, 0, 1))
bad("none", ground_truth=i8(-1, -1, -1, -1))
bad("dims", video_3=f4(2, 4))
bad("rank", text_3=npy("<f4", (12,), bytes(48)))
bad("empty", text_3=npy("<f4", (0, 3), b""), ground_truth=npy("<i8", (0,), b""))
bad("texts", text_ids=ids("a", "b", "a", "c"))
bad("images", video_ids=ids("x", "x"))
bad("idcount", video_ids=ids("x", "y", "z"))
bad("zero", text_3=npy("<f4", (4, 3), bytes(48)))
bad("huge", text_3=f4(4, 3, 4, 3e38))
def f8(rows, dim, at, value, fortran=False):
    x = [((i * 7 + k * 3) % 11) / 11 for i in range(rows) for k in range(dim)]; x[at] = value
    if fortran: x = [x[i * dim + k] for k in range(dim) for i in range(rows)]
    return npy("<f8", (rows, dim), struct.pack("<%dd" % len(x), *x)).replace(b"'fortran_order': False, ", b"'fortran_order': True,  " if fortran else b"'fortran_order': False, ")
bad("wide", text_3=f8(4, 3, 7, 1e300)); bad("widef", text_3=f8(4, 3, 7, -1e300, True)); bad("edge", text_3=f8(4, 3, 7, 3.4028235e38)); bad("nan8", text_3=f8(4, 3, 7, float("nan")))
open("wide.npy", "wb").write(f8(4, 3, 7, 1e39))
save("untrue", text_3=f4(5, 3), video_3=f4(2, 3))
save("alone", text_3=f4(4, 3))
save("strange", other=f4(4, 3))
open("t.npy", "wb").write(f4(4, 3)); open("i.npy", "wb").write(f4(2, 3)); open("i4.npy", "wb").write(f4(2, 4))
PY
python3 mk.py
q() { "$E" "$@" -q --per-query none; }
t "the whole file is fine" q ok.npz
expect_err "row 1 .*NaN or infinity" "NaN in a text row" q nan.npz
expect_err "image row 1 .*NaN or infinity" "infinity in an image row" q inf.npz
expect_err "row 2 holds 1e\+300, which is beyond float32's range" "a float64 that no float32 holds" q wide.npz
expect_err "row 2 holds -1e\+300, which is beyond" "in Fortran order, too" q widef.npz
expect_err "row 2 holds 1e\+39, which is beyond" "in an npy, too" q --text wide.npy --image i.npy --captions-per-image 2
expect_err "row 2 .*NaN or infinity" "NaN stays NaN" q nan8.npz
t "the largest float32 is fine" q edge.npz
expect_err "ground_truth\[3\] is 2" "ground truth beyond the gallery" q far.npz
expect_err "ground_truth\[3\] is -2" "negative ground truth" q negative.npz
expect_err "ground_truth holds true and false, not row numbers" "booleans are no rows" q bool.npz
expect_err "ground_truth holds true and false.*numpy.argmax" "neither is a mask" q mask.npz
expect_err "holds true and false" "nor one of --ground-truth" q ok.npz --ground-truth mask.npy
expect_err "one image row for each of the 4 texts" "too little ground truth" q short.npz
expect_err "no query has a positive" "no answer at all" q none.npz
expect_err "rows of 3 dimensions, images .video_3. of 4" "sizes that differ" q dims.npz
expect_err "1 axes" "one axis" q rank.npz
expect_err "empty" "no rows" q empty.npz
expect_err "text id 'a' stands at rows 0 and 2" "a text id twice" q texts.npz
expect_err "image id 'x'" "an image id twice" q images.npz
expect_err "3 entries for 2 rows" "too many ids" q idcount.npz
expect_err "no ground truth: give --ground-truth" "no ground truth and unequal rows" q untrue.npz
expect_err "video_3" "only one side" q alone.npz
expect_err "no text_D" "other arrays" q strange.npz
t "zero rows are chance, not a crash" q zero.npz
expect_err "1e18" "rows whose scores overflow" q huge.npz --no-normalize
t "normalised, they are fine" q huge.npz
expect_err "dimensions, images" "own vectors of two sizes" q --text t.npy --image i4.npy --captions-per-image 2
expect_err "are not 3 for each" "captions that do not divide" q --text t.npy --image i.npy --captions-per-image 3
for c in '0' 'a,b' '0,0,0' '9,0' '0,9' '-1,0' ''; do
	printf 'text,image\n%s\n' "$c" > gt.csv
	expect_exit 1 "ground truth '$c'" q --text t.npy --image i.npy --ground-truth gt.csv
done
expect_err "cannot open|No such" "a missing file" q no.npz
mkdir folder; expect_exit 1 "a folder without embeddings" q folder
truncations() { size=$(stat -c %s e.npz); for n in 0 1 2 4 10 29 30 31 64 100 $((size / 2)) $((size - 23)) $((size - 22)) $((size - 21)) $((size - 1)); do
	head -c "$n" e.npz > cut.npz; q cut.npz > out 2> err; code=$?; [ $code = 1 ] && [ -s err ] || { echo "$n bytes: exit $code"; cat err; return 1; }; done; }
t "truncated anywhere: exit 1 and a message" truncations
flips() { size=$(stat -c %s ok.npz); for n in $(seq 0 7 $((size - 1))); do cp ok.npz flip.npz; printf '\377' | dd of=flip.npz bs=1 seek="$n" conv=notrunc status=none; timeout 20 "$E" flip.npz -q --per-query none --no-track --bootstrap 0 > out 2> err; code=$?
	[ $code = 0 ] || { [ $code = 1 ] && [ -s err ]; } || { echo "byte $n: exit $code"; cat err; return 1; }; done; }
t "any byte changed: an answer or a message" flips
for j in '' '{' '[]' '{"t2i": 3}' '{"t2i": {"t0": "v1"}}' '{"t2i": {"t0": [{}]}}' '{"x": ["v1"]}' '{"t2i": {}}'; do
	printf '%s' "$j" > j.json
	expect_exit 1 "relevance '$j'" q e.npz --relevance j.json
done
for l in 't0 0 v1' 't0 0 v1 x' 't0 0 v1 1 1' 't0 0 v1 0' 'z 0 z 1'; do
	printf '%s\n' "$l" > q.txt
	expect_exit 1 "qrels '$l'" q e.npz --relevance q.txt
done
printf 'a 0 x 1\n' > q.txt
for l in '' 'a Q0 x 1' 'a Q0 x 1 high tag' 'a Q0 x 1 nan tag' 'a Q0 x 1 0.5 tag
a Q0 x 2 0.4 tag'; do
	printf '%s\n' "$l" > r.txt
	expect_exit 1 "run '$(echo "$l" | paste -sd ';')'" q --run r.txt --relevance q.txt
done
printf 'a Q0 x 1 0.5 tag\n' > ok.run; printf 'a 0 x 1\n' > ok.qrels
r() { "$E" --run "$1" --relevance "$2" -q --per-query none; }
t "a run and its relevance are fine" r ok.run ok.qrels
bad_run() { printf "$2" > bad.run; expect_err "$1" "run: $1" r bad.run ok.qrels; }
bad_qrels() { printf "$2" > bad.qrels; expect_err "$1" "qrels: $1" r ok.run bad.qrels; }
bad_run "line 2: the score is NaN" 'a Q0 x 1 0.5 t\nb Q0 x 1 nan t\n'
bad_run "line 1: the score 'high' is no number" 'a Q0 x 1 high t\n'
bad_run "line 1: the rank 'doc' is no number .*a space" 'a Q0 my doc 1 0.5\n'
bad_run "line 1 has 7 columns.*a space" 'a Q0 my doc 1 0.5 t\n'
bad_run "line 1 has 4 columns" 'a Q0 x 1\n'
bad_run "lists document 'x' twice \(lines 1 and 3\)" 'a Q0 x 1 0.5 t\na Q0 y 2 0.4 t\na Q0 x 3 0.3 t\n'
bad_run "is empty" ''
bad_run "holds no lists, comments only" '# nothing\n'
bad_run "line 1 is not UTF-8 \(byte 0xe9" 'caf\351 Q0 x 1 0.5 t\n'
bad_run "line 2 holds a NUL byte" 'a Q0 x 1 0.5 t\nb\000 Q0 x 1 0.5 t\n'
bad_run "packed by gzip" '\037\213\010\000'
bad_run "no id stands behind 't2i:'" 't2i: Q0 x 1 0.5 t\n'
bad_qrels "lines 1 and 3 contradict each other: query 'a', document 'x' has grade 1 and 0" 'a 0 x 1\na 0 y 1\na 0 x 0\n'
bad_qrels "line 1: the grade is NaN" 'a 0 x nan\n'
bad_qrels "line 1: the grade 'yes' is no number" 'a 0 x yes\n'
bad_qrels "line 1: grade inf is out of range" 'a 0 x inf\n'
bad_qrels "line 1 has 5 columns.*a space" 'a 0 my x 1\n'
bad_qrels "line 1 has 3 columns.*BEIR" 'a x 1\n'
bad_qrels "line 2 has 4 columns: it is not 'QUERY DOCUMENT SCORE'" 'query-id\tcorpus-id\tscore\na\t0\tx\t1\n'
bad_qrels "is empty" ''
bad_qrels "holds no line of relevance, comments only" '# nothing\n'
bad_qrels "no positive: all 1 grades" 'a 0 x 0\n'
bad_qrels "is not UTF-8" 'caf\351 0 x 1\n'
head -c 10000000 /dev/zero | tr '\0' x > long.txt
expect_err "line 1 has 10000000 bytes" "a run of one line of 10 MB" r long.txt ok.qrels
expect_err "line 1 has 10000000 bytes" "qrels of one line of 10 MB" r ok.run long.txt
printf 'a 0 x 0.5\n' > half.qrels
expect_err "grade 0.5 is not a whole number" "trec_eval's grades are whole" "$E" --run ok.run --relevance half.qrels --conventions trec_eval -q --per-query none
t "ours need not be" r ok.run half.qrels
printf 'a 0 x 600\n' > steep.qrels
expect_err "use --gain linear" "a gain beyond double's range" "$E" --run ok.run --relevance steep.qrels --gain exponential -q --per-query none
for g in '{"t0": {"v0": "high"}}' '{"t0": {"v0": 1e12}}' '{"t0": {"v0": 1, "v0": 2}}'; do printf '%s' "$g" > g.json; expect_exit 1 "grades '$g'" q e.npz --relevance g.json; done
expect_exit 1 "relevance without its folder" q e.npz --relevance eccv:nowhere
expect_err "no per-query file" "a comparison of embeddings" "$E" --compare e.npz e.npz
"$E" e.npz -q --per-query pq.npz > /dev/null
cuts() { size=$(stat -c %s pq.npz); for n in 0 30 $((size / 2)) $((size - 1)); do head -c "$n" pq.npz > cutpq.npz; "$E" --compare pq.npz cutpq.npz > out 2> err; [ $? = 1 ] && [ -s err ] || { echo "$n"; return 1; }; done; }
t "truncated per-query files" cuts
expect_err "exists|directory|open|make" "an output that cannot be written" "$E" e.npz -q -o /dev/null/x.json
t "nothing half-written stays" bash -c '! ls -A | grep -q "^\.[^.].*tmp\|^\..*npz"'
