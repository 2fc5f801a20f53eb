"""A TLS proxy on 127.0.0.1:PORT: tls.py CERTIFICATE KEY PORT TARGET_PORT."""

import asyncio
import ssl
import sys

certificate, key, port, target = sys.argv[1:]


async def pipe(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(reader, writer):
    onward = await asyncio.open_connection("127.0.0.1", int(target))
    await asyncio.gather(pipe(reader, onward[1]), pipe(onward[0], writer))


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(serve, "127.0.0.1", int(port), ssl=context)
    await server.serve_forever()


asyncio.run(main())
