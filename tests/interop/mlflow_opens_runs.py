"""MLflow itself on a store that `runs` wrote: finds the runs, reads every value, edits them, migrates them. Argument: the folder with the programs."""
import json, math, os, subprocess, sys, tempfile, urllib.request

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
for name in ("ITR_PARENT_RUN", "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
    os.environ.pop(name, None)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import story  # noqa: E402
from story import BIN, check  # noqa: E402


def runs(*args, store, stdin=None):
    out = subprocess.run([os.path.join(BIN, "runs"), *args, "--runs-dir", store], input=stdin, capture_output=True, text=True, errors="surrogateescape")
    if out.returncode:
        raise SystemExit("not ok - runs %s: %s" % (" ".join(args), out.stderr))
    return out.stdout.strip()


def bytes_story(client, store):
    """Bytes that are not UTF-8, names of all kinds, values that are no numbers: MLflow goes on reading, and finds what `runs` finds."""
    latin = b"caf\xe9"
    id = runs("start", "--run-name", latin, "--experiment", b"e-" + latin, store=store)
    runs("log", id, "param", b"p=" + latin, b"name-" + latin + b"=1", store=store)
    runs("log", id, "metric", "gr\u00f6\u00dfe=1", "a:b=2", "a+b=3", "a*b=4", "x\u2013y=5", "x\u2014y=6", "\u65e5\u672c=7", store=store)
    runs("tag", id, b"t=" + latin, store=store)
    note = os.path.join(os.fsencode(store), b"..", latin + b".txt")
    open(note, "w").write("x")
    runs("log", id, "artifact", note, store=store)
    values = {"nan": float("nan"), "inf": float("inf"), "low": -1.0, "high": 0.5}
    by_value = {runs("start", "--run-name", k, "--experiment", "values", store=store): k for k in values}
    for run, k in by_value.items():
        runs("log", run, "metric", "acc=%r" % values[k], store=store)
    ids = {e.name: e.experiment_id for e in client.search_experiments()}
    found = client.search_runs(list(ids.values()))
    check("mlflow reads an experiment, run, params and tags that were not UTF-8", id in {r.info.run_id for r in found} and "e-caf\\xE9" in ids, ids)
    r = client.get_run(id)
    check("their bytes can still be told", (r.info.run_name, r.data.params["p"], r.data.tags["t"], r.data.params.get("name-caf_byteE9_")) ==
          ("caf\\xE9", "caf\\xE9", "caf\\xE9", "1") and [a.path for a in client.list_artifacts(id)] == ["caf\\xE9.txt"], r)
    check("metrics of different names are different metrics", sorted(r.data.metrics.values()) == [1, 2, 3, 4, 5, 6, 7] and r.data.metrics["gr\u00f6\u00dfe"] == 1
          and r.data.metrics["a:b"] == 2 and r.data.metrics["\u65e5\u672c"] == 7, r.data.metrics)
    for f in ("metrics.acc > 0", "metrics.acc >= 1", "metrics.acc < 1", "metrics.acc <= 0", "metrics.acc != 0.5", "metrics.acc = 0.5"):
        theirs = {by_value[x.info.run_id] for x in client.search_runs([ids["values"]], f)}
        ours = {by_value[x["id"]] for x in json.loads(runs("list", "--json", "--experiment", "values", "--filter", f, store=store))["runs"]}
        check("filter %s: the runs that mlflow finds" % f, ours == theirs, (ours, theirs))


def main():
    import mlflow
    from mlflow.tracking import MlflowClient

    top = tempfile.mkdtemp(prefix="itr-mlflow.")
    store = os.path.join(top, "it's runs, 100 % \"\u00fc\" #1")
    odd = "it's: a #name, \u00fc"
    parent = runs("start", "--run-name", odd, "--experiment", "night", "--note", "two\nlines", store=store)
    child = runs("start", "--parent-run", parent, "--run-name", "child", store=store)
    runs("log", child, "metric", "recall@10=0.25", "loss=1e-300", "--step", "1", store=store)
    runs("log", child, "metric", "recall@10=0.5", "t2i/mrr=0.3333333333333333", "--step", "2", store=store)
    runs("log", child, "metric", "-", store=store, stdin="".join("curve %r %d\n" % (1 / (i + 1), i) for i in range(2500)))
    runs("log", child, "metric", "bad=nan", store=store)
    runs("log", child, "param", "model=cca", "empty=", "a:b=c", store=store)
    runs("tag", child, "colour=gr\u00fcn", store=store)
    note = os.path.join(top, "note.txt")
    open(note, "w").write("hello\n")
    runs("log", child, "artifact", note, store=store)
    runs("end", child, "--status", "FINISHED", store=store)
    runs("end", parent, "--status", "KILLED", store=store)

    uri = "file://" + urllib.request.pathname2url(store)
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    names = {e.name: e.experiment_id for e in client.search_experiments()}
    check("mlflow %s finds the experiments" % mlflow.__version__, set(names) == {"Default", "night"} and names["Default"] == "0", names)
    found = client.search_runs(list(names.values()))
    check("search_runs finds both runs", {r.info.run_id for r in found} == {parent, child}, found)
    p, c = client.get_run(parent), client.get_run(child)
    check("status, name, times", (p.info.status, c.info.status, p.info.run_name, c.info.run_name) == ("KILLED", "FINISHED", odd, "child")
          and c.info.end_time >= c.info.start_time > 0, (p.info, c.info))
    check("metrics: the latest value", c.data.metrics["recall_at_10"] == 0.5 and c.data.metrics["loss"] == 1e-300 and c.data.metrics["t2i/mrr"] == 1 / 3
          and math.isnan(c.data.metrics["bad"]), c.data.metrics)
    history = client.get_metric_history(child, "curve")
    check("metric history, every digit", [(m.step, m.value) for m in history] == [(i, 1 / (i + 1)) for i in range(2500)], history[:3])
    check("params", c.data.params == {"model": "cca", "empty": "", "a:b": "c"}, c.data.params)
    check("tags", c.data.tags["mlflow.parentRunId"] == parent and c.data.tags["colour"] == "gr\u00fcn" and p.data.tags["mlflow.note.content"] == "two\nlines"
          and c.data.tags["mlflow.source.name"] == "runs" and c.data.tags["mlflow.user"] == c.info.user_id, (c.data.tags, p.data.tags))
    check("artifacts", [a.path for a in client.list_artifacts(child)] == ["note.txt"]
          and open(client.download_artifacts(child, "note.txt")).read() == "hello\n", client.list_artifacts(child))
    hit = client.search_runs([names["night"]], "metrics.recall_at_10 > 0.4 and params.model = 'cca'")
    check("mlflow's own search", [r.info.run_id for r in hit] == [child], hit)
    bytes_story(MlflowClient("file://" + top + "/odd"), os.path.join(top, "odd"))
    with mlflow.start_run(experiment_id=names["night"], run_name="from mlflow: %s" % ("long name " * 20)) as r:
        mlflow.log_metric("recall_at_10", 0.75, step=3)
        mlflow.log_param("model", "theirs")
    client.set_tag(child, "mlflow.note.content", "edited")
    client.update_run(child, name="renamed: 'by' \"mlflow\"")
    client.delete_run(parent)
    listed = {x["id"]: x for x in json.loads(runs("list", "--json", store=store))["runs"]}
    check("runs reads what mlflow wrote", set(listed) == {child, r.info.run_id} and listed[child]["name"] == "renamed: 'by' \"mlflow\""
          and listed[r.info.run_id]["name"] == r.info.run_name and listed[r.info.run_id]["metrics"] == {"recall_at_10": 0.75}
          and listed[child]["tags"]["mlflow.note.content"] == "edited", listed)
    runs("restore", parent, store=store)
    check("restore is seen by mlflow", client.get_run(parent).info.lifecycle_stage == "active")
    runs("rm", parent, store=store)
    check("rm is seen by mlflow", {x.info.run_id for x in client.search_runs(list(names.values()))} == {child, r.info.run_id})
    database = os.path.join(top, "mlflow.db")
    out = subprocess.run([sys.executable, "-m", "mlflow", "migrate-filestore", "--source", store, "--target", "sqlite:///" + database], capture_output=True, text=True)
    check("mlflow migrate-filestore", out.returncode == 0, (out.stdout + out.stderr)[-1500:])
    if out.returncode == 0:
        sql = MlflowClient("sqlite:///" + database)
        m = sql.get_run(child)
        check("the migrated run is whole", m.data.metrics["recall_at_10"] == 0.5 and m.data.params["model"] == "cca"
              and len(sql.get_metric_history(child, "curve")) == 2500 and m.data.tags["mlflow.parentRunId"] == parent, m)


main()
sys.exit(story.verdict())
