#!/usr/bin/env python3
# Reference answers for lib/text/unicode.c: bytes.decode("utf-8", "replace") on hostile byte strings, unicodedata.normalize and per-character lower().
# Characters newer than Unicode 14 are left out, so that Python's and utf8proc's versions do not matter.  python3 gen_unicode.py > unicode.txt
import random, sys, unicodedata

rng = random.Random(7)
print(f"# python {sys.version.split()[0]}, unicodedata {unicodedata.unidata_version}")
hexa = lambda b: b.hex() or "-"
bad = [b"", b"\x80", b"\xc0\x80", b"\xe2\x82", b"\xe2\x82\xe2\x82\xac", b"\xf0\x9f\x98", b"\xf0\x9f\x98a", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80",
       b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"a\xffb", b"\xc2", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"]
lead = [0x41, 0x7F, 0x80, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE2, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF, 0x8F, 0x90, 0x9F, 0xA0]
for _ in range(300):
    bad.append(bytes(rng.choice(lead) for _ in range(rng.randint(1, 8))))
for b in bad:
    print("decode", hexa(b), hexa(b.decode("utf-8", "replace").encode()))
def char():
    while True:
        c = chr(rng.choice([rng.randrange(0x20, 0x250), rng.randrange(0x300, 0x370), rng.randrange(0x370, 0x2000), rng.randrange(0x2000, 0x3100),
                            rng.randrange(0xAC00, 0xD7A4), rng.randrange(0xF900, 0xFB50), rng.randrange(0xFF00, 0xFFF0), rng.randrange(0x1D400, 0x1D800)]))
        if unicodedata.category(c) not in ("Cn", "Cs", "Co"):
            return c
for _ in range(200):
    s = "".join(char() for _ in range(rng.randint(1, 10)))
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        print(form, hexa(s.encode()), hexa(unicodedata.normalize(form, s).encode()))
    print("lower", hexa(s.encode()), hexa("".join(c.lower() for c in s).encode()))
    print("class", hexa(s.encode()), ",".join(unicodedata.category(c) for c in s))
