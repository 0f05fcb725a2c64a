#!/usr/bin/env bash
# fetch-coco --subset against real HTTP servers on the loopback: a COCO-shaped site of 2,000 pictures and a real zip, with every fault that a bad line and a bad
# server have. Nothing corrupt is kept, a second run asks only for what is missing, and the counts add up.
. "$(dirname "$0")/../lib.sh"
command -v python3 >/dev/null && command -v jq >/dev/null || { skip "fetch-coco over http" "needs python3 and jq"; exit 0; }
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
N=2000; ZIP=annotations/annotations_trainval2017.zip; pids=
stop_servers() { local code=$?; for p in $pids; do kill "$p" 2>/dev/null; done; [ -d "$TMP/small" ] && umount "$TMP/small" 2>/dev/null; (exit $code); _finish; }
trap stop_servers EXIT

# --- the site ---------------------------------------------------------------------------------------------------------------------------
"$BIN/fetch-coco" --synthetic $N --size 64 -q --no-track -o scenes > /dev/null || exit 1
mkdir -p site/annotations && mv scenes/images site/val2017
head -c 3000 /dev/zero >> site/val2017/000000000007.jpg      # a whole picture with bytes behind its end, as motion photos have
python3 - <<'PY' || exit 1
import os, zipfile
with zipfile.ZipFile("site/annotations/annotations_trainval2017.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("annotations/person_keypoints_train2017.json", os.urandom(6000000))
    for kind in ("captions", "instances"):
        z.write("scenes/annotations/%s_scenes.json" % kind, "annotations/%s_val2017.json" % kind)
    z.writestr("annotations/instances_train2017.json", os.urandom(3000000))
PY
echo '{}' > plan.json
python3 "$ROOT/tests/tools/fault_server.py" site plan.json log port & pids="$pids $!"
await $! [ -s port ]
URL=http://127.0.0.1:$(cat port)
coco() { "$BIN/fetch-coco" --subset val2017 --no-track --base-url "$URL" --annotations-url "$URL/$ZIP" --timeout 8 "$@"; }
# what a client that was killed had asked for is still noted; then the log can begin anew
settled() { local n=; until [ "$n" = "$(wc -c < log)" ]; do n=$(wc -c < log); sleep 0.5; done; }
plan() { : > log; sleep 0.02; cat > plan.json; }
count() { grep -c " /val2017/$(printf %012d "$1").jpg " log; }
pictures() { find "$1/val2017" -name '*.jpg' 2>/dev/null | wc -l; }
(cd site && sha256sum val2017/*.jpg) | sort > right.txt
whole() { [ "$(pictures "$1")" = 0 ] || (cd "$1" && sha256sum val2017/*.jpg) | sort | comm -23 - right.txt | sed "s/$/ is not what the server has/" | { ! grep -m 3 .; }; }  # byte for byte
no_leftovers() { [ -z "$(find "$1" -name '*.part*' -o -name '*.packed*' -o -name '.*.??????' | head -n 3)" ] || { find "$1" -name '*.part*'; return 1; }; }
adds_up() { jq -e '.transfers | .wanted == .present + .found + .fetched + .failed + .skipped and .failed == ([.reasons[]] | add // 0)' "$1"; }

# --- one run with every fault -------------------------------------------------------------------------------------------------------------
i=0; faults="404 403 500x2 503x2 429 truncate norange etag slow wronglength short html reset"
for f in $faults; do i=$((i + 100)); echo "\"/val2017/$(printf %012d $i).jpg\":\"$f\""; done | paste -sd, | sed 's/^/{/; s/$/}/' | plan
expect_exit 1 "a run with faults fails" coco -o out --json --retries 4
coco_json() { coco "$@" > result.json 2> result.err; echo $? > result.code; }
failed() { jq -r '.failures[] | .image + " " + .reason' out/failures.json | sort; }
expected() { printf 'val2017/%012d.jpg %s\n' 100 http-404 200 http-403 1000 truncated 1100 wrong-content 1200 wrong-content; }
expected > expected.txt; failed > failed.txt
t "exactly the hopeless ones failed, each with its reason" diff expected.txt failed.txt
t "a picture with bytes behind its end is no fault" test -s out/val2017/000000000007.jpg
t "all others are there" test "$(pictures out)" = $((N - 5))
t "and whole" whole out
t "nothing half is left behind" no_leftovers out
t "only the needed members of the zip were transferred" test "$(awk -v z="/$ZIP" '$2 == z && $4 == 200' log | wc -l)" = 0
t "the manifest lists what is there" test "$(grep -c '"id"' out/manifest.jsonl)" -ge $((N - 5))
t "the manifest has a checksum for each" test "$(grep -c '"sha256":"[0-9a-f]\{64\}"' out/manifest.jsonl)" -ge $((N - 5))
t "404 is not asked for again" test "$(count 100)" = 1
t "500 twice, then good: three requests" test "$(count 300)" = 3
t "a truncated body is continued with Range" grep -qE "/val2017/000000000600.jpg bytes=[0-9]+- 206" log
t "--max-failed tolerates them" coco -o out --max-failed 5 --retries 0

# --- continuations that are refused, for pictures and for members of the zip ------------------------------------------------------------------
i=0; for f in 416 whole etag unsaid shifted total; do i=$((i + 100)); echo "\"/val2017/$(printf %012d $i).jpg\":\"refuse-$f\""; done | paste -sd, | sed 's/^/{/; s/$/}/' | plan
expect_exit 1 "pictures that always break off and are never continued" timeout 120 "$BIN/fetch-coco" --subset val2017 --no-track --base-url "$URL" --annotations-url "$URL/$ZIP" --timeout 3 -o refused --retries 2
t "are asked for three times each" test "$(for i in 100 200 300 400 500 600; do count $i; done | sort -u)" = 3
t "the others are there" test "$(pictures refused)" = $((N - 6))
for f in 416 whole etag unsaid shifted total; do
	echo "{\"/$ZIP\":\"refuse-$f\"}" | plan; rm -rf refused
	expect_exit 1 "a zip whose members always break off: refused by $f" timeout 60 "$BIN/fetch-coco" --subset val2017 --no-track --base-url "$URL" --annotations-url "$URL/$ZIP" --timeout 3 -o refused --retries 2
	t "its requests are counted" test "$(grep -c "/$ZIP " log)" -le 12
done

# --- only what failed, only what is missing --------------------------------------------------------------------------------------------------
echo '{"/val2017/000000000100.jpg":"404"}' | plan
coco_json -o out --retry-failed --json
t "--retry-failed asks only for what failed" test "$(grep -c val2017/0 log)" = 5
t "its counts add up" adds_up result.json
t "one is still missing: exit 1" test "$(cat result.code)" = 1
echo '{}' | plan
coco_json -o out --json
t "the second run fetches only what is missing" test "$(grep -c . log)" = 1
t "its counts add up, too" adds_up result.json
t "now all are there: exit 0" test "$(cat result.code) $(pictures out)" = "0 $N"
echo '{}' | plan
t "a third run" coco -o out -q
t "asks for nothing" test ! -s log
t "--verify is content" coco -o out --verify
cp out/val2017/000000000007.jpg keep.jpg; printf x | dd of=out/val2017/000000000007.jpg bs=1 seek=300 conv=notrunc 2>/dev/null; rm out/val2017/000000000008.jpg
expect_exit 1 "--verify finds a changed and a missing file" coco -o out --verify
t "and names them" test "$(coco -o out --verify 2>/dev/null | tr '\t\n' '  ')" = "changed val2017/000000000007.jpg missing val2017/000000000008.jpg "
cp keep.jpg out/val2017/000000000007.jpg
cp site/val2017/000000000009.jpg site/val2017/000000000008.jpg.keep; mv site/val2017/000000000008.jpg site/right.jpg; cp site/val2017/000000000009.jpg site/val2017/000000000008.jpg
coco_json -o out --json
t "a server that now sends another picture is not believed" jq -e '.transfers.reasons == {"wrong-checksum": 1}' result.json
mv site/right.jpg site/val2017/000000000008.jpg; rm site/val2017/000000000008.jpg.keep
t "the right one is" coco -o out -q
t "near-duplicates are pairs in different parts" jq -es 'length > 0 and all(.a_part != .b_part and .distance <= 4)' out/near_duplicates.jsonl

# --- killed, interrupted, full ----------------------------------------------------------------------------------------------------------------
echo '{"*":"drip"}' | plan
"$BIN/fetch-coco" --subset val2017 --no-track --base-url "$URL" --annotations-url "file://$TMP/site/$ZIP" --limit 400 -q -o killed > /dev/null 2>&1 & victim=$!
at_least() { [ "$(pictures "$2")" -ge "$1" ]; }
await $victim at_least 60 killed
expect_err "another process" "two processes do not share a folder" coco --limit 400 -o killed
kill -9 $victim; wait $victim 2>/dev/null; settled
had=$(pictures killed)
t "kill -9 half-way leaves some" test "$had" -ge 60 -a "$had" -lt 400
t "and they are whole" whole killed
cp -r killed again
echo '{}' | plan
t "the next run ends the job" coco --limit 400 -q -o killed
t "asking only for the missing" test "$(grep -c val2017/0 log)" = $((400 - had))
t "--retry-failed after kill -9 does the same, --limit remembered" coco -q -o again --retry-failed
t "all 400 of them" test "$(pictures again)" = 400 -a -z "$(whole again)"
t "all 400, whole" test "$(pictures killed)" = 400 -a -z "$(whole killed)"
t "nothing half is left" no_leftovers killed
t "the checksums are complete" test "$(grep -c val2017/0 killed/checksums.jsonl)" = 400
t "and the same, in the same order, as those of an undisturbed run" sh -c "'$BIN/fetch-coco' --subset val2017 --no-track --base-url file://$TMP/site --annotations-url file://$TMP/site/$ZIP --limit 400 -q -o calm && cmp calm/checksums.jsonl killed/checksums.jsonl"
echo '{"*":"drip"}' | plan
"$BIN/fetch-coco" --subset val2017 --no-track --base-url "$URL" --annotations-url "file://$TMP/site/$ZIP" --limit 400 -q -o stopped > /dev/null 2>&1 & victim=$!
await $victim at_least 30 stopped
kill -TERM $victim; wait $victim; code=$?
t "interrupted: exit 130" test $code = 130
t "failures.json says how far it came" jq -e '.counts.interrupted > 0 and .counts.fetched >= 30' stopped/failures.json
t "whole pictures only" whole stopped
t "no part is left" no_leftovers stopped
echo '{}' | plan
mkdir small
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=1500k none small 2>/dev/null; then
	expect_err "No space left on device" "a full disk is said" coco --annotations-url "file://$TMP/site/$ZIP" -o small/out
	mkdir -p small/out/annotations; rm -rf small/out/val2017
	mount -o remount,size=6m small
	expect_err "No space left on device" "a disk that fills up half-way is said" coco --annotations-url "file://$TMP/site/$ZIP" -o small/out
	t "what is there is whole" whole small/out
	t "no half picture is left" test -z "$(find small/out/val2017 -name '*.part')"
	mount -o remount,size=64m small
	t "with space again the job ends" coco --annotations-url "file://$TMP/site/$ZIP" -o small/out -q
	t "all are there" test "$(pictures small/out)" = $N
	umount small
else
	skip "disk full" "needs root and mount to make a small tmpfs"
fi
rmdir small 2>/dev/null

# --- no network ---------------------------------------------------------------------------------------------------------------------------------
nobody=http://127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
offline() { timeout 300 "$BIN/fetch-coco" --subset val2017 --no-track --base-url "$nobody" --annotations-url "$nobody/a.zip" -q "$@" > /dev/null; }
expect_err "[Cc]onnect" "without a network it fails soon" offline -o offline
t "the folder stays free" test ! -e offline/dataset.txt -a ! -e offline/failures.json
t "--fallback synthetic goes on in the same folder" offline --fallback synthetic --limit 6 -o offline
t "and says what it is" grep -q '"synthetic":true' offline/manifest.jsonl
mkdir -p deaf && cp -r scenes/annotations deaf/ && (cd deaf/annotations && mv captions_scenes.json captions_val2017.json && rm -f instances_scenes.json)
expect_exit 1 "2,000 pictures of a host that never answers are given up soon" offline -o deaf
t "each with its reason" jq -e '.counts.failed == 2000 and .requests <= 192 and (.reasons | keys == ["no-connection"])' deaf/failures.json

# --- annotations --------------------------------------------------------------------------------------------------------------------------------
echo "{\"/$ZIP\":\"noranges\"}" | plan
t "a server without ranges: the whole zip" coco --limit 3 -q -o whole
t "it was fetched once, and is gone" test "$(grep -c "/$ZIP .*200" log)" -ge 1 -a ! -e whole/annotations/.annotations.zip
cmp -s whole/annotations/captions_val2017.json scenes/annotations/captions_scenes.json; same=$?
t "the captions are the zip's" test $same = 0
echo "{\"/$ZIP\":\"truncate\"}" | plan
t "ranges that break off are continued" coco --limit 3 -q -o broken
t "and give the same" cmp broken/annotations/instances_val2017.json scenes/annotations/instances_scenes.json
echo '{}' | plan
expect_err "not a whole zip" "a wrong zip" coco --annotations-url "$URL/val2017/000000000001.jpg" -o wrong1
expect_err "answered 404" "no zip" coco --annotations-url "$URL/none.zip" -o wrong2
python3 - <<'PY'
b = bytearray(open("site/annotations/annotations_trainval2017.zip", "rb").read())
b[6000000 + 40000] ^= 255
open("site/damaged.zip", "wb").write(b)
open("site/cut.zip", "wb").write(b[:-5000])
PY
expect_err "damaged|checksum" "a damaged member" coco --annotations-url "$URL/damaged.zip" -o wrong3
t "nothing of it is kept" test ! -e wrong3/annotations/captions_val2017.json
expect_err "not a whole zip" "a cut-off zip" coco --annotations-url "$URL/cut.zip" -o wrong4
expect_err "does not contain 'captions_train2017.json'" "a zip without the subset" "$BIN/fetch-coco" --no-track --subset train2017 --annotations-url "file://$TMP/site/$ZIP" -o wrong5
mkdir -p own/annotations && jq -c '.images |= .[:7] | .annotations |= .[:35]' scenes/annotations/captions_scenes.json > own/annotations/captions_val2017.json
echo '{}' | plan
t "the user's own annotations" coco -q -o own
t "are used as they are" test "$(pictures own) $(grep -c "$ZIP" log)" = "7 0"
jq -c '{images: [.images[] | {filepath: "val2014", filename: "COCO_val2014_\(.id).jpg", cocoid: .id, split: (if .id % 4 == 0 then "test" else "restval" end), sentences: []}]}' \
	scenes/annotations/captions_scenes.json > karpathy.json
t "Karpathy's split" coco --karpathy karpathy.json --split test --annotations-url "file://$TMP/site/$ZIP" -q -o karpathy
t "only that part is fetched" test "$(pictures karpathy) $(grep -c '"split":"test"' karpathy/manifest.jsonl)" = "500 500"
jq '.images |= map(if .split == "test" then .split = "TEST" else . end)' karpathy.json > karpathy_upper.json
t "parts of a split file in other letters" sh -c "$(declare -f coco); BIN='$BIN' URL='$URL' ZIP='$ZIP'; coco --karpathy karpathy_upper.json --split test --annotations-url 'file://$TMP/site/$ZIP' -q -o upper && cmp upper/checksums.jsonl karpathy/checksums.jsonl"
# names that a URL cannot hold as they are, in folders that share a file name
mkdir -p site/odd/a site/odd/b odd/annotations && cp "$ROOT/tests/data/images/whole_sos_64.jpg" 'site/odd/a/1 #50%?+ä.jpg' && cp "$ROOT/tests/data/images/whole_jfif_9.jpg" 'site/odd/b/1 #50%?+ä.jpg'
echo '{"images":[{"id":1,"file_name":"a/1 #50%?+ä.jpg"},{"id":2,"file_name":"odd/b/1 #50%?+ä.jpg"}],"annotations":[{"id":1,"image_id":1,"caption":"one"},{"id":2,"image_id":2,"caption":"two"}]}' > odd/annotations/captions_odd.json
t "odd names are asked for as URLs write them" "$BIN/fetch-coco" --subset odd --no-track --base-url "$URL" --annotations-url "$URL/$ZIP" -q -o odd
t "and each has its own place" sh -c 'cmp "site/odd/a/1 #50%?+ä.jpg" "odd/odd/a/1 #50%?+ä.jpg" && cmp "site/odd/b/1 #50%?+ä.jpg" "odd/odd/b/1 #50%?+ä.jpg"'
expect_exit 2 "--split without a split file is wrong use" coco --split test -o none
expect_exit 2 "--retry-failed without a subset is wrong use" "$BIN/fetch-coco" --retry-failed -o none
expect_err "nothing was fetched" "--retry-failed before anything was fetched" coco --retry-failed -o none

# --- the pipeline ---------------------------------------------------------------------------------------------------------------------------------
pipeline() { make -s -C "$ROOT" -f pipelines/coco.mk coco BIN="$BIN" OUT="$TMP/pipe" LIMIT=150 DIMS=32 TEXT=hash IMAGE=classic BASE_URL="$URL" ANNOTATIONS_URL="$URL/$ZIP" CONNECTIONS=4 "$@"; }
echo '{"/val2017/000000000004.jpg":"404","*":"drip"}' | plan
set -m; pipeline > pipe.log 2>&1 & victim=$!; set +m          # -m: a process group of its own
await $victim at_least 20 pipe
kill -9 -- -$victim; wait $victim 2>/dev/null; settled
had=$(pictures pipe)
echo '{}' | plan
t "make coco, killed and started again" pipeline
t "it went on where it was" test "$(grep -c val2017/0 log)" = $((150 - had))
t "and ends with figures and their chance" grep -q 'recall@1 .*0\.0' pipe/summary.txt
echo '{}' | plan
t "a third make" pipeline
t "does nothing" test ! -s log
t "another selection" pipeline LIMIT=160
t "fetches ten more" test "$(grep -c val2017/0 log)" -ge 10 -a "$(grep -c val2017/0 log)" -le 160

# --- a real server -------------------------------------------------------------------------------------------------------------------------------
nginx=$(command -v nginx || ls /usr/sbin/nginx 2>/dev/null)
if [ -n "$nginx" ]; then
	free=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	cat > nginx.conf <<CONF
daemon off; pid $TMP/nginx.pid; error_log $TMP/nginx.err; worker_processes 1; $([ "$(id -u)" = 0 ] && echo "user root;")
events { worker_connections 256; }
http { access_log $TMP/nginx.log; sendfile on; keepalive_requests 100000; client_body_temp_path $TMP/n1; proxy_temp_path $TMP/n2; fastcgi_temp_path $TMP/n3; uwsgi_temp_path $TMP/n4; scgi_temp_path $TMP/n5;
  server { listen 127.0.0.1:$free; root $TMP/site; } }
CONF
	"$nginx" -p "$TMP" -c "$TMP/nginx.conf" 2> nginx.start & pids="$pids $!"
	await $! python3 -c "import socket; socket.create_connection(('127.0.0.1', $free), 1)"
	URL=http://127.0.0.1:$free
	t "nginx: all of it" coco --json -o nginx
	t "nginx: every picture, whole" test "$(pictures nginx)" = $N -a -z "$(whole nginx)"
	t "nginx: one request a picture, five for the zip" test "$(grep -c /val2017/ nginx.log) $(grep -c "/$ZIP" nginx.log)" = "$N 5"
else
	skip "nginx" "nginx is not installed"
fi
