#!/usr/bin/env bash
# Every kind of model x every program that reads one x every form of input: one table of verdicts, at the end of this file. Inputs that hold the same rows give the same figures and scores.
# A cell that changes is a change for users: say so in NEWS and put the new verdict into the table. TABLE=print tests/tools/model_table.sh prints the table as it comes out.
. "$(dirname "$0")/../lib.sh"
# Files a*: rows of the encoders classic and hash. Files b*: rows of 16 dimensions, made by fine-tuned towers (a vector of one size on both sides, as text_D and video_D have it).
setup() {
	"$BIN/fetch-coco" --synthetic 40 --size 64 --seed 7 --split-sizes none -q -o data && "$BIN/extract-features" --image-encoder classic --text-encoder hash --normalize data/manifest.jsonl -q -o a.h5 &&
	"$BIN/train" --model heads --finetune text --text-encoder lstm --image-encoder classic --lr 2e-3 -e 1 --embed-dim 16 data/manifest.jsonl -q -o towers.h5 && "$BIN/extract-features" --model towers.h5 data/manifest.jsonl -q -o b.h5 &&
	"$BIN/extract-features" b.h5 -q -o b-named.npz || return 1
	for b in a b; do
		for k in cca ridge procrustes kernel-ridge kernel-cca mlp residual-mlp heads; do
			o=; case $k in cca) o="--dims 8 --regularization 0.1" ;; ridge) o="--regularization 0.1" ;; kernel-cca) o="--dims 8 --features 32 --regularization 0.1" ;; kernel-ridge) o="--features 32 --regularization 0.1" ;; mlp|residual-mlp) o="--hidden 8 -e 1 -b 32" ;; heads) o="--embed-dim 8 -e 1 -b 32" ;; esac
			"$BIN/train" --model $k $o $b.h5 -q -o $b-$k.h5 || return 1
		done
	done
	cp towers.h5 a-towers.h5; cp towers.h5 b-towers.h5
	# the rows of a, as they are: what a one-sided model leaves alone
	"$BIN/train" --model ridge --direction image-to-text --regularization 1 a.h5 -q -o back.h5 && "$BIN/predict" --model back.h5 a.h5 -q -o a-text.npz && "$BIN/predict" --model a-ridge.h5 --side image a.h5 -q -o a-image.npz &&
		"$BIN/predict" --model back.h5 a.h5 -q -o t-rows.h5 && "$BIN/predict" --model a-ridge.h5 --side image a.h5 -q -o i-rows.h5 || return 1
	rm -f *.ckpt*; for m in [ab]-*.h5; do case $m in *-towers.h5) ;; *) "$BIN/predict" --model $m ${m%%-*}.h5 -q -o v-${m%.h5}.npz || return 1 ;; esac; done
	"$BIN/predict" --model towers.h5 data/manifest.jsonl -q -o v-a-towers.npz && cp v-a-towers.npz v-b-towers.npz && python3 - <<-'PY'
	import glob, os, struct, zipfile
	def member(path, name): return zipfile.ZipFile(path).read(name + ".npy")
	def npy(descr, shape, raw):
	    h = "{'descr': '%s', 'fortran_order': False, 'shape': %r, }" % (descr, shape)
	    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(h) + 1) + h.encode() + b"\n" + raw
	for f in glob.glob("v-*.npz"): open(f[:-1] + "y", "wb").write(member(f, "embeddings"))
	text, image = member("a-text.npz", "embeddings"), member("a-image.npz", "embeddings")
	truth = member("b-named.npz", "ground_truth")
	with zipfile.ZipFile("a-npz.npz", "w") as z:
	    z.writestr("captions/embeddings.npy", text); z.writestr("images/embeddings.npy", image)
	    z.writestr("captions/ids.npy", member("a-text.npz", "ids")); z.writestr("images/names.npy", member("a-image.npz", "ids")); z.writestr("captions/label.npy", truth)
	for side, rows in ("text", text), ("image", image): open("a-%s.npy" % side, "wb").write(rows)
	open("truth.npy", "wb").write(truth)
	n = len(text)
	for side, rows in ("text_emb", text), ("img_emb", image):
	    os.makedirs("a-folder/" + side); open("a-folder/%s/%s_0.npy" % (side, side), "wb").write(rows)
	PY
}
setup > setup.log 2>&1 || { tail -n 5 setup.log; echo "not ok - models and inputs"; exit 1; }
kinds="cca ridge procrustes kernel-ridge kernel-cca mlp residual-mlp heads towers"
programs="evaluate words id image vector extract predict"
inputs="store npz folder npy hdf5 named manifest"

# cell KIND PROGRAM INPUT: runs it -> out, err, exit code
cell() {
	local b=a in opts= q=0
	case $3 in
	store) in=a.h5; q=1; [ $1 != towers ] || in=b.h5 ;; npz) in=a-npz.npz; q=1 ;; folder) in=a-folder ;; manifest) in=data/manifest.jsonl; q=1 ;;
	npy) in=; opts="--text a-text.npy --image a-image.npy --ground-truth truth.npy" ;; hdf5) in=; q=1; opts="--text t-rows.h5 --image i-rows.h5 --ground-truth truth.npy" ;; named) b=b; in=b-named.npz; q=1 ;;
	esac
	case $2:$3 in
	*:folder) opts="--ground-truth truth.npy" ;; evaluate:*) ;; extract:npy|extract:hdf5) in=$(echo "$opts" | cut -d ' ' -f 2); opts= ;;
	predict:npy|predict:hdf5) in=$(echo "$opts" | cut -d ' ' -f 2); in="--text-vectors $in" ;; *) opts=$(echo "$opts" | sed 's/--text /--text-vectors /; s/--image /--image-vectors /') ;;
	esac
	case $2 in
	evaluate) "$BIN/evaluate" --model $b-$1.h5 --no-track $in $opts --json -q --per-query none --bootstrap 0 ;;
	extract) "$BIN/extract-features" --model $b-$1.h5 --no-track $in -q -f -o "x.$([ $3 = manifest ] && echo h5 || echo npz)" ;;
	predict) "$BIN/predict" --model $b-$1.h5 --no-track $in -q -f -o x.npz ;;
	words) "$BIN/search" $in $opts --no-track --model $b-$1.h5 --text 'a small red circle' -k 3 --json -q ;;
	id) "$BIN/search" $in $opts --no-track --model $b-$1.h5 --query $q -k 3 --json -q ;;
	image) "$BIN/search" $in $opts --no-track --model $b-$1.h5 --from image --to text --query $q -k 3 --json -q ;;
	vector) "$BIN/search" $in $opts --no-track --model $b-$1.h5 --vector v-$b-$1.npy -k 3 --json -q ;;
	esac > out 2> err
}
# ok, or the word in the table for the message on standard error
verdict() {
	[ $1 != 0 ] || { case $2 in extract|predict) ;; *) jq -e . out > /dev/null || { echo "no-result"; return; } ;; esac; echo ok; return; }
	while read -r word regex; do grep -qE "$regex" err && { echo "$word"; return; }; done <<-'END'
	encoder has no encoders of its own|the weights of the text encoder .* are neither in
	sizes cannot be compared|no product compares|has rows of [0-9]+ (numbers|dimensions)
	towers takes pictures and captions|take pictures and captions
	kind not a linear projection
	input cannot (read|open)|is of format|is a single array|expected a value|has no array|has no text_D
	END
	echo "exit-$1:$(head -n 1 err)"
}
# what inputs of the same rows must share: figures of evaluate, scores of search
figures() { case $1 in evaluate) jq -c '[.t2i, .i2t | .["recall@1"], .["recall@5"], .["recall@10"], .mrr, .n_queries, .n_gallery]' out ;; words|vector) jq -c '[(.queries // [.])[].results[].score]' out ;; *) echo '[]' ;; esac; }
close() { jq -en --argjson a "$1" --argjson b "$2" '($a | length) == ($b | length) and ([range($a | length) | ($a[.] - $b[.] | fabs) < 1e-5] | all)' > /dev/null; }
row() {          # KIND PROGRAM -> verdicts, and in .diff what differs from the first input that works
	local i v ref= line=; : > .diff
	for i in $inputs; do
		cell "$1" "$2" $i; v=$(verdict $? "$2"); line="$line $v"
		case $v in ok) case $i in named) ;; *) f=$(figures "$2"); ref=${ref:-$f}; close "$f" "$ref" || echo "$i: $f, not $ref" >> .diff ;; esac ;; esac
	done
	echo $line
}
if [ "${TABLE:-}" = print ]; then
	for k in $kinds; do for p in $programs; do printf '%s %s %s\n' $k $p "$(row $k $p)"; sed 's/^/# /' .diff; done; done | column -t
	exit 0
fi
same() { row $1 $2 > .row; cat .row .diff; [ "$(cat .row)" = "$(echo $3)" ] && [ ! -s .diff ]; }
while read -r k p v; do
	case $k in ''|'#'*) ;; *) t "$k, $p: $(echo $inputs | tr ' ' ',') are $(echo $v | tr ' ' ',')" same $k $p "$v" < /dev/null ;; esac
done <<'END'
# kind       program   store    npz      folder   npy      hdf5     named    manifest
cca          evaluate ok       ok       ok       ok       ok       ok       ok
cca          words    ok       ok       ok       ok       ok       encoder  ok
cca          id       ok       ok       ok       ok       ok       ok       ok
cca          image    ok       ok       ok       ok       ok       ok       ok
cca          vector   ok       ok       ok       ok       ok       ok       ok
cca          extract  ok       ok       ok       input    input    ok       ok
cca          predict  ok       ok       ok       ok       ok       ok       ok
ridge        evaluate ok       ok       ok       ok       ok       ok       ok
ridge        words    ok       ok       ok       ok       ok       encoder  ok
ridge        id       ok       ok       ok       ok       ok       ok       ok
ridge        image    ok       ok       ok       ok       ok       ok       ok
ridge        vector   ok       ok       ok       ok       ok       ok       ok
ridge        extract  ok       ok       ok       input    input    ok       ok
ridge        predict  ok       ok       ok       ok       ok       ok       ok
procrustes   evaluate ok       ok       ok       ok       ok       ok       ok
procrustes   words    ok       ok       ok       ok       ok       encoder  ok
procrustes   id       ok       ok       ok       ok       ok       ok       ok
procrustes   image    ok       ok       ok       ok       ok       ok       ok
procrustes   vector   ok       ok       ok       ok       ok       ok       ok
procrustes   extract  ok       ok       ok       input    input    ok       ok
procrustes   predict  ok       ok       ok       ok       ok       ok       ok
kernel-ridge evaluate ok       ok       ok       ok       ok       ok       ok
kernel-ridge words    ok       ok       ok       ok       ok       encoder  ok
kernel-ridge id       ok       ok       ok       ok       ok       ok       ok
kernel-ridge image    ok       ok       ok       ok       ok       ok       ok
kernel-ridge vector   ok       ok       ok       ok       ok       ok       ok
kernel-ridge extract  ok       ok       ok       input    input    ok       ok
kernel-ridge predict  ok       ok       ok       ok       ok       ok       ok
kernel-cca   evaluate ok       ok       ok       ok       ok       ok       ok
kernel-cca   words    ok       ok       ok       ok       ok       encoder  ok
kernel-cca   id       ok       ok       ok       ok       ok       ok       ok
kernel-cca   image    ok       ok       ok       ok       ok       ok       ok
kernel-cca   vector   ok       ok       ok       ok       ok       ok       ok
kernel-cca   extract  ok       ok       ok       input    input    ok       ok
kernel-cca   predict  ok       ok       ok       ok       ok       ok       ok
mlp          evaluate ok       ok       ok       ok       ok       ok       ok
mlp          words    ok       ok       ok       ok       ok       encoder  ok
mlp          id       ok       ok       ok       ok       ok       ok       ok
mlp          image    ok       ok       ok       ok       ok       ok       ok
mlp          vector   ok       ok       ok       ok       ok       ok       ok
mlp          extract  ok       ok       ok       input    input    ok       ok
mlp          predict  ok       ok       ok       ok       ok       ok       ok
residual-mlp evaluate ok       ok       ok       ok       ok       ok       ok
residual-mlp words    ok       ok       ok       ok       ok       encoder  ok
residual-mlp id       ok       ok       ok       ok       ok       ok       ok
residual-mlp image    ok       ok       ok       ok       ok       ok       ok
residual-mlp vector   ok       ok       ok       ok       ok       ok       ok
residual-mlp extract  ok       ok       ok       input    input    ok       ok
residual-mlp predict  ok       ok       ok       ok       ok       ok       ok
heads        evaluate ok       ok       ok       ok       ok       ok       ok
heads        words    ok       ok       ok       ok       ok       encoder  ok
heads        id       ok       ok       ok       ok       ok       ok       ok
heads        image    ok       ok       ok       ok       ok       ok       ok
heads        vector   ok       ok       ok       ok       ok       ok       ok
heads        extract  ok       ok       ok       input    input    ok       ok
heads        predict  ok       ok       ok       ok       ok       ok       ok
towers       evaluate ok       towers   towers   towers   towers   towers   ok
towers       words    ok       sizes    sizes    sizes    sizes    ok       ok
towers       id       ok       sizes    sizes    sizes    sizes    ok       ok
towers       image    ok       sizes    sizes    sizes    sizes    ok       ok
towers       vector   ok       sizes    sizes    sizes    sizes    ok       ok
towers       extract  ok       towers   towers   input    input    towers   ok
towers       predict  ok       towers   towers   towers   towers   towers   ok
END
