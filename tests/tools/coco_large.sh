#!/usr/bin/env bash
# Annotations of train2017's true size (560 MB) are read in under 10 s and under 300 MB. Opt-in, because it writes 560 MB: ITR_TEST_LARGE=1.
. "$(dirname "$0")/../lib.sh"
[ "${ITR_TEST_LARGE:-0}" = 1 ] || { skip "annotations of true size" "set ITR_TEST_LARGE=1; it writes 560 MB"; exit 0; }
command -v python3 >/dev/null || { skip "annotations of true size" "needs python3"; exit 0; }
mkdir -p large/annotations && python3 "$ROOT/tests/bench/gen_coco_large.py" large/annotations || exit 1
ls -l large/annotations | awk 'NR > 1 { print "# " $5 / 1e6 " MB " $9 }'
cat > timed.py <<'PY'
import resource, subprocess, sys, time
t = time.time(); code = subprocess.call(sys.argv[1:], stderr=open("err", "w")); t = time.time() - t
mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print("# exit %d, %.2f s, peak %.0f MB" % (code, t, mb)); open("result", "w").write("%d %.3f %.1f" % (code, t, mb))
PY
# one picture that is not there: everything but the annotations costs nothing. Exit 1 is right.
python3 timed.py "$BIN/fetch-coco" --subset train2017 --limit 1 --no-track --no-provenance --base-url "file://$TMP/none" -o large
sed "s/^/# /" err | head -n 5; read -r code seconds mb < result
t "annotations of train2017's size (118,287 images, 860,001 instances generated) are read; one picture of them is there" sh -c "grep -q '1 pictures: 0 were there' err"
t "in under 10 s ($seconds s)" awk "BEGIN { exit !($seconds < 10) }"
t "in under 300 MB ($mb MB)" awk "BEGIN { exit !($mb < 300) }"
