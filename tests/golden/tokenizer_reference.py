"""The real libraries behind one call, and hostile texts, for gen_tokenizers.py and tests/interop/tokenizers.py."""
import gzip
import os
import random
import sys
import tempfile
import types

os.environ["TOKENIZERS_PARALLELISM"] = "false"
MERGES = 49152 - 256 - 2


def byte_names():
    """GPT-2's names of the 256 bytes, as OpenAI's bytes_to_unicode makes them."""
    bs = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    cs = bs[:]
    for b in range(256):
        if b not in bs:
            bs.append(b)
            cs.append(256 + len(bs) - 189)
    return [chr(c) for c in cs]


def read_merges(path):
    raw = open(path, "rb").read()
    lines = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode().split("\n")
    return [tuple(line.split()) for line in lines[1:MERGES + 1] if line]


def bert(path, cased=False):
    from transformers import BertTokenizerFast
    vocab = {line.rstrip("\n"): i for i, line in enumerate(open(path, encoding="utf-8"))}
    k = BertTokenizerFast(vocab=vocab, do_lower_case=not cased)._tokenizer
    return k


def clip(path):
    from transformers import CLIPTokenizerFast
    merges = read_merges(path)
    vocab = byte_names()
    vocab = vocab + [v + "</w>" for v in vocab] + [a + b for a, b in merges] + ["<|startoftext|>", "<|endoftext|>"]
    assert len(set(vocab)) == len(vocab)
    return CLIPTokenizerFast(vocab={t: i for i, t in enumerate(vocab)}, merges=merges)._tokenizer


class OpenClip:
    """open_clip's own tokenizer.py; ftfy without its repair of mis-decoded text, and torch, which only makes the array, replaced by an empty module where it is missing."""

    def __init__(self, path, source):
        import ftfy
        whole = ftfy.fix_text
        sys.modules["ftfy"] = types.SimpleNamespace(fix_text=lambda text: whole(text, fix_encoding=False))
        try:
            import torch  # noqa: F401
        except ImportError:
            sys.modules["torch"] = types.SimpleNamespace(LongTensor=list, Tensor=list)
        code = open(source, encoding="utf-8").read()
        assert code.count("\n_tokenizer = SimpleTokenizer()\n") == 1          # would want its own vocabulary beside it
        module = types.ModuleType("open_clip_tokenizer")
        module.__file__ = source
        exec(compile(code.replace("\n_tokenizer = SimpleTokenizer()\n", "\n"), source, "exec"), module.__dict__)
        packed = tempfile.NamedTemporaryFile(suffix=".gz")
        raw = open(path, "rb").read()
        packed.write(raw if raw[:2] == b"\x1f\x8b" else gzip.compress(raw.rstrip(b"\n")))        # it would take what follows the last newline for a merge
        packed.flush()
        self.k = module.SimpleTokenizer(bpe_path=packed.name)

    def ids(self, text, limit):
        ids = [self.k.sot_token_id] + self.k.encode(text) + [self.k.eot_token_id]
        return ids if len(ids) <= limit else ids[:limit - 1] + [self.k.eot_token_id]          # as its __call__ does


def ids(k, texts, limit=1 << 30):
    """Ids of byte strings."""
    texts = [t.decode("utf-8", "replace") for t in texts]
    if isinstance(k, OpenClip):
        return [k.ids(t, limit) for t in texts]
    k.no_padding()
    k.enable_truncation(limit) if limit < 1 << 30 else k.no_truncation()
    return [e.ids for e in k.encode_batch_fast(texts)]


NASTY = [s if isinstance(s, bytes) else s.encode() for s in [
    "", " ", "\t", "\n", "\r\n", "a", "A dog runs.", "a\tdog\n\nruns\r\nfast\x0b\x0cend", "don't I'll we've they're he's she'd I'm 'S 'LL O'Neil ''s '' '", "1234567890 3.14 50% 1st",
    "e\u0301 \u00e9 E\u0301 \u00c9 cafe\u0301 CAF\u00c9 na\u00efve", "a\u0301\u0327 a\u0327\u0301 \u1ea5 a\u0302\u0301", "q\u0307\u0323 q\u0323\u0307", "\u0301", "\u0301a", "o" + "\u0301\u0327\u0345" * 40,
    "\u0130stanbul I\u0307 \u0131 \u0130\u0130", "\u039f\u0394\u039f\u03a3 \u03a3 \u03a3\u03a3 a\u03a3 a\u03a3b a.\u03a3. a'\u03a3' \u03a3\u00ad a\u00ad\u03a3 \u039c\u03ac\u03ca\u03bf\u03c2", "Stra\u00dfe STRASSE \u1e9e",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f3f3\ufe0f\u200d\U0001f308 \U0001f44d\U0001f3fd \u2764\ufe0f", "\u4e2d\u6587\u5b57 \u4e00\u53ea\u732b \u65e5\u672c\u8a9e\u306e\u732b \uff21\uff22\uff23", "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab \u1100\u1161 \uac00\u11a8",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u200fx\u200e \u202eabc\u202c \u0627\u0644\u0644\u0651\u0647", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "\u0915\u093c \u0958 \u09c7\u09be \u09cb",
    "a\x00b \x01\x02\x1f \x7f\x80 a\x1cb\x1db\x1eb\x1fb\x85b", "soft\u00adhyphen zero\u200bwidth \ufeffbom no\u00a0break \u2028 \u2029 \u3000 \u1680 \u180e \u2007", "\ufffd a\ufffdb \ufffe \uffff \U0010ffff \ue000",
    b"\xff\xfe", b"a\xed\xa0\x80b\xed\xbf\xbf", b"\xc0\x80 \xe2\x82 \xf0\x9f\x98 \xf4\x90\x80\x80 \xf8\x88", b"caf\xe9 caf\xc3", "x" * 100, "x" * 101, "\u00e9" * 100, "\u00e9" * 101, "ab" * 2000, "9" * 300, "!" * 300, "a " * 300, "\u4e2d" * 150,
    "[CLS] [SEP] [MASK] [UNK] [PAD]", "a[MASK]b [mask] [ MASK ] [[MASK]] [MASK][MASK]", "[CLS", "[", "]]]", "##", "##ing ing## # ## ### a##b", "<|startoftext|> <|endoftext|>", "a<|endoftext|>b <|ENDOFTEXT|> <|StartOfText|>!! !!<|ENDOFTEXT|>!! < | <|",
    "<start_of_text> <end_of_text> <START_OF_TEXT> <\u017ftart_of_text> x<end_of_text>y !<end_of_text>!", "'\u017f '\u017fa \u212a \u212b \u2126", "\u0345 a\u0345b \u03b1\u0345 \u1fb3 \u1fbc \u0391\u0345", "\u1fef \u037e \u2000 \u2126 \uf900 \U0002f800 \u2adc",
    "&amp; &lt;b&gt; &amp;amp;lt; &quot;q&quot; &#39; &#x27; &#65 &#65; &#x41 &#X41; &#; &#x; &; & &&amp;", "&notit; &notin; &not &NotEqualTilde; &ngE; &AMP &AMPx &amp\u20ac; &eacute;&eacute &Eacute",
    "&#0; &#13; &#128; &#150; &#xd800; &#xdfff; &#x110000; &#99999999999999999999; &#1; &#x1f; &#xfdd0; &#xfffe; &#x1ffff; &#127; &#x80;", "&nbsp; &zwj; &NewLine; &Tab; &" + "a" * 40 + "; &CounterClockwiseContourIntegral; &am\u0301p;",
    "caf&eacute; &amp;eacute; &#8217;s it&#39;s &amp;#39;", "1\u00bd \u2167 \u0661\u0662 \U0001d7d8\U0001d7d9 \u2460 \u00b2 \u4e94", "\u01c5 \u01c4 \ufb01 \ufb03 \u1e9b\u0323 \u0149", "_under_score_ x-y x\u2013y \u201cq\u201d \u2026 \u00ab\u00bb $5 \u20ac5 \u00a35 \u00b0 \u00a9 ^ ~ ` | + = < >",
    "\U00010400\U00010428 \U0001e900 \U000118a0 \ua7ae \u13a0 \uab70 \u1c80 \u10a0 \u1c90", "\u1e9e\u0130\u03a3\u0345", "\u302a\u302b \u3099\u304b \u304b\u3099 \uff76\uff9e", "\U0001d15e \U0001d160 \U0001d165\U0001d16e", "\u0f71\u0f72\u0f73 \u0f75",
    "\u1d2c \u02b0a \u2c7c\u03a3 \u00aa\u03a3", "\ua7cb \ua7da \ua7dc \u1c89 \U00016ea0 \U00010d50", "\u088f \U00011de0 \U000323b0 \U00016d40 \u1acf \U00010efd"]]
PARTS = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "<|endoftext|>", "<|startoftext|>", "<|ENDOFTEXT|>", "<|StartOfText|>", "<start_of_text>", "<END_OF_TEXT>", "<\u017ftart_of_text>", "##", "##ing", "'s", "'re", "'LL", "'\u017f",
         "&amp;", "&amp;amp;", "&lt;", "&#x41;", "&#65", "&#0;", "&#x110000;", "&notit;", "&AMP", "&eacute", "&ngE;", "&#128;", "&#xd800;", " ", "  ", "\t", "\u3000", "\xa0", "a", "dog", "The", "running", "\u0391\u03a3", "\u03a3", "\u0130",
         "\u00df", "\u01c5", "\ufb01", "\u00e9", "e\u0301", "\uac00", "\uac01", "\u1100\u1161\u11a8", "\u4e2d\u6587", "\U0001f600", "\U0001f468\u200d\U0001f467", "\u00ad", "\ufffd", "\x00", "\x1c", "\x85", "\u0345", "\u03ac\u0345", "\u1fb3",
         "\u0301\u0327", "x" * 120, "9", "\u00bd", "\u2167", "\u0661", "\U0001d7d8", "\u0640", "\u05e9\u05dc\u05d5\u05dd", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u09c7\u09be", "!", "...", "-", "_", "\u00b0", "\u00a9", "\n", "\r"]
RANGES = [(32, 127), (0x80, 0x250), (0x250, 0x400), (0x400, 0x600), (0x600, 0x1100), (0x1100, 0x2000), (0x2000, 0x3100), (0x3000, 0xD7FF), (0xE000, 0x10000), (0x10000, 0x20000), (0x20000, 0x110000), (0x300, 0x370)]
BAD = [0xFF, 0xC0, 0xE2, 0xED, 0xA0, 0x80, 0xF0, 0x9F, 0x98, 0x41, 0xF4, 0x90]


def fuzz(seed, count):
    rng, texts = random.Random(seed), []
    for _ in range(count):
        b = b""
        for _ in range(rng.randint(1, 14)):
            x = rng.random()
            if x < .45:
                b += rng.choice(PARTS).encode()
            elif x < .85:
                b += "".join(chr(rng.randrange(*rng.choice(RANGES))) for _ in range(rng.randint(1, 5))).encode()
            elif x < .93:
                b += b" "
            else:
                b += bytes(rng.choice(BAD) for _ in range(rng.randint(1, 4)))
        texts.append(b)
    return texts


def every_code_point(first, last):
    """Each alone, then each between a and b. Surrogates are no text."""
    points = [chr(c) for c in range(first, last) if not 0xD800 <= c <= 0xDFFF]
    return [p.encode() for p in points] + [("a" + p + "b").encode() for p in points]
