#!/usr/bin/env bash
# What stands between a file and its vector, ours beside the peers' in turn: one JSON line a case (case, ours, peer, ratio, limit). Every tests/bench/bench_encode_*.sh is a part
# and prints such lines; this one runs them all, or those named in PARTS. PEERS_PYTHON, ITR_SHARED, ROUNDS: as in bench_train.sh. PEERS_DIR: the peers' scratch folder.
cd "$(dirname "$0")/../.." || exit 1
export ITR_SHARED=${ITR_SHARED:-$(cd .. && pwd)/shared} PEERS_DIR=${PEERS_DIR:-$PWD/build/bench/peers} ROUNDS=${ROUNDS:-3}
for part in tests/bench/bench_encode_*.sh; do
	name=${part#tests/bench/bench_encode_}; name=${name%.sh}
	case " ${PARTS:-$name} " in *" $name "*) bash "$part" || echo "bench_encode: part '$name' failed" >&2 ;; esac
done
