#!/usr/bin/env bash
# fetch-model: from a local HTTP server that misbehaves and from file://, into a cache; hashes, alternatives, resumption, and a look into files.
. "$(dirname "$0")/../lib.sh"
command -v python3 >/dev/null && command -v jq >/dev/null || { skip "fetch-model" "needs python3 and jq"; exit 0; }
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY ITR_CACHE XDG_CACHE_HOME
GOLDEN=$ROOT/tests/golden/weights; pids=
stop_servers() { local code=$?; for p in $pids; do kill "$p" 2>/dev/null; done; (exit $code); _finish; }
trap stop_servers EXIT
fetch() { "$BIN/fetch-model" "$@"; }

# --- the cache folder ---------------------------------------------------------------------------------------------------------------------
export HOME=$TMP/home
folders() {
	fetch resnet18 --base-url "file://$TMP/none" 2> err; grep -q "cannot fetch 'file://$TMP/none/resnet18-f37072fd.pth'" err && [ -d home/.cache/itr/resnet18 ] || return 1
	XDG_CACHE_HOME=$TMP/xdg fetch resnet18 --base-url "file://$TMP/none" 2> err; [ -d xdg/itr/resnet18 ] || return 1
	ITR_CACHE=$TMP/own XDG_CACHE_HOME=$TMP/xdg2 fetch resnet18 --base-url "file://$TMP/none" 2> err; [ -d own/resnet18 ] && [ ! -e xdg2 ] || return 1
	ITR_CACHE=$TMP/own2 fetch resnet18 --cache opt --base-url "file://$TMP/none" 2> err; [ -d opt/resnet18 ] && [ ! -e own2 ]
}
t "the cache folder: --cache, ITR_CACHE, XDG_CACHE_HOME, HOME" folders
expect_exit 1 "no cache folder at all is said" env -u HOME "$BIN/fetch-model" resnet18
export ITR_CACHE=$TMP/cache
t "--list knows the models" sh -c "'$BIN/fetch-model' --list | grep -q '^clip-vit-b32 '"
t "--list --json" sh -c "'$BIN/fetch-model' --list --json | jq -e '.models | length >= 9 and all(.[]; .name and .licence and (.url | startswith(\"https://\")) and .folder == null)'"
expect_err "unknown model 'clip-vit-b23': did you mean 'clip-vit-b32'" "an unknown name: the nearest is named" fetch clip-vit-b23
expect_exit 2 "nothing asked: exit 2" fetch
expect_exit 2 "--base-url for two models: exit 2" fetch resnet18 resnet50 --base-url http://127.0.0.1:9
expect_exit 2 "--show and a model: exit 2" fetch resnet18 --show x

# --- a mirror over HTTP -------------------------------------------------------------------------------------------------------------------
# A CLIP whose weights are a PyTorch file only: model.safetensors is a 404, as for the real one.
mkdir -p site/clip; cp "$GOLDEN/module.pth" site/clip/pytorch_model.bin
echo '{"model_type":"clip"}' > site/clip/config.json; printf '#version: 0.2\na b\n' > site/clip/merges.txt; echo '{"a":0}' > site/clip/vocab.json
mkdir -p site/shards; head -c 9000000 /dev/urandom > random
python3 - <<'PY' || exit 1
import json, struct                                        # weights of 9 MB, so that a part of them is worth keeping
data = open("random", "rb").read()
head = json.dumps({"x": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}).encode()
open("site/clip-large.safetensors", "wb").write(struct.pack("<Q", len(head)) + head + data)
PY
echo '{}' > plan.json
python3 "$ROOT/tests/tools/fault_server.py" site plan.json log port & pids="$pids $!"
await $! [ -s port ]
URL=http://127.0.0.1:$(cat port)
plan() { : > log; sleep 0.02; cat > plan.json; }
clip() { fetch clip-vit-b32 --base-url "$URL/clip" --timeout 8 "$@"; }
first() { [ "$(clip)" = "$TMP/cache/clip-vit-b32" ] && cmp cache/clip-vit-b32/pytorch_model.bin site/clip/pytorch_model.bin && [ ! -e cache/clip-vit-b32/model.safetensors ]; }
t "the folder is printed; weights that the mirror has not are looked for under their other name" first
t "that was asked" grep -q "/clip/model.safetensors - 404" log
t "what came is recorded" sh -c 'sha256sum cache/clip-vit-b32/pytorch_model.bin | cut -c-64 | grep -qF -f - cache/clip-vit-b32/checksums.jsonl'
again() { : > log; clip > out && [ ! -s log ]; }
t "the second call makes no request" again
t "--list shows the folder" sh -c "'$BIN/fetch-model' --list | grep -q 'clip-vit-b32 .*$TMP/cache/clip-vit-b32'"
t "--json tells what was compared with what" sh -c "'$BIN/fetch-model' clip-vit-b32 --json | jq -e '.models[0].files | map(select(.file == \"pytorch_model.bin\"))[0] | .checked == \"first download\" and .fetched == false'"
t "its folder is what the readers take" sh -c "'$BIN/fetch-model' --show \"\$('$BIN/fetch-model' clip-vit-b32)\" -q | grep -q '^0.weight'"

# --- damage -----------------------------------------------------------------------------------------------------------------------------------
rm cache/clip-vit-b32/pytorch_model.bin; cp "$GOLDEN/every.pth" site/clip/pytorch_model.bin
expect_err "its sha256 is [0-9a-f]{64}, not [0-9a-f]{64}" "weights that changed upstream since the first download are refused" clip
t "and not kept" test ! -e cache/clip-vit-b32/pytorch_model.bin
t "--force takes them" sh -c "'$BIN/fetch-model' clip-vit-b32 --base-url '$URL/clip' -f && cmp cache/clip-vit-b32/pytorch_model.bin site/clip/pytorch_model.bin"
flip() { python3 -c "import sys; f = open(sys.argv[1], 'r+b'); f.seek(int(sys.argv[2])); b = f.read(1); f.seek(-1, 1); f.write(bytes([b[0] ^ 1]))" "$@"; }
flip cache/clip-vit-b32/pytorch_model.bin 3000
t "a flipped bit: not seen without --verify" clip
expect_err "its sha256 is .*: remove it" "a flipped bit: seen by --verify" clip --verify
head -c 100 site/clip/pytorch_model.bin > cache/clip-vit-b32/pytorch_model.bin
expect_err "has 100 bytes, when it was fetched it had" "a file that was cut short is seen at once" clip
rm -r cache/clip-vit-b32
echo '{"/clip/pytorch_model.bin":"html"}' | plan
expect_err "pytorch_model.bin" "an error page with status 200 is no weights" clip
t "nothing of it is kept" test ! -e cache/clip-vit-b32/pytorch_model.bin
rm -r cache/clip-vit-b32; echo '{"/clip/config.json":"404"}' | plan
expect_err "cannot fetch .*config.json" "a needed file that is missing is named" clip
echo '{"/clip/pytorch_model.bin":"500x2"}' | plan
t "a server that recovers" clip
cp "$GOLDEN/wants_os_system.pth" site/clip/pytorch_model.bin; rm -r cache/clip-vit-b32; echo '{}' | plan
expect_err "wants to run posix.system: refused" "weights that want to run something never get their name" clip
t "neither did they run" test ! -e PWNED -a ! -e cache/clip-vit-b32/pytorch_model.bin

# --- known hashes, and files that are there already -----------------------------------------------------------------------------------------------
mkdir mini; cp "$GOLDEN/every.safetensors" mini/model.safetensors; echo '{}' > mini/config.json; echo x > mini/vocab.txt
expect_err "its sha256 is [0-9a-f]{64}, not" "a hash that the program knows is checked on mirrors too" fetch all-MiniLM-L6-v2 --base-url "file://$TMP/mini"
mkdir res; cp "$GOLDEN/module.pth" res/resnet18-f37072fd.pth
expect_err "does not begin with f37072fd" "eight digits of it are checked as well" fetch resnet18 --base-url "file://$TMP/res"
mkdir -p mine; cp site/clip/config.json site/clip/merges.txt site/clip/vocab.json mine; cp "$GOLDEN/module.pth" mine/pytorch_model.bin
t "files that the user put there are used and recorded" sh -c "'$BIN/fetch-model' clip-vit-b16 -o mine --base-url http://127.0.0.1:9 --retries 0 && grep -c sha256 mine/checksums.jsonl | grep -qx 4"
if [ -d "$SHARED/weights/all-MiniLM-L6-v2" ]; then
	t "the real MiniLM by file://, hashes known" sh -c "'$BIN/fetch-model' all-MiniLM-L6-v2 --base-url 'file://$SHARED/weights/all-MiniLM-L6-v2' --json | jq -e '.models[0].files | length == 5 and all(.[]; .checked == \"known\")'"
	t "its tensors" sh -c "'$BIN/fetch-model' --show \"\$('$BIN/fetch-model' all-MiniLM-L6-v2)\" --json | jq -e '.format == \"safetensors\" and (.tensors | length) == 104 and .elements == 22713728'"
else skip "the real MiniLM" "$SHARED/weights is absent"; fi

# --- a transfer that breaks off is continued by the next process ----------------------------------------------------------------------------------------
mkdir -p site/big; cp site/clip/config.json site/clip/merges.txt site/clip/vocab.json site/big; mv site/clip-large.safetensors site/big/model.safetensors
echo '{"/big/model.safetensors":"truncate"}' | plan
expect_exit 1 "a body that is cut off, no retries" fetch clip-vit-b16 --base-url "$URL/big" --retries 0
t "its part is kept" sh -c 'ls cache/clip-vit-b16 | grep -q "model.safetensors.part"'
echo '{}' | plan
t "the next call" fetch clip-vit-b16 --base-url "$URL/big"
t "continued it" grep -qE "/big/model.safetensors bytes=[0-9]+- 206" log
t "and the file is whole" cmp cache/clip-vit-b16/model.safetensors site/big/model.safetensors

# --- a continuation that is refused: a beginning from the start is a retry like any other -------------------------------------------------------------------------
for how in 416 whole etag unsaid shifted total; do
	echo "{\"/big/model.safetensors\":\"refuse-$how\"}" | plan; rm -rf cache/clip-vit-b16
	code=0; timeout 60 "$BIN/fetch-model" clip-vit-b16 --base-url "$URL/big" --retries 2 --timeout 5 2> err || code=$?
	t "refused by $how: three requests with --retries 2, exit 1" test "$code $(grep -c /big/model.safetensors log)" = "1 3"
	t "and nothing has the weights' name" test ! -e cache/clip-vit-b16/model.safetensors
done
t "the message says what the server did" grep -q "; the server does not continue what broke off: the file is another one now" err

# --- looking into files -------------------------------------------------------------------------------------------------------------------------------------
t "--show: shards" sh -c "'$BIN/fetch-model' --show '$GOLDEN/shards_safetensors' --json | jq -e '.format == \"safetensors shards\" and (.tensors | length) == 7'"
t "--show: says how names came about" sh -c "'$BIN/fetch-model' --show '$GOLDEN/checkpoint.pth' --json | jq -e '.note | test(\"without the prefix\")'"
expect_err "wants to run __builtin__.eval: refused" "--show: refused by name" fetch --show "$GOLDEN/wants_eval.pth"
expect_err "cannot open 'none.pth'" "--show: a file that is not there" fetch --show none.pth
