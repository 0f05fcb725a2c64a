#!/usr/bin/env python3
"""evaluate --conventions trec_eval and ranx against pytrec_eval and ranx on runs with ties, grades, gaps and hostile scores; --conventions itr against every order of equal scores.

    python3 trec_conventions.py FOLDER_WITH_THE_PROGRAMS [--golden FILE]

Needs pytrec_eval (pip install pytrec_eval-terrier). ranx, which brings 600 MB with it, is compared where it is installed (3 cases a kind: its compiler takes minutes); --golden writes
what it says, for tests where it is not.
"""
import argparse, itertools, json, math, os, random, struct, subprocess, sys, tempfile

EVALUATE = None
NAMES = "default,recall_all@5,recall_all@100,precision@10,precision@100,map@5,map@10"
KEYS = {"trec_eval": {"recall@1": "success_1", "recall@5": "success_5", "recall@10": "success_10", "mrr": "recip_rank", "ndcg@10": "ndcg_cut_10", "map": "map", "r_precision": "Rprec", "recall_all@5": "recall_5", "recall_all@100": "recall_100", "precision@10": "P_10",
                      "precision@100": "P_100", "map@5": "map_cut_5", "map@10": "map_cut_10"},
        "ranx": {"recall@1": "hit_rate@1", "recall@5": "hit_rate@5", "recall@10": "hit_rate@10", "mrr": "mrr", "ndcg@10": "ndcg@10", "map": "map", "r_precision": "r-precision", "recall_all@5": "recall@5", "precision@10": "precision@10", "map@5": "map@5"}}


def f32(x):
    try:
        return struct.unpack("f", struct.pack("f", x))[0]
    except OverflowError:
        return math.copysign(math.inf, x)


def scores(rng, n, kind):
    if kind == "ties":
        return [float(rng.randrange(4)) for _ in range(n)]
    if kind == "float32":                      # equal as float32 only
        return [1 + rng.randrange(6) * 1e-9 + rng.randrange(3) for _ in range(n)]
    if kind == "hostile":
        return [rng.choice([math.inf, -math.inf, 1e39, 2e39, -1e300, 0.0, -0.0, 5e-324, 1.5]) for _ in range(n)]
    return [rng.gauss(0, 1) for _ in range(n)]


def case(seed, kind, queries=14, documents=40):
    """(run, qrels): {query: {document: score}}, {query: {document: grade}}; some queries are missing, some not named, some with grades of 0 alone."""
    rng = random.Random(seed)
    names = ["d%d" % i if rng.random() < .7 else "D\u00fcne%d" % i for i in range(documents)]
    run, qrels = {}, {}
    for q in range(queries):
        some = rng.sample(names, rng.choice([1, 3, 12, 15, 16, 17, 30, documents]))
        if rng.random() < .85:
            run["q%d" % q] = dict(zip(some, scores(rng, len(some), kind)))
        if rng.random() < .85:
            low = rng.random() < .15
            some = rng.sample(names, rng.choice([1, 4, 20])) + ([] if low or rng.random() < .5 else ["unseen%d" % q])
            qrels["q%d" % q] = {d: rng.choice([0] if low else [0, 0, 1, 1, 2, 3, -1]) for d in some}
            qrels["q%d" % q][some[0]] = max(0, qrels["q%d" % q][some[0]])          # only negative grades: pytrec_eval 0.5.11 crashes
    first = sorted(qrels)[0]
    qrels[first]["d0"] = 1                     # at least one positive
    run.setdefault(first, {"d0": 1.0})
    return run, qrels


def write(folder, run, qrels):
    with open(os.path.join(folder, "run.txt"), "w", encoding="utf-8") as f:
        for q, l in run.items():
            for i, (d, s) in enumerate(l.items()):
                f.write("%s Q0 %s %d %r tag\n" % (q, d, i + 1, s))
    with open(os.path.join(folder, "qrels.txt"), "w", encoding="utf-8") as f:
        for q, l in qrels.items():
            for d, g in l.items():
                f.write("%s 0 %s %d\n" % (q, d, g))


def ours(folder, *options):
    out = subprocess.run([EVALUATE, "--no-track", "-q", "--json", "--bootstrap", "0", "--per-query", "none", "--run", "run.txt", "--relevance", "qrels.txt", "--metrics", NAMES, *options],
                         cwd=folder, capture_output=True, text=True)
    if out.returncode:
        sys.exit("evaluate failed: " + out.stderr)
    return json.loads(out.stdout)["t2i"]


def mean(values):
    return sum(values) / len(values)


def by_trec_eval(run, qrels, skip):
    import pytrec_eval
    e = pytrec_eval.RelevanceEvaluator(qrels, {"success.1,5,10", "recip_rank", "ndcg_cut.10", "map", "Rprec", "recall.5,100", "P.10,100", "map_cut.5,10"}).evaluate(run)
    return {k: mean([e[q][t] if q in e else 0.0 for q in qrels if q in e or not skip]) for k, t in KEYS["trec_eval"].items()}


def by_ranx(run, qrels):
    import ranx
    r = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), list(KEYS["ranx"].values()) + ["ndcg_burges@10"], make_comparable=True)
    return {k: float(r[t]) for k, t in list(KEYS["ranx"].items()) + [("exponential", "ndcg_burges@10")]}


def value_of(order, grades, gain):
    """One order's figures, by the textbook."""
    best = sorted((g for g in grades.values() if g > 0), reverse=True)
    g = [max(0, grades.get(d, 0)) for d in order]
    hits = [i for i, x in enumerate(g) if x > 0]
    worth = (lambda x: x) if gain == "linear" else (lambda x: 2 ** x - 1)
    dcg = lambda l: sum(worth(x) / math.log2(i + 2) for i, x in enumerate(l[:10]))
    return {"recall@1": hits[0] < 1, "recall@5": hits[0] < 5, "mrr": 1 / (hits[0] + 1), "ndcg@10": dcg(g) / dcg(best),
            "r_precision": sum(i < len(best) for i in hits) / len(best), "precision@10": sum(i < 10 for i in hits) / 10,
            "recall_all@5": sum(i < 5 for i in hits) / len(best), "map@5": sum((k + 1) / (i + 1) for k, i in enumerate(hits) if i < 5) / min(5, len(best)), "map_at_r": sum((k + 1) / (i + 1) for k, i in enumerate(hits) if i < len(best)) / len(best)}


def by_enumeration(run, qrels, gain, gallery):
    """Mean over queries of the mean over every order of equal scores; documents that a list lacks tie behind it; missing queries 0; without a positive: left out."""
    total, n = {}, 0
    for q, grades in qrels.items():
        if not any(g > 0 for g in grades.values()):
            continue
        n += 1
        if q not in run:
            continue
        levels = sorted(set(run[q].values()), reverse=True)
        groups = [[d for d in run[q] if run[q][d] == s] for s in levels] + [[d for d in gallery if d not in run[q]]]
        orders = 0
        sums = {}
        for parts in itertools.product(*(itertools.permutations(g) for g in groups)):
            for k, v in value_of([d for p in parts for d in p], grades, gain).items():
                sums[k] = sums.get(k, 0) + v
            orders += 1
        for k, v in sums.items():
            total[k] = total.get(k, 0) + v / orders
    return {k: v / n for k, v in total.items()}


def close(what, a, b, bound):
    for k, v in b.items():
        if abs(a[k] - v) > bound:
            sys.exit("%s: %s is %.12g, not %.12g" % (what, k, a[k], v))


def main():
    global EVALUATE
    parser = argparse.ArgumentParser()
    parser.add_argument("programs")
    parser.add_argument("--golden")
    parser.add_argument("--cases", type=int, default=12)
    args = parser.parse_args()
    EVALUATE = os.path.abspath(os.path.join(args.programs, "evaluate"))
    try:
        import pytrec_eval
    except ImportError as e:
        print("skip - pytrec_eval (%s)" % e)
        return
    try:
        import ranx
    except ImportError:
        ranx = None
        print("# ranx is not installed: left out")
    golden = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("plain", "ties", "float32", "hostile"):
            for seed in range(args.cases):
                run, qrels = case(seed, kind)
                write(folder, run, qrels)
                what = "%s %d" % (kind, seed)
                close("trec_eval -c, " + what, ours(folder, "--conventions", "trec_eval", "--map-denominator", "R"), by_trec_eval(run, qrels, False), 1e-6)
                close("trec_eval, " + what, ours(folder, "--conventions", "trec_eval", "--missing-queries", "skip", "--map-denominator", "R"), by_trec_eval(run, qrels, True), 1e-6)
                if ranx and seed < 3:
                    theirs = by_ranx(run, qrels)
                    if args.golden:
                        golden.append({"run": [[q, d, repr(s)] for q, l in run.items() for d, s in l.items()], "qrels": qrels, "ranx": dict(theirs)})
                    burges = theirs.pop("exponential")
                    close("ranx, " + what, ours(folder, "--conventions", "ranx", "--map-denominator", "R"), theirs, 1e-6)
                    close("ranx, " + what, ours(folder, "--conventions", "ranx", "--gain", "exponential"), {"ndcg@10": burges}, 1e-6)
            print("ok - %d runs: %s" % (args.cases, kind))
        for seed in range(args.cases):
            rng = random.Random(seed)
            names = ["d%d" % i for i in range(6)]
            qrels = {"q%d" % q: {d: rng.choice([0, 1, 2, 3, -1]) for d in rng.sample(names, 4)} for q in range(6)}
            qrels["q0"]["d0"] = 2
            run = {"q%d" % q: {d: float(rng.randrange(3)) for d in rng.sample(names, rng.randrange(1, 7))} for q in range(6) if q == 0 or rng.random() < .8}
            gallery = sorted({d for l in run.values() for d in l} | {d for l in qrels.values() for d in l if l[d] > 0})
            write(folder, run, qrels)
            for gain in ("linear", "exponential"):
                close("every order, %d, %s" % (seed, gain), ours(folder, "--gain", gain), by_enumeration(run, qrels, gain, gallery), 1e-9)
        print("ok - %d runs: every order of equal scores" % args.cases)
    if args.golden:
        import numba
        with open(args.golden, "w") as f:
            json.dump({"made_by": {"ranx": __import__("importlib.metadata").metadata.version("ranx"), "numba": numba.__version__}, "cases": golden}, f, indent=0, sort_keys=True)
            f.write("\n")


main()
