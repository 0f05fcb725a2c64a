#!/usr/bin/env python3
"""Runs a peer script as it is, except for a slip in peer_search.py: in make() the scratch folder W is shadowed by a local W before it is read.
usage: run_peer.py SCRIPT ARGUMENTS..."""
import sys

path = sys.argv[1]
sys.argv = sys.argv[1:]
source = open(path).read().replace("f = W + f'/data/vec_", "f = globals()['W'] + f'/data/vec_", 1)
exec(compile(source, path, 'exec'), {'__name__': '__main__', '__file__': path})
