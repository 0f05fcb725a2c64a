#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
R=$BIN/runs

expect_err "no store of runs in '.*runs'" "a store that is not there" $R list
id=$($R start --run-name night --experiment exp --note 'why not')
t "start prints 32 hex digits" grep -qxE '[0-9a-f]{32}' <<< "$id"
child=$(ITR_PARENT_RUN=$id $R start --run-name child)
t "metrics from arguments" $R log "$id" metric recall@10=0.25 loss=0.5 --step 1
t "metrics from standard input" $R log "$id" metric - <<< $'loss 0.25 2\nloss 0.125 3\nrecall@10 0.5 3'
t "a metric as two words" $R log "$child" metric loss 0.75
t "params" $R log "$id" param model=cca dim=512
t "params of the child" $R log "$child" param model=ridge dim=512
echo hello > note.txt; mkdir tree; echo a > tree/a
t "artifacts" $R log "$id" artifact note.txt tree/
t "tags" $R tag "$id" colour=red
t "end" $R end "$id"

show() { $R show "$id" --json | jq -e "$1" > /dev/null; }
t "show: latest metric" show '.metrics == {"loss": 0.125, "recall_at_10": 0.5}'
t "show: the rest" show '.status == "FINISHED" and .params.dim == "512" and .tags.colour == "red" and .experiment == "exp" and .artifacts == ["note.txt", "tree/a"]'
t "a beginning of the id is enough" bash -c "$R show ${id:0:12} --json | jq -e '.id == \"$id\"'"
t "history" bash -c "[ \"\$($R show $id loss | cut -f1,2 | tail -n +2 | tr '\t\n' ' ')\" = '1 0.5 2 0.25 3 0.125 ' ]"
t "the child's parent" bash -c "$R show $child --json | jq -e '.parent == \"$id\" and .experiment == \"exp\" and .status == \"RUNNING\" and .stale == false'"
t "the child stands under its parent" bash -c "$R list | sed -n 3p | grep -q -- '- child'"

count() { [ "$($R list --json "${@:2}" | jq '.runs | length')" = "$1" ]; }
t "filter: metric and param" count 1 --filter 'metrics.recall@10 > 0.4 and params.model = "cca"'
t "filter: or, brackets, not" count 2 --filter '(params.model = cca or not metrics.loss < 0.5) and dim == 512'
t "filter: like, in" count 1 --filter "name like 'ni%' and status in ('FINISHED', 'FAILED')"
t "filter: nothing left is no failure" count 0 --filter 'metrics.loss > 10'
t "filter: a run without the value does not match" count 0 --filter 'metrics.recall_at_10 < 0.1'
expect_err "did you mean 'recall_at_10'" "filter: unknown metric" $R list --filter 'metrics.recal_at_10 > 0.4'
expect_err "is expected at the end" "filter: broken" $R list --filter 'metrics.loss >'
expect_err "closing quote" "filter: open quote" $R list --filter 'params.model = "cca'
expect_err "too deeply" "filter: a thousand brackets" $R list --filter "$(printf '(%.0s' {1..1000})"
t "sort, limit" bash -c "[ \$($R list --json --sort loss --limit 1 | jq -r '.runs[0].id') = $id ]"
t "sort, the other way" bash -c "[ \$($R list --json --sort 'metrics.loss desc' --limit 1 | jq -r '.runs[0].id') = $child ]"
t "keep and drop" bash -c "$R list --keep '^params' --drop 'dim|duration' --format csv | head -n 1 | grep -qx 'id,name,experiment,status,start,params.model'"
t "only-changed leaves out what is the same" bash -c "$R list --only-changed --format csv | head -n 1 | grep -qx 'id,name,experiment,status,start,duration,metrics.loss,metrics.recall_at_10,params.model'"
expect_err "no regular expression" "a broken expression" $R list --keep '('
expect_err "did you mean 'loss'" "an unknown column" $R list --columns los
t "compare" bash -c "$R compare $id $child --json | jq -e '.metrics.loss == [0.125, 0.75] and .params == {\"model\": [\"cca\", \"ridge\"]}'"
t "compare as a table" bash -c "$R compare $id $child | grep -qE '^metrics.loss +0.125 +0.75 +\+0.625'"
t "compare, transposed" bash -c "[ \$($R compare -t $id $child | wc -l) = 3 ]"
t "best: the smallest loss" bash -c "[ \"\$($R best loss | cut -c1-32)\" = $id ]"
t "best: the largest on demand" bash -c "[ \"\$($R best loss --max | cut -c1-32)\" = $child ]"
expect_err "did you mean 'loss'" "best: unknown metric" $R best lss
t "export" bash -c "$R export -o all.csv && [ \$(wc -l < all.csv) = 3 ] && head -n 1 all.csv | grep -q 'params.dim,params.model,metrics.loss'"
expect_err "exists: --force" "export keeps what is there" $R export -o all.csv

# values that are no numbers, and what MLflow could not read
export ITR_RUNS_DIR=$TMP/odds
nan=$($R start --run-name nan --experiment odd); inf=$($R start --run-name inf --experiment odd); half=$($R start --run-name half --experiment odd)
$R log "$nan" metric acc=nan; $R log "$inf" metric acc=inf; $R log "$half" metric acc=0.5
matches() { [ "$($R list --experiment odd --filter "$1" -c name --format csv | tail -n +2 | sort | tr '\n' ' ')" = "$2" ]; }
t "NaN is above nothing" matches 'metrics.acc > 0' 'half inf '
t "nor below" matches 'metrics.acc <= 1' 'half '
t "and is found by name" matches 'metrics.acc = nan' 'nan '
expect_err "compared with a number" "a metric is not compared with a text" $R list --filter "metrics.acc > '0.4'"
t "JSON says NaN and Infinity" bash -c "[ \"\$($R list --experiment odd --json | jq -c '[.runs[].metrics.acc] | sort_by(tostring)')\" = '[0.5,\"Infinity\",\"NaN\"]' ]"
t "and compare does" bash -c "$R compare $nan $inf --json | jq -e '.metrics.acc == [\"NaN\", \"Infinity\"]'"
$R log "$half" metric x=nan --step 0; $R log "$half" metric x=1 --step 1; $R log "$half" metric x=3 --step 2; $R log "$half" metric y=nan --step 0; $R log "$half" metric y=nan --step 1
t "the range is that of the numbers" bash -c "$R show $half | grep -q '3 points, 1 to 3, 1 nan' && $R show $half | grep -q '2 points, 2 nan'"
t "the history of them" bash -c "$R show $half x | cut -f 1,2 | grep -qx '0	nan' && $R show $half x --json | jq -e '.points[0].value == \"NaN\"'"
$R log "$half" metric grün=1 gran=2 a+b=3 'a*b=4' 2> said
t "names that differ stay different" bash -c "$R show $half --json | jq -e '[.metrics[\"grün\", \"gran\", \"a_x2B_b\", \"a_x2A_b\"]] == [1, 2, 3, 4]'"
t "a name that MLflow refuses is said" grep -q "'a+b' is tracked as 'a_x2B_b'" said
t "and found by what it was called" bash -c "$R list --experiment odd --filter 'metrics.\"a+b\" = 3' -c name --format csv | grep -qx half"
expect_err "longer than the 6000 characters" "a param that MLflow would cut" $R log "$half" param short=1 "long=$(printf '%07000d' 0)"
t "keeps its neighbours out too" bash -c "$R show $half --json | jq -e '.params == {}'"
expect_err "longer than the 8000 characters" "a tag that MLflow would cut" $R tag "$half" "long=$(printf '%08001d' 0)"
t "the limits themselves are fine" $R log "$half" param "most=$(printf '%06000d' 0)"
expect_err "a name has 1 to 250 bytes" "a name that is too long" $R log "$half" metric "$(printf '%0251d' 0)=1"
t "bytes that are not UTF-8 are escaped, and said" bash -c "$R log $half param 'file=caf'\$'\\xe9' 2>&1 | grep -q 'is not UTF-8' && $R show $half --json | jq -e '.params.file == \"caf\\\\xE9\"'"
export ITR_RUNS_DIR=$TMP/runs

expect_err "params never change" "a param is for good" $R log "$id" param model=other
t "the same value again is fine" $R log "$id" param model=cca
expect_err "is no number" "a metric must be a number" $R log "$id" metric loss=abc
expect_err "no run 'ffffffff" "an unknown run" $R show ffffffffffffffffffffffffffffffff
expect_err "is no run id" "no way out of the store" $R show ../../etc/passwd
expect_err "the parent run is not there" "an unknown parent" $R start --parent-run 0123456789abcdef0123456789abcdef
expect_err "no experiment 'exq'.*did you mean 'exp'" "an unknown experiment" $R list --experiment exq
expect_exit 2 "an unknown command is wrong usage" $R lst
expect_exit 1 "standard output that cannot be written" bash -c "$R list > /dev/full"

t "rm" $R rm "$child"
t "rm hides it" count 1
t "rm only marks it" count 1 --deleted
expect_err "is deleted" "a deleted run takes no more" $R log "$child" metric loss=1
t "restore" $R restore "$child"
t "restore brings it back" count 2
t "rm again" $R rm "$child"
t "gc keeps the young" bash -c "[ \"\$($R gc --older-than 1d)\" = '0 runs removed' ]"
t "gc removes" bash -c "[ \"\$($R gc)\" = '1 runs removed' ]"
t "gc has removed it" count 0 --deleted
t "a whole experiment" bash -c "$R rm --experiment exp && ! $R list --experiment exp && $R restore --experiment exp && $R list --experiment exp | grep -q night"
expect_err "belongs to every store" "Default stays" $R rm --experiment Default

# A tool that is killed leaves a run that says so: itr.pid names a process that is gone.
dead=$($R start --run-name dead)
bash -c 'echo $$' > pid; printf '%s 1' "$(cat pid)" > "$(dirname "$(ls -d runs/*/"$dead"/tags)")/tags/itr.pid"; hostname | tr -d '\n' > "$(ls -d runs/*/"$dead"/tags)/itr.host"
t "a dead run is shown as such" bash -c "$R list --stale | grep -q 'process gone'"
t "end --stale" bash -c "$R end --stale && $R show $dead --json | jq -e '.status == \"KILLED\"'"

echo 'not yaml' > "$(ls -d runs/*/"$dead")/meta.yaml"
t "a damaged run is left out, loudly" bash -c "$R list 2>&1 | grep -q '1 runs in .* cannot be read'"
head -c 100000 /dev/urandom > "$(ls -d runs/*/"$id")/metrics/noise"
t "a damaged metric does no harm" $R show "$id"

# An experiment without its meta.yaml: its runs are not hidden in silence, and 0 is called Default whatever happens.
export ITR_RUNS_DIR=$TMP/odds
lost=$(dirname "$(ls -d odds/*/"$half")"); mv "$lost/meta.yaml" kept.yaml
t "runs of an experiment whose meta.yaml is lost: said, with the cure" bash -c "$R list 2>&1 | grep -q \"'.*$lost' holds 3 runs that cannot be listed.*artifact_location: 'file:///.*lifecycle_stage: active\""
printf "artifact_location: 'file://%s'\nexperiment_id: '%s'\nlifecycle_stage: active\nname: odd\n" "$PWD/$lost" "${lost#odds/}" > "$lost/meta.yaml"
t "the cure works" bash -c "! $R list --experiment odd 2>&1 | grep -q warning && $R list --experiment odd | grep -q half"
rm odds/0/meta.yaml; $R start --run-name again > again 2> said
t "Default keeps its number" bash -c "[ -e odds/0/\$(cat again)/meta.yaml ] && grep -q \"name: 'Default'\" odds/0/meta.yaml"
export ITR_RUNS_DIR=$TMP/runs

# Eight shells at once on one store: one experiment, no id twice.
for i in 1 2 3 4 5 6 7 8; do $R start --experiment race --runs-dir many & done > ids; wait
t "starts that run together share one experiment" bash -c "[ \$(sort -u ids | wc -l) = 8 ] && [ \$(ls many | wc -l) = 2 ] && [ \$($R list --json --experiment race --runs-dir many | jq '.runs | length') = 8 ]"
