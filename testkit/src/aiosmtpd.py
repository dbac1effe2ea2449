"""An SMTP server made of the aiosmtpd package, for the tests of testkit's aiosmtpd.rs.

Listens on a free port of 127.0.0.1 and prints "listening PORT". Each accepted message number N becomes two files in
the directory: N.eml, the message byte for byte, and N.json, its envelope. Both are complete before "stored N" is
printed, and that line before the client gets its answer.
"""

import argparse
import asyncio
import json
import os
import ssl

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def main():
    asyncio.run(serve(parse_arguments()))


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", required=True)
    parser.add_argument("--certificate", help="offer STARTTLS with this certificate, and insist on it")
    parser.add_argument("--key")
    parser.add_argument("--user", help="insist on authentication as this user")
    parser.add_argument("--password")
    parser.add_argument("--smtputf8", action="store_true")
    return parser.parse_args()


async def serve(options):
    handler = Store(options.directory)
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate, options.key)

    def authenticate(server, session, envelope, mechanism, credentials):
        right = isinstance(credentials, LoginPassword) and credentials == (
            options.user.encode(),
            options.password.encode(),
        )
        # "Not handled" leaves the 535 to the library.
        return AuthResult(success=right, handled=False, auth_data=options.user)

    connections = 0

    def session():
        nonlocal connections
        connections += 1
        server = SMTP(
            handler,
            hostname="testkit.example",
            data_size_limit=64 * 1024 * 1024,
            enable_SMTPUTF8=options.smtputf8,
            tls_context=tls,
            require_starttls=tls is not None,
            auth_required=options.user is not None,
            auth_require_tls=tls is not None,
            authenticator=authenticate if options.user is not None else None,
            loop=asyncio.get_running_loop(),
        )
        server.connection_number = connections
        return server

    listener = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    print("listening", listener.sockets[0].getsockname()[1], flush=True)
    async with listener:
        await listener.serve_forever()


class Store:
    """Keeps what is accepted."""

    def __init__(self, directory):
        self.directory = directory
        self.count = 0

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        self.write(f"{self.count}.eml", envelope.original_content)
        description = {
            "envelope_from": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "mail_parameters": envelope.mail_options,
            "connection": server.connection_number,
            "tls": session.ssl is not None,
            "authenticated": session.auth_data if session.authenticated else None,
        }
        self.write(f"{self.count}.json", json.dumps(description).encode())
        print("stored", self.count, flush=True)
        return "250 2.0.0 taken"

    def write(self, name, content):
        path = os.path.join(self.directory, name)
        with open(path + ".part", "wb") as file:
            file.write(content)
        os.replace(path + ".part", path)


main()
