#!/usr/bin/env python3
"""A site that misbehaves on purpose, for tests/tools/fetch_coco_http.sh: fault_server.py ROOT PLAN LOG PORTFILE

ROOT is served with keep-alive, ETag, Last-Modified, Range and If-Range. PLAN is a JSON file {"/val2017/x.jpg": "FAULT"}, read again when it changes. One line of LOG
a request: METHOD PATH RANGE STATUS. The port goes to PORTFILE once it listens. Faults, by how often the path was asked for:
  404, 403         always                         500x2, 503x2    the first two times, then good
  429              Retry-After: 1 once            truncate        closes after half of the body, three times
  norange          truncated once, and ranges are ignored         etag     truncated once, then another ETag and other validators on the 206
  slow             stalls after half, once        wronglength     Content-Length larger than the file, always
  short            Content-Length and body are half the file, always (a picture that is cut off but correctly framed)
  html             an error page with 200         reset           the connection is reset, twice
  drip             100 bytes, 20 ms pause, always (for killing half-way)          noranges        whole files only, never a fault
  refuse-HOW       every answer breaks off after three quarters, and what asks for the rest is refused, always. HOW: 416; whole (200, from the start); etag, unsaid,
                   shifted, total (a 206 with another ETag, without Content-Range, with a wrong one, of a file of another size)
"""
import json, os, socket, struct, sys, threading, time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

root, plan_path, log_path, port_path = sys.argv[1:5]
lock, counts, plan, plan_time, begun = threading.Lock(), {}, {}, [0], {}
log = open(log_path, "a", buffering=1)


def fault_of(path):
    with lock:
        t = os.stat(plan_path).st_mtime_ns
        if t != plan_time[0]:
            plan.clear()
            plan.update(json.load(open(plan_path)))
            counts.clear()
            begun.clear()
            plan_time[0] = t
        counts[path] = counts.get(path, 0) + 1
        return plan.get(path, plan.get("*", "")), counts[path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def note(self, status):
        log.write("%s %s %s %s\n" % (self.command, self.path, self.headers.get("Range", "-"), status))

    def answer(self, status, body=b"", headers=(), length=None):
        self.note(status)
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def reset(self):
        self.note("reset")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def slice_of(self, size, etag, ranges):
        want, cond = self.headers.get("Range"), self.headers.get("If-Range")
        if not want or not ranges or (cond and cond != etag):
            return 200, 0, size
        first, last = want[len("bytes="):].split("-")
        if not first:
            return 206, max(0, size - int(last)), size
        if int(first) >= size:
            return 416, 0, 0
        return 206, int(first), min(size, int(last) + 1) if last else size

    def rest(self):
        """Is this what asks for the rest of an answer that broke off? The first request that ends there asked for more."""
        first, _, last = self.headers.get("Range", "bytes=0-")[len("bytes="):].partition("-")
        with lock:
            return first != "" and int(first) != begun.setdefault((self.path, last), int(first))

    def refuse(self, how, path):
        data = open(path, "rb").read()
        status, first, last = self.slice_of(len(data), '"a"', True)
        rest = self.rest()
        if rest and how == "416":
            return self.answer(416, headers=[("Content-Range", "bytes */%d" % len(data))])
        if rest and how == "whole":
            status, first, rest = 200, 0, False
        self.note(status)
        self.send_response(status)
        self.send_header("ETag", '"b"' if rest and how == "etag" else '"a"')
        if status == 206 and not (rest and how == "unsaid"):
            shift, more = (1 if rest and how == "shifted" else 0), (100 if rest and how == "total" else 0)
            self.send_header("Content-Range", "bytes %d-%d/%d" % (first - shift, last - 1, len(data) + more))
        self.send_header("Content-Length", str(last - first))
        self.end_headers()
        self.wfile.write(data[first:last if rest else first + (last - first) * 3 // 4])
        self.close_connection = True

    def do_GET(self):
        fault, n = fault_of(self.path)
        path = os.path.join(root, urllib.parse.unquote(self.path.split("?")[0]).lstrip("/"))
        if fault in ("404", "403") or not os.path.isfile(path):
            return self.answer(int(fault) if fault in ("404", "403") else 404, b"<html>not here</html>")
        if fault.startswith("refuse-"):
            return self.refuse(fault[len("refuse-"):], path)
        if fault in ("500x2", "503x2") and n <= 2:
            return self.answer(int(fault[:3]), b"oops")
        if fault == "429" and n == 1:
            return self.answer(429, headers=[("Retry-After", "1")])
        if fault == "html":
            return self.answer(200, b"<html><body>please log in</body></html>", [("Content-Type", "image/jpeg")])
        if fault == "reset" and n <= 2:
            return self.reset()
        data = open(path, "rb").read()
        if fault == "short":
            data = data[:len(data) // 2]
        etag = '"%x-%x%s"' % (len(data), int(os.stat(path).st_mtime), "-new" if fault == "etag" and n > 1 else "")
        ranges = fault not in ("norange", "noranges")
        status, first, last = self.slice_of(len(data), etag, ranges) if not (fault == "etag" and n == 2) else (206, len(data) // 2, len(data))
        if status == 416:
            return self.answer(416, headers=[("Content-Range", "bytes */%d" % len(data))])
        headers = [("ETag", etag)] + ([("Content-Range", "bytes %d-%d/%d" % (first, last - 1, len(data)))] if status == 206 else [])
        body = data[first:last]
        cut = len(body)
        if (fault == "truncate" and n <= 3) or (fault in ("norange", "etag", "slow") and n == 1):
            cut //= 2
        length = len(body) + (100 if fault == "wronglength" else 0)
        self.note(status)
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if fault == "drip":
            for i in range(0, cut, 100):
                self.wfile.write(body[i:i + 100])
                self.wfile.flush()
                time.sleep(0.02)
        else:
            self.wfile.write(body[:cut])
        if cut < length:
            self.wfile.flush()
            if fault == "slow":
                time.sleep(20)
            self.close_connection = True

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (OSError, ValueError):
            self.close_connection = True


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request, address):
        pass


server = Server(("127.0.0.1", 0), Handler)
with open(port_path + ".new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(port_path + ".new", port_path)
server.serve_forever()
