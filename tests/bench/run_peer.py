#!/usr/bin/env python3
"""Runs a peer script as it is, except for a slip in peer_search.py: in make() the scratch folder W is shadowed by a local W before it is read.
Each thread of the peer gets a processor of its own, as ours do (bench_search.c, bind_threads). usage: run_peer.py SCRIPT ARGUMENTS..."""
import concurrent.futures as futures
import itertools
import os
import sys

pooled = any('numkong' in a for a in sys.argv)          # threads of a Python pool; the others' are OpenMP's
cpus = sorted(os.sched_getaffinity(0))
if not pooled:
    os.environ['OMP_PROC_BIND'] = 'true'
if any('faiss' in a for a in sys.argv) and 'avx512bw' in open('/proc/cpuinfo').read():
    # the OpenBLAS in FAISS's wheel does not know the newest processors and would take kernels without AVX there: a quarter of the speed
    os.environ['OPENBLAS_CORETYPE'] = 'SkylakeX'


class Pool(futures.ThreadPoolExecutor):
    def __init__(self, n):
        turn = itertools.cycle(cpus)
        super().__init__(n, initializer=lambda: os.sched_setaffinity(0, {next(turn)}))


futures.ThreadPoolExecutor = Pool
path = sys.argv[1]
sys.argv = sys.argv[1:]
source = open(path).read().replace("f = W + f'/data/vec_", "f = globals()['W'] + f'/data/vec_", 1)
exec(compile(source, path, 'exec'), {'__name__': '__main__', '__file__': path})
