"""A name server on UDP 127.0.0.1:53 that returns 127.0.0.1 for every A record."""

import socket
import struct

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    query, client = server.recvfrom(512)
    end = query.index(b"\0", 12) + 5
    question = query[12:end]
    wants_a = question[-4:-2] == b"\0\1"
    header = query[:2] + struct.pack(">HHHHH", 0x8580, 1, int(wants_a), 0, 0)
    answer = b"\xc0\x0c" + struct.pack(">HHIH4s", 1, 1, 60, 4, bytes([127, 0, 0, 1])) if wants_a else b""
    server.sendto(header + question + answer, client)
