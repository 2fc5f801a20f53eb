"""Reads a URL with gzip as Python does, in one piece and as a stream that ends with the first member; writes the body."""

import gzip
import sys
import urllib.request
import zlib

request = urllib.request.Request(sys.argv[1], headers={"Accept-Encoding": "gzip"})
with urllib.request.urlopen(request) as response:
    assert response.headers["Content-Encoding"] == "gzip", response.headers
    packed = response.read()
reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
body = reader.decompress(packed) + reader.flush()
assert reader.eof and not reader.unused_data, "more than one member"
assert gzip.decompress(packed) == body
sys.stdout.buffer.write(body)
