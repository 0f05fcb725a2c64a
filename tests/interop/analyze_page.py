"""The page of analyze in a real browser: it opens, sorts, shows its pictures and loads nothing from elsewhere. Skipped where no Chromium is installed."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

BIN = sys.argv[1]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
failed = False


def check(name, ok):
    global failed
    failed |= not ok
    print(("ok - " if ok else "not ok - ") + name)


tmp = tempfile.mkdtemp(prefix="itr-page.")
try:
    out = os.path.join(tmp, "result")
    grid = os.path.join(ROOT, "tests", "golden", "grid.npz")
    subprocess.run([BIN + "/run-experiments", "--no-track", "-q", "--data_path", grid, "--output_dir", out, "--embedding_dims", "16", "48", "--candidate_sizes", "12", "25",
                    "--precisions", "fp32", "int8"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([BIN + "/analyze", "--no-track", "-q", "--results_dir", out], check=True, stdout=subprocess.DEVNULL)
    page = os.path.join(out, "experiment_report.html")
    text = open(page, encoding="utf-8").read()
    links = re.findall(r"\b(?:src|href)\s*=\s*[\"']?([^\"'\s>]*)", text)
    check("no address of another place", all(v.startswith(("data:", "#")) for v in links) and not re.search(r"https?://|@import|url\((?!data:)", text))
    pictures = text.count("data:image/png;base64,")
    check("pictures are inside", pictures == 4)
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not browser:
        print("skip - the page in a browser (no chromium)")
    else:
        # what the browser made of it: written into the title by a script of ours behind the page's own
        probe = """<script>addEventListener('load',()=>{const t=[...document.querySelectorAll('table')].pop(),h=t.tHead.rows[0].cells,n=t.tBodies[0].rows.length;
        const col=[...h].findIndex(c=>/recall/.test(c.textContent));const read=()=>[...t.tBodies[0].rows].map(r=>parseFloat(r.cells[col].textContent));
        (h[col].querySelector('button')||h[col]).click();const up=read();(h[col].querySelector('button')||h[col]).click();const down=read();
        document.title=JSON.stringify({images:[...document.images].filter(i=>i.complete&&i.naturalWidth>300).length,rows:n,up,down,
        wide:document.documentElement.scrollWidth<=innerWidth+1})})</script>"""
        probed = os.path.join(tmp, "probed.html")
        with open(probed, "w", encoding="utf-8") as f:
            f.write(text.replace("</body>", probe + "</body>") if "</body>" in text else text + probe)
        dom = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                              "--disable-component-update", "--disable-sync", "--user-data-dir=" + os.path.join(tmp, "profile"), "--window-size=1400,1000", "--dump-dom",
                              "file://" + probed], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120).stdout.decode("utf-8", "replace")
        title = re.search(r"<title>(\{.*?\})</title>", dom, re.S)
        seen = json.loads(title.group(1)) if title else {}
        check("a browser runs it", bool(seen))
        check("every picture is drawn", seen.get("images") == pictures)
        up, down = seen.get("up") or [1, 0], seen.get("down") or [0, 1]
        check("a heading sorts the cells, again the other way", len(up) == seen.get("rows") and sorted((up, down)) == sorted((sorted(up), sorted(up, reverse=True))))
        check("nothing sticks out at the side", seen.get("wide") is True)
finally:
    shutil.rmtree(tmp, ignore_errors=True)
sys.exit(1 if failed else 0)
