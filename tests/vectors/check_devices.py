#!/usr/bin/env python3
"""The sections Linking, Recovery and Attachments of docs/protocol.md, written a second time, run against tests/vectors/devices.json.

Both sides of both ways of linking are played from the listed randomness and must give the listed bytes; the recovery file is opened and
made again; the attachment is encrypted, from several offsets. Primitives and reading of lists are check_session.py's.

    check_devices.py --libcrypto /path/to/libcrypto.so.3 [devices.json]
"""

import argparse
import base64
import ctypes
import hashlib
import json
import pathlib
import struct

from check_session import (HMAC, Comparison, Crypto, H, Param, Reader, SplitMix64, compare_lists, expand, extract, read_device_list,
                           read_prekey_set, u16, u32, x25519)


class DeviceCrypto(Crypto):
    UNSIGNED = 2

    def __init__(self, path):
        super().__init__(path)
        for name in ("EVP_KDF_fetch", "EVP_KDF_CTX_new", "EVP_aes_256_ctr"):
            getattr(self.lib, name).restype = ctypes.c_void_p

    def argon2id(self, passphrase, salt, memory_kib, passes, lanes):
        """RFC 9106, version 0x13, 32 bytes."""
        numbers = {b"memcost": memory_kib, b"iter": passes, b"lanes": lanes, b"threads": 1}
        octets = {b"pass": passphrase, b"salt": salt}
        array = (Param * (len(numbers) + len(octets) + 1))()
        keep = [ctypes.c_uint32(value) for value in numbers.values()]
        for entry, key, value in zip(array, numbers, keep):
            entry.key, entry.data_type, entry.data, entry.data_size = key, self.UNSIGNED, ctypes.addressof(value), 4
        for entry, (key, value) in zip(list(array)[len(numbers):], octets.items()):
            entry.key, entry.data_type, entry.data_size = key, self.OCTET_STRING, len(value)
            entry.data = ctypes.cast(ctypes.c_char_p(value), ctypes.c_void_p)
        context = self.call("EVP_KDF_CTX_new", self.call("EVP_KDF_fetch", None, b"ARGON2ID", None))
        out = ctypes.create_string_buffer(32)
        assert self.call("EVP_KDF_derive", context, out, ctypes.c_size_t(32), array) == 1
        return out.raw

    def ctr(self, key, counter, text):
        """AES-256-CTR from the given counter block on."""
        context, size = self.call("EVP_CIPHER_CTX_new"), ctypes.c_int()
        cipher = self.lib.EVP_aes_256_ctr()
        assert self.call("EVP_CipherInit_ex", context, cipher, None, key, counter.to_bytes(16, "big"), 1) == 1
        out = ctypes.create_string_buffer(len(text) + 1)
        assert self.call("EVP_CipherUpdate", context, out, ctypes.byref(size), text, len(text)) == 1
        return out.raw[:len(text)]


# --- linking ----------------------------------------------------------------------------------------------------------------------

HELLO, ANSWER, COMMITMENT, NONCE, REVEAL, WELCOME, KEYS, DONE = range(1, 9)


def message(kind, *body):
    return bytes([1, kind]) + b"".join(body)


class Channel:
    """Both directions: direction 0 is from the new device."""

    def __init__(self, crypto, transcript, dh, kem_secret, secret):
        self.crypto, self.transcript, self.counters = crypto, transcript, [0, 0]
        keys = expand(extract(transcript, dh, kem_secret, secret), b"opaline/1 link channel", 64)
        self.keys = keys[:32], keys[32:]

    def sealed(self, direction, kind, text):
        header, n = bytes([1, kind]), self.counters[direction]
        self.counters[direction] += 1
        nonce, data = u32(0) + struct.pack(">Q", n), self.transcript + bytes([direction]) + header
        out = self.crypto.gcm(self.keys[direction], nonce, data, text, True)
        assert self.crypto.gcm(self.keys[1 - direction], nonce, data, out, False) is None
        return header + out


def link(crypto, listed, alice, new_device, check, where):
    """Plays both sides; every message must be the listed one."""
    exchange, mailbox = bytes.fromhex(listed["exchange"]), bytes.fromhex(listed["mailbox"])
    of_new = [bytes.fromhex(drawn) for drawn in listed["random_new"]]
    of_primary = [bytes.fromhex(drawn) for drawn in listed["random_primary"]]
    sent = iter(listed["messages"])

    def send(sender, made, plaintext=None):
        entry = next(sent)
        check.same(where, entry["from"], sender)
        check.same(where, entry["bytes"], made)
        if plaintext is not None:
            check.same(where, entry["plaintext"], plaintext)
        assert len(made) <= 49152
        return made

    # The opening.
    x_new, kem_seed, secret = of_new.pop(0), of_new.pop(0), of_new.pop(0)
    kem_key = crypto.kem_public(kem_seed)
    hello = send("new", message(HELLO, x25519(x_new), kem_key))
    x_primary = of_primary.pop(0)
    ciphertext, kem_secret = crypto.encaps(kem_key, of_primary.pop(0))
    assert crypto.decaps(kem_seed, ciphertext) == kem_secret
    dh = x25519(x_new, x25519(x_primary))
    assert dh == x25519(x_primary, x25519(x_new))
    answer = x25519(x_primary) + ciphertext
    if "code" in listed:
        code = bytes([1]) + exchange + secret + H(b"opaline/1 link hello", hello)
        check.same(where, listed["code"], "opaline-link:" + base64.urlsafe_b64encode(code).decode().rstrip("="))
        assert len(listed["code"]) == 100
        transcript = H(b"opaline/1 link transcript", exchange, hello, send("primary", message(ANSWER, answer)))
    else:
        reveal_body, secret = answer + of_primary.pop(0), b""
        commitment = send("primary", message(COMMITMENT, H(b"opaline/1 link commitment", exchange, hello, reveal_body)))
        nonce = send("new", message(NONCE, of_new.pop(0)))
        reveal = send("primary", message(REVEAL, reveal_body))
        transcript = H(b"opaline/1 link transcript", exchange, hello, commitment, nonce, reveal)
        digits = int.from_bytes(H(b"opaline/1 link digits", transcript)[:8], "big") % 100000000
        check.same(where, listed["digits"], "%08d" % digits)
    check.all(where, listed, {"transcript": transcript, "dh": dh, "kem_secret": kem_secret})
    channel = Channel(crypto, transcript, dh, kem_secret, secret)

    # What is said.
    handle = listed["handle"].encode()
    welcome = mailbox + bytes([len(handle)]) + handle + alice["device_list"]
    send("primary", channel.sealed(1, WELCOME, welcome), welcome)
    name = new_device["name"]
    signing, agreement = crypto.hybrid_public(new_device["signing_private"]), x25519(new_device["agreement_private"])
    keys = (signing + agreement + u32(3) + b"\x01" + bytes([len(name)]) + name.ljust(64, b"\0") + new_device["prekey_set"] +
            new_device["one_time_batch"])
    signed = H(b"opaline/1 link welcome", transcript, welcome) + keys
    signature = crypto.sign_hybrid(new_device["signing_private"], b"opaline/1 link keys", signed, of_new.pop(0))
    assert crypto.verify_hybrid(signing, b"opaline/1 link keys", signed, signature)
    send("new", channel.sealed(0, KEYS, keys + signature), keys + signature)
    done = bytes.fromhex(listed["new_list"])
    send("primary", channel.sealed(1, DONE, done), done)
    assert next(sent, None) is None and not of_new

    # What both sides check.
    before, after = read_device_list(crypto, alice["device_list"]), read_device_list(crypto, done)
    check.same(where, "successor", compare_lists(before, after))
    number = before["next_device"]
    check.same(where, sorted([*before["devices"], number]), sorted(after["devices"]))
    check.same(where, mailbox.hex(), after["devices"][number]["mailbox"])
    check.same(where, signing.hex(), after["devices"][number]["signing_public"])
    check.same(where, agreement.hex(), after["devices"][number]["agreement_public"])
    prekeys = read_prekey_set(crypto, signing, new_device["prekey_set"])
    check.same(where, [before["account"].hex(), number], [prekeys["account"].hex(), prekeys["device"]])
    level = [H(b"\x00", u16(i), new_device["one_time_batch"][32 * i:32 * i + 32]) for i in range(prekeys["count"])]
    while len(level) > 1:
        level = [H(b"\x01", level[i], level[i + 1]) for i in range(0, len(level), 2)]
    check.same(where, prekeys["root"].hex(), level[0])


# --- recovery and attachments -----------------------------------------------------------------------------------------------------


def recover(crypto, listed, alice, check):
    file, passphrase = bytes.fromhex(listed["file"]), bytes.fromhex(listed["passphrase"])
    r = Reader(file)
    assert r.take(16) == b"opaline recovery" and file[-32:] == H(b"opaline/1 recovery file", file[:-32])
    assert r.number(1) == 1
    costs = {"memory_kib": r.number(4), "passes": r.number(4), "lanes": r.number(1)}
    salt = r.take(16)
    check.all("recovery", listed, costs | {"salt": salt})
    header, sealed = file[:r.at], file[r.at:-32]
    key = crypto.argon2id(passphrase, salt, **costs)
    contents = crypto.gcm(key, bytes(12), header, sealed, False)
    assert contents is not None
    assert crypto.gcm(crypto.argon2id(passphrase[:-1], salt, **costs), bytes(12), header, sealed, False) is None
    c = Reader(contents)
    private = c.take(64)
    check.same("recovery", alice["account_private"].hex(), private)
    check.all("recovery", listed, {"primary": c.number(4), "created": c.number(8)})
    check.same("recovery", listed["handles"], [c.take(c.number(1)).decode() for _ in range(c.number(1))])
    device_list = contents[c.at:]
    check.same("recovery", alice["device_list"].hex(), device_list)
    check.same("recovery", read_device_list(crypto, device_list)["account_public"].hex(), crypto.hybrid_public(private))
    again = header + crypto.gcm(key, bytes(12), header, contents, True)
    check.same("recovery", listed["file"], again + H(b"opaline/1 recovery file", again))
    answered = crypto.sign_hybrid(private, b"opaline account recovery v1", bytes.fromhex(listed["challenge"]) + alice["account"],
                                  bytes.fromhex(listed["mldsa_rnd"]))
    check.same("recovery", listed["signature"], answered)


def attach(crypto, listed, check):
    key, plaintext, ciphertext = (bytes.fromhex(listed[name]) for name in ("key", "plaintext", "ciphertext"))
    for offset in (0, 1, 15, 16, 17, 999):
        made = crypto.ctr(key, offset // 16, bytes(offset % 16) + plaintext[offset:])[offset % 16:]
        check.same("attachment", ciphertext[offset:].hex(), made)
    check.same("attachment", listed["sha256"], hashlib.sha256(ciphertext).digest())
    for release in listed["release"]:
        device = bytes.fromhex(release["account"]) + u32(release["device"])
        token = HMAC(bytes.fromhex(listed["release_secret"]), b"opaline/1 release token" + device)
        check.all("release", release, {"token": token, "hash": H(token)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--libcrypto", required=True, help="OpenSSL 3.5's shared library")
    parser.add_argument("vectors", nargs="?", default=pathlib.Path(__file__).with_name("devices.json"))
    options = parser.parse_args()
    crypto, check = DeviceCrypto(options.libcrypto), Comparison()
    vectors = json.loads(pathlib.Path(options.vectors).read_text())
    alice, new_device = ({name: bytes.fromhex(value) for name, value in vectors[who].items() if isinstance(value, str)}
                         for who in ("alice", "new_device"))
    random = SplitMix64(vectors["alice"]["random_seed"])
    check.same("alice", alice["account"].hex(), random.draw(16))
    check.same("alice", random.draw(16).hex(), read_device_list(crypto, alice["device_list"])["mailbox"])
    check.same("alice", alice["account_private"].hex(), random.draw(64))
    for way in ("linking_scanned", "linking_typed"):
        link(crypto, vectors[way], alice, new_device, check, way)
    recover(crypto, vectors["recovery"], alice, check)
    attach(crypto, vectors["attachment"], check)
    print(f"{check.count} values agree")


if __name__ == "__main__":
    main()
