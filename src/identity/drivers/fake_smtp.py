"""A mail server for tests (RFC 5321, as much as a client needs). Listens on loopback, on a port of the kernel's choice.

    fake_smtp.py MODE [--cert PEM] [--temporary N] [--refuse] [--hang]

MODE: plain, starttls or smtps. Writes one line of JSON for each thing that happens; ends when its standard input does.
"""
import argparse
import base64
import json
import os
import socket
import ssl
import sys
import threading

options = argparse.ArgumentParser()
options.add_argument("mode", choices=["plain", "starttls", "smtps"])
options.add_argument("--cert")
options.add_argument("--temporary", type=int, default=0)
options.add_argument("--refuse", action="store_true")
options.add_argument("--hang", action="store_true")
arguments = options.parse_args()
temporary = arguments.temporary


def say(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(arguments.cert)
    return made


def converse(connection):
    global temporary
    secure = arguments.mode == "smtps"
    if secure:
        connection = context().wrap_socket(connection, server_side=True)
    stream = connection.makefile("rwb")

    def answer(text):
        stream.write(text.encode() + b"\r\n")
        stream.flush()

    answer("220 fake")
    sender = recipient = user = None
    while line := stream.readline():
        command = line.decode().strip()
        verb = command.upper().split(" ")[0].split(":")[0]
        if verb in ("EHLO", "HELO"):
            if arguments.mode == "starttls" and not secure:
                answer("250-fake\r\n250-STARTTLS\r\n250 AUTH PLAIN")
            else:
                answer("250-fake\r\n250 AUTH PLAIN")
        elif verb == "STARTTLS":
            answer("220 go ahead")
            connection = context().wrap_socket(connection, server_side=True)
            stream = connection.makefile("rwb")
            secure = True
        elif verb == "AUTH":
            words = command.split(" ")
            if len(words) == 2:
                answer("334 ")
                words.append(stream.readline().decode().strip())
            user = base64.b64decode(words[2]).decode().replace("\0", "/")
            answer("235 welcome")
        elif verb == "MAIL":
            sender = command
            answer("250 ok")
        elif verb == "RCPT":
            if arguments.refuse:
                say(event="refused")
                answer("550 nobody here")
            elif temporary > 0:
                temporary -= 1
                say(event="temporary")
                answer("451 later")
            else:
                recipient = command
                answer("250 ok")
        elif verb == "DATA":
            answer("354 go on")
            body = b""
            while (part := stream.readline()) not in (b".\r\n", b""):
                body += part
            say(event="mail", sender=sender, recipient=recipient, user=user, secure=secure, body=body.decode("latin-1"))
            answer("250 taken")
        elif verb == "QUIT":
            answer("221 bye")
            return
        else:
            answer("250 ok")


def serve(connection):
    say(event="connected")
    if arguments.hang:
        return
    try:
        converse(connection)
    except (OSError, UnicodeDecodeError) as error:
        say(event="broken", why=str(error))
    finally:
        connection.close()


def accept_all(listener):
    held = []
    while True:
        connection, _ = listener.accept()
        held.append(connection)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


listening = socket.create_server(("127.0.0.1", 0))
say(event="listening", port=listening.getsockname()[1])
threading.Thread(target=accept_all, args=(listening,), daemon=True).start()
sys.stdin.read()
os._exit(0)
