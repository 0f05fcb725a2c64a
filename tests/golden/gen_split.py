"""Golden split for lib/data/split.c. Lines: seed, fractions, then one letter an id (t train, v val, x test) in the order the test makes the ids: id i is str(i * 7919 % 100003)."""
import sys
import numpy as np

with open(sys.argv[1], "w") as f:
    f.write(f"# gen_split.py, NumPy {np.__version__}\n")
    for seed, n, (a, b, c) in [(42, 100, (.6, .2, .2)), (7, 13, (.8, .1, .1)), (0, 1, (.6, .2, .2)), (2**40, 257, (0, 0, 1)), (42, 29, (.5, .25, .25))]:
        ids = [str(i * 7919 % 100003) for i in range(n)]
        order = sorted(ids, key=lambda s: s.encode())
        p = np.random.default_rng(seed).permutation(n)
        test, val = int(n * c), int(n * b)
        part = {order[p[k]]: "x" if k < test else "v" if k < test + val else "t" for k in range(n)}
        f.write(f"{seed} {a} {b} {c} {''.join(part[i] for i in ids)}\n")

# Groups (connected components when a row has several): sorted by their smallest id, permuted as ids are, filled until floor(N t), then floor(N v). Lines: seed, fractions, the
# groups of each id as letters ("-" none; several joined by "+"), separated by ",", then the parts. Not through the library's rule, but by sets.
with open(sys.argv[1].replace("split.txt", "split_groups.txt"), "w") as f:
    f.write(f"# gen_split.py, NumPy {np.__version__}\n")
    for seed, n, groups, several, (a, b, c) in [(42, 60, 20, 0, (.6, .2, .2)), (7, 40, 26, .2, (.8, .1, .1)), (3, 50, 3, 0, (.4, .3, .3)), (1, 30, 30, -1, (.5, .25, .25))]:
        ids = [str(i * 7919 % 100003) for i in range(n)]
        rng = np.random.default_rng([seed, 9])
        tags = []
        for i in range(n):
            t = [] if several < 0 or rng.random() < .1 else [chr(97 + int(rng.integers(groups)))]
            if t and rng.random() < several:
                t.append(chr(97 + int(rng.integers(groups))))
            tags.append(t)
        components = []
        for i in range(n):
            touched = [x for x in components if x[1] & set(tags[i])]
            components = [x for x in components if not any(x is y for y in touched)]
            components.append((set([i]).union(*(x[0] for x in touched)), set(tags[i]).union(*(x[1] for x in touched))))
        order = sorted(components, key=lambda x: min(ids[i].encode() for i in x[0]))
        p = np.random.default_rng(seed).permutation(len(order))
        part, test, val = {}, 0, 0
        for k in p:
            which = "x" if test < int(n * c) else "v" if val < int(n * b) else "t"
            test += len(order[k][0]) if which == "x" else 0
            val += len(order[k][0]) if which == "v" else 0
            for i in order[k][0]:
                part[i] = which
        f.write(f"{seed} {a} {b} {c} {','.join('+'.join(t) or '-' for t in tags)} {''.join(part[i] for i in range(n))}\n")
