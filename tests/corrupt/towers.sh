#!/usr/bin/env bash
# Towers with weights that are not theirs, cut off or full of NaN; pictures of every kind, down to one pixel, into a crop that they do not fill.
. "$(dirname "$0")/../lib.sh"
L=$SHARED/weights/efficientnet_lite0/efficientnet-lite0-57934424.pth M=$SHARED/weights/all-MiniLM-L6-v2
i=0; mkdir p; : > p/manifest.jsonl
for f in "$ROOT"/tests/data/images/{cmyk.jpg,grey.jpg,bilevel.png,grey16.png,rgb16.png,la.png,la16.png,rgba.png,rgba16.png,palette_trns.png,progressive.jpg}; do
	printf '{"id":"i%d","image":"%s","synthetic":false,"captions":[{"id":"c%d","text":"picture %d"}]}\n' $i "$f" $i $i >> p/manifest.jsonl; i=$((i + 1)); done
# one red pixel
printf '%s' iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC | base64 -d > p/one.png
printf '{"id":"one","image":"one.png","synthetic":false,"captions":[{"id":"o","text":"one pixel"},{"id":"e","text":""}]}\n' >> p/manifest.jsonl
side() { "$BIN/extract-features" "--$1-encoder" "$2" "--$1-weights" "$3" p/manifest.jsonl -o x.h5 -q; }
trained() { "$BIN/train" --model heads --finetune image --image-encoder mobilenet-v3-small --bn running --epochs 1 --batch-size 4 --split-sizes 0.8/0.2/0 --augment full p/manifest.jsonl -o m.h5 -q; }
t "grey, CMYK, 16 bits, palettes, alpha and one pixel: trained on, with every augmentation" trained
if [ -e "$L" ] && [ -d "$M" ]; then
	every() { "$BIN/extract-features" --image-encoder efficientnet-lite0 --image-weights "$L" p/manifest.jsonl -o f.h5 -q && "$BIN/extract-features" --verify f.h5 --json -q | jq -e '.ok // true'; }
	t "and encoded: smaller ones are enlarged to the crop" every
	for e in resnet18 resnet50 mobilenet-v3-small; do
		expect_err "'$e' from .*another network" "$e: EfficientNet's weights" side image $e "$L"
		expect_err "'$e' from .*another network" "$e: BERT's weights" side image $e "$M"; done
	for e in vit-b16 vit-b32; do
		expect_err "not a ViT's weights" "$e: EfficientNet's weights" side image $e "$L"
		expect_err "not a ViT's weights" "$e: BERT's weights" side image $e "$M"; done
	expect_err "efficientnet-lite0' from" "efficientnet-lite0: BERT's weights" side image efficientnet-lite0 "$M"
	for s in image text; do
		expect_err "not CLIP's weights" "CLIP's $s tower: EfficientNet's weights" side $s clip-vit-b32 "$L"
		expect_err "not CLIP's weights" "CLIP's $s tower: BERT's weights" side $s clip-vit-b32 "$M"; done
	expect_err "not a word LSTM's weights" "lstm: EfficientNet's weights" side text lstm "$L"
	expect_err "not a word LSTM's weights" "lstm: BERT's weights" side text lstm "$M"
	expect_err "not BERT's weights" "bert: EfficientNet's weights" side text bert "$L"
	head -c 3000000 "$L" > cut.pth; expect_err "cut short" "truncated weights" side image efficientnet-lite0 cut.pth
	cp -rL "$M" nan && chmod -R u+w nan && h=$(od -An -t d8 -N 8 nan/model.safetensors) && n=$(stat -c %s nan/model.safetensors) && at=$((8 + h + (n - 8 - h) / 8 * 4)) && printf '\000\000\300\177' | dd of=nan/model.safetensors bs=1 seek=$at conv=notrunc 2> /dev/null
	expect_err "NaN or infinity" "NaN in the weights" side text bert nan
else
	skip "weights of other towers" "no $L"
fi
t "nothing was left behind by the refused ones" test ! -e x.h5
