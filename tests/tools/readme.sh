#!/usr/bin/env bash
# What the README's commands leave in a clone does not show up in `git status`.
. "$(dirname "$0")/../lib.sh"
command -v git >/dev/null || { skip "git status after the tour" "git is not installed"; exit 0; }
# outputs: every -o, --sheet, ... of the commands shown, without those inside of $(...)
sed -n '/^```/,/^```/p' "$ROOT/README.md" | grep -oE -- ' (-o|--output|--sheet|--output[-_]dir|--output[-_]path|--run-out|--qrels-out) +[^ ]+' | awk '{ print $2 }' | sort -u > outputs
# and what stands beside them: evaluate's figures of each query, what a resumable step keeps, a network's checkpoint and curves, the runs
{ sed 's/^[^.]*$/&\/manifest.jsonl/' outputs; sed -n 's/\.npz$/.per_query.npz/p; s/\.h5$/.h5.parts\/00000.h5/p; s/\.h5$/.ckpt.h5/p; s/\.h5$/.curves.png/p' outputs; echo runs/0/meta.yaml; } > all
git init -q clone 2>/dev/null && cp "$ROOT/.gitignore" clone && (cd clone && while read -r f; do mkdir -p "$(dirname "$f")" && : > "$f"; done < ../all)
t "the tour's outputs are found in the README" test "$(grep -cxE 'data/scenes|features.h5|cca.h5|test.npz|retrieval.png' outputs)" = 5
t "git ignores each of them" bash -c 'cd clone && while read -r f; do git check-ignore -q "$f" || { echo "$f shows up"; exit 1; }; done < ../all'
t "git status shows nothing but .gitignore" bash -c 'cd clone && git status --porcelain | grep -v gitignore | { ! grep .; }'
tracked() { (cd "$ROOT" && git rev-parse -q --verify HEAD > /dev/null 2>&1) || return 0; (cd "$ROOT" && git ls-files -ci --exclude-standard) | { ! grep .; }; }
t "nothing that is tracked is ignored" tracked
