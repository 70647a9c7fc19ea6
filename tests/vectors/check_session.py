#!/usr/bin/env python3
"""A second implementation of the session protocol, written from docs/protocol.md, run against tests/vectors/session.json.

Both ends are played: handshake and messages are made again from the listed randomness and must give the listed bytes, everything is
received in the listed order and must give the listed texts, and each intermediate value on the way is compared, as is the state that is
stored at the end. ML-KEM, ML-DSA, Ed25519 and AES-GCM come from OpenSSL 3.5 through ctypes, HMAC and SHA-2 from Python, X25519 is
written out. For checking only: nothing here is constant-time.

    check_session.py --libcrypto /path/to/libcrypto.so.3 [session.json]
"""

import argparse
import ctypes
import hashlib
import hmac
import json
import pathlib
import struct
import sys

# --- primitives -------------------------------------------------------------------------------------------------------------------


class Param(ctypes.Structure):  # OSSL_PARAM
    _fields_ = [("key", ctypes.c_char_p), ("data_type", ctypes.c_uint), ("data", ctypes.c_void_p), ("data_size", ctypes.c_size_t),
                ("return_size", ctypes.c_size_t)]


class Crypto:
    """The parts of libcrypto that are used."""

    OCTET_STRING = 5
    KEYPAIR = 0x87  # EVP_PKEY_KEYPAIR: parameters, private and public key

    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        for name in ("EVP_PKEY_CTX_new_from_name", "EVP_PKEY_CTX_new_from_pkey", "EVP_PKEY_new_raw_public_key_ex",
                     "EVP_PKEY_new_raw_private_key_ex", "EVP_MD_CTX_new",
                     "EVP_CIPHER_CTX_new", "EVP_aes_256_gcm", "EVP_SIGNATURE_fetch"):
            getattr(self.lib, name).restype = ctypes.c_void_p

    def call(self, name, *arguments):
        pointers = [ctypes.c_void_p(a) if isinstance(a, int) and a > 0xFFFFFFFF else a for a in arguments]
        return getattr(self.lib, name)(*pointers)

    def params(self, **octets):
        array = (Param * (len(octets) + 1))()
        self.keep = list(octets.values())
        for entry, (key, value) in zip(array, octets.items()):
            entry.key = key.replace("_", "-").encode()
            entry.data_type = self.OCTET_STRING
            entry.data = ctypes.cast(ctypes.c_char_p(value), ctypes.c_void_p)
            entry.data_size = len(value)
        return array

    def public_key(self, algorithm, key):
        return self.call("EVP_PKEY_new_raw_public_key_ex", None, algorithm, None, key, ctypes.c_size_t(len(key)))

    def kem_from_seed(self, seed):
        context = self.call("EVP_PKEY_CTX_new_from_name", None, b"ML-KEM-768", None)
        assert self.call("EVP_PKEY_fromdata_init", context) == 1
        key = ctypes.c_void_p()
        assert self.call("EVP_PKEY_fromdata", context, ctypes.byref(key), self.KEYPAIR, self.params(seed=seed)) == 1
        return key.value

    def kem_public(self, seed):
        out, size = ctypes.create_string_buffer(1184), ctypes.c_size_t(1184)
        assert self.call("EVP_PKEY_get_raw_public_key", self.kem_from_seed(seed), out, ctypes.byref(size)) == 1
        return out.raw

    def decaps(self, seed, ciphertext):
        context = self.call("EVP_PKEY_CTX_new_from_pkey", None, self.kem_from_seed(seed), None)
        out, size = ctypes.create_string_buffer(32), ctypes.c_size_t(32)
        assert self.call("EVP_PKEY_decapsulate_init", context, None) == 1
        assert self.call("EVP_PKEY_decapsulate", context, out, ctypes.byref(size), ciphertext, ctypes.c_size_t(1088)) == 1
        return out.raw

    def encaps(self, key, m):
        context = self.call("EVP_PKEY_CTX_new_from_pkey", None, self.public_key(b"ML-KEM-768", key), None)
        assert self.call("EVP_PKEY_encapsulate_init", context, self.params(ikme=m)) == 1
        ciphertext, secret = ctypes.create_string_buffer(1088), ctypes.create_string_buffer(32)
        size, secret_size = ctypes.c_size_t(1088), ctypes.c_size_t(32)
        assert self.call("EVP_PKEY_encapsulate", context, ciphertext, ctypes.byref(size), secret, ctypes.byref(secret_size)) == 1
        return ciphertext.raw, secret.raw

    def signing_keys(self, private):
        """Of a hybrid private key: the Ed25519 and the ML-DSA-65 key."""
        classical = self.call("EVP_PKEY_new_raw_private_key_ex", None, b"ED25519", None, private[:32], ctypes.c_size_t(32))
        context = self.call("EVP_PKEY_CTX_new_from_name", None, b"ML-DSA-65", None)
        assert self.call("EVP_PKEY_fromdata_init", context) == 1
        key = ctypes.c_void_p()
        assert self.call("EVP_PKEY_fromdata", context, ctypes.byref(key), self.KEYPAIR, self.params(seed=private[32:])) == 1
        return classical, key.value

    def hybrid_public(self, private):
        out = b""
        for key, length in zip(self.signing_keys(private), (32, 1952)):
            buffer, size = ctypes.create_string_buffer(length), ctypes.c_size_t(length)
            assert self.call("EVP_PKEY_get_raw_public_key", key, buffer, ctypes.byref(size)) == 1
            out += buffer.raw
        return out

    def sign_hybrid(self, private, label, message, rnd):
        classical, quantum_safe = self.signing_keys(private)
        ed25519_message = bytes([len(label)]) + label + message
        one, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
        context = self.call("EVP_MD_CTX_new")
        assert self.call("EVP_DigestSignInit_ex", context, None, None, None, None, classical, None) == 1
        assert self.call("EVP_DigestSign", context, one, ctypes.byref(size), ed25519_message, ctypes.c_size_t(len(ed25519_message))) == 1
        other, size = ctypes.create_string_buffer(3309), ctypes.c_size_t(3309)
        context = self.call("EVP_PKEY_CTX_new_from_pkey", None, quantum_safe, None)
        algorithm = self.call("EVP_SIGNATURE_fetch", None, b"ML-DSA-65", None)
        assert self.call("EVP_PKEY_sign_message_init", context, algorithm, self.params(context_string=label, test_entropy=rnd)) == 1
        assert self.call("EVP_PKEY_sign", context, other, ctypes.byref(size), message, ctypes.c_size_t(len(message))) == 1
        return one.raw + other.raw

    def verify_hybrid(self, public, label, message, signature):
        ed25519_message = bytes([len(label)]) + label + message
        context = self.call("EVP_MD_CTX_new")
        assert self.call("EVP_DigestVerifyInit_ex", context, None, None, None, None, self.public_key(b"ED25519", public[:32]), None) == 1
        classical = self.call("EVP_DigestVerify", context, signature[:64], ctypes.c_size_t(64), ed25519_message,
                              ctypes.c_size_t(len(ed25519_message)))
        context = self.call("EVP_PKEY_CTX_new_from_pkey", None, self.public_key(b"ML-DSA-65", public[32:]), None)
        algorithm = self.call("EVP_SIGNATURE_fetch", None, b"ML-DSA-65", None)
        assert self.call("EVP_PKEY_verify_message_init", context, algorithm, self.params(context_string=label)) == 1
        quantum_safe = self.call("EVP_PKEY_verify", context, signature[64:], ctypes.c_size_t(3309), message, ctypes.c_size_t(len(message)))
        return classical == 1 and quantum_safe == 1

    def gcm(self, key, nonce, data, text, seal):
        """Ciphertext and tag, or plaintext or None."""
        context, size = self.call("EVP_CIPHER_CTX_new"), ctypes.c_int()
        cipher = self.lib.EVP_aes_256_gcm()
        assert self.call("EVP_CipherInit_ex", context, cipher, None, key, nonce, int(seal)) == 1
        assert self.call("EVP_CipherUpdate", context, None, ctypes.byref(size), data, len(data)) == 1
        body = text if seal else text[:-16]
        out = ctypes.create_string_buffer(len(body) + 1)
        assert self.call("EVP_CipherUpdate", context, out, ctypes.byref(size), body, len(body)) == 1
        if not seal:
            assert self.call("EVP_CIPHER_CTX_ctrl", context, 0x11, 16, ctypes.c_char_p(text[-16:])) == 1
        if self.call("EVP_CipherFinal_ex", context, ctypes.create_string_buffer(16), ctypes.byref(size)) != 1:
            return None
        if not seal:
            return out.raw[:len(body)]
        tag = ctypes.create_string_buffer(16)
        assert self.call("EVP_CIPHER_CTX_ctrl", context, 0x10, 16, tag) == 1
        return out.raw[:len(body)] + tag.raw


def x25519(private, public=b"\x09" + bytes(31)):
    """RFC 7748 section 5."""
    p = 2**255 - 19
    k = bytearray(private)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    scalar = int.from_bytes(k, "little")
    x1 = int.from_bytes(public, "little") % 2**255 % p
    x2, z2, x3, z3, swapped = 1, 0, x1, 1, 0
    for bit in range(254, -1, -1):
        now = scalar >> bit & 1
        if swapped ^ now:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = now
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % p, b * b % p, d * a % p, c * b % p
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % p, x1 * (da - cb) ** 2 % p
        x2, z2 = aa * bb % p, e * (aa + 121665 * e) % p
    if swapped:
        x2, z2 = x3, z3
    out = (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")
    assert out != bytes(32), "bad_key"
    return out


def H(*pieces):
    return hashlib.sha256(b"".join(pieces)).digest()


def HMAC(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def extract(salt, *ikm):
    return HMAC(salt, b"".join(ikm))


def expand(prk, info, size):
    out, block = b"", b""
    for counter in range(1, (size + 31) // 32 + 1):
        block = HMAC(prk, block + info + bytes([counter]))
        out += block
    return out[:size]


def u16(value):
    return struct.pack(">H", value)


def u32(value):
    return struct.pack(">I", value)


class SplitMix64:
    """What the vectors' devices draw from; a draw that is no multiple of 8 bytes cuts the last output."""

    def __init__(self, seed):
        self.state = seed

    def draw(self, size):
        out = b""
        while len(out) < size:
            self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
            z = self.state
            z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
            z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
            out += struct.pack("<Q", z ^ z >> 31)
        return out[:size]


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        assert self.at + size <= len(self.data), "too short"
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def end(self):
        assert self.at == len(self.data), "bytes are left over"


# --- what is public and signed ----------------------------------------------------------------------------------------------------


def read_device_list(crypto, data):
    """Device lists; with a single device its keys besides."""
    body, signature = data[:-3373], data[-3373:]
    r = Reader(body)
    assert r.number(1) == 1
    out = {"account": r.take(16), "account_public": r.take(1984), "number": r.number(4), "previous": r.take(32), "created": r.number(8),
           "next_device": r.number(4), "devices": {}, "hash": H(b"opaline/1 device list hash", body)}
    count, before = r.number(1), 0
    assert 1 <= count <= 10 and out["number"] >= 1 and any(out["account"])
    assert (out["number"] == 1) == (out["previous"] == bytes(32))
    for _ in range(count):
        device = r.number(4)
        entry = {"mailbox": r.take(16), "created": r.number(8)}
        r.number(4)
        entry |= {"signing_public": r.take(1984), "agreement_public": r.take(32)}
        assert device > before and any(entry["mailbox"])
        out["devices"][device], before = entry, device
    r.end()
    assert out["next_device"] > before and all(time < 2**63 for time in (out["created"], *(d["created"] for d in out["devices"].values())))
    assert crypto.verify_hybrid(out["account_public"], b"opaline/1 device list", body, signature)
    for entry in out["devices"].values():
        entry["identity_hash"] = H(b"opaline/1 device identity", entry["signing_public"], entry["agreement_public"])
    if count == 1:
        out |= {"device": before} | {k: v for k, v in entry.items() if k != "created"}
    return out


def compare_lists(pinned, seen):
    """The table of outcomes, in its order."""
    if pinned["account"] != seen["account"]:
        return "other_account"
    if pinned["account_public"] != seen["account_public"]:
        return "new_account_key"
    if seen["number"] < pinned["number"]:
        return "older"
    if seen["number"] == pinned["number"]:
        return "unchanged" if seen["hash"] == pinned["hash"] else "forked"
    if seen["number"] > pinned["number"] + 1:
        return "gap"
    if seen["previous"] != pinned["hash"]:
        return "forked"
    kept = all(entry == pinned["devices"][number] if number in pinned["devices"] else number >= pinned["next_device"]
               for number, entry in seen["devices"].items())
    return "successor" if kept and seen["next_device"] >= pinned["next_device"] else "rule_broken"


def read_prekey_set(crypto, signing_public, data):
    assert len(data) == 4664
    body, signature = data[:-3373], data[-3373:]
    r = Reader(body)
    assert r.number(1) == 1
    out = {"account": r.take(16), "device": r.number(4), "id": r.number(4), "created": r.number(8), "until": r.number(8),
           "signed_prekey": r.take(32), "kem_prekey": r.take(1184), "count": r.number(2), "root": r.take(32)}
    r.end()
    assert 0 <= out["until"] - out["created"] <= 7 * 24 * 3600 * 1000
    assert crypto.verify_hybrid(signing_public, b"opaline/1 prekey set", body, signature)
    out["hash"] = H(b"opaline/1 prekey set hash", body)
    return out


def read_one_time(prekey_set, entry):
    r = Reader(entry)
    index, key = r.number(2), r.take(32)
    node = H(b"\x00", u16(index), key)
    for level in range(prekey_set["count"].bit_length() - 1):
        sibling = r.take(32)
        node = H(b"\x01", sibling, node) if index >> level & 1 else H(b"\x01", node, sibling)
    r.end()
    assert node == prekey_set["root"]
    return index, key


def safety_number(a, b):
    d = hashlib.sha512(b"opaline/1 safety number" + min(a, b) + max(a, b)).digest()
    return "".join("%05d" % (int.from_bytes(d[5 * i:5 * i + 5], "big") % 100000) for i in range(12))


# --- the ratchet ------------------------------------------------------------------------------------------------------------------

OFFER, ANSWER, EPHEMERAL, HANDSHAKE = 1, 2, 4, 8
SEVEN_DAYS = 7 * 24 * 3600 * 1000


def padded_size(size):
    if size <= 256:
        return 256
    e = size.bit_length() - 1
    unit = 1 << (e - e.bit_length())
    return (size + unit - 1) // unit * unit


class Chain:
    def __init__(self, tag, key, ephemeral):
        self.tag, self.key, self.ephemeral = tag, key, ephemeral
        self.next = self.next_ephemeral = 0
        self.offer = self.answer = None
        self.skipped = {}  # of receiving chains: number -> (UTC day, seed)

    def seed(self):
        seed, self.key = HMAC(self.key, b"\x01"), HMAC(self.key, b"\x02")
        return seed

    def pass_over(self, end, now):
        assert end - self.next <= 1000, "gap_too_large"
        while self.next < end:
            self.skipped[self.next] = (now // 86400000, self.seed())
            self.next += 1


class Session:
    """Without the limits on skipped keys, which these vectors do not reach. `trace` gets every value that was derived."""

    def __init__(self, crypto, initiator, context, root, next_tag, peer_ratchet, now):
        self.crypto, self.initiator, self.context = crypto, initiator, context
        self.root, self.next_tag, self.peer_ratchet = root, next_tag, peer_ratchet
        self.sending = self.receiving = None
        self.old = []
        self.handshake = b""
        self.sent_before = self.since_kem = 0
        self.last_kem = now

    def step(self, private, peer, sender, receiver, kem, trace):
        dh = x25519(private, peer)
        prk = extract(self.root, dh, kem[0] if kem else b"")
        binding = H(b"opaline/1 kem", kem[1], kem[2]) if kem else b""
        trace["root_step"] = {"root_key_before": self.root, "dh": dh}
        out = expand(prk, b"opaline/1 root step" + bytes([kem is not None]) + sender + receiver + binding, 112)
        self.root, tag, self.next_tag = out[:32], self.next_tag, out[96:]
        trace["root_step"] |= {"root_key": self.root, "chain_key": out[32:64], "ephemeral_key": out[64:96], "next_tag": self.next_tag}
        if kem:
            trace["root_step"] |= {"kem_secret": kem[0], "kem_binding": binding}
        return Chain(tag, out[32:64], out[64:96])

    def begin_chain(self, now, random, trace):
        private = random.pop(0)
        public, kem, answer = x25519(private), None, None
        if self.receiving and self.receiving.offer:
            answer, secret = self.crypto.encaps(self.receiving.offer, random.pop(0))
            kem = (secret, self.receiving.offer, answer)
            self.receiving.offer = None
            self.since_kem, self.last_kem = 0, now
        chain = self.step(private, self.peer_ratchet, public, self.peer_ratchet, kem, trace)
        trace["root_step"] |= {"ratchet_private": private, "ratchet_public": public, "receiver_ratchet_public": self.peer_ratchet}
        chain.private, chain.public, chain.answer = private, public, answer
        if self.since_kem >= 50 or now - self.last_kem >= SEVEN_DAYS:
            chain.seed_of_offer = random.pop(0)
            chain.offer = self.crypto.kem_public(chain.seed_of_offer)
            trace["root_step"]["offer_seed"] = chain.seed_of_offer
        self.sending = chain

    def keys(self, seed, salt, direction, header, data, trace):
        out = expand(seed, b"opaline/1 msg" + salt, 44)
        context = self.context + bytes([direction]) + header + data
        trace |= {"seed": seed, "key": out[:32], "nonce": out[32:], "context": context}
        return out[:32], out[32:], context

    def encrypt(self, text, data, now, ephemeral, random, trace):
        if not self.sending:
            self.begin_chain(now, random, trace)
        chain, salt = self.sending, random.pop(0)
        if ephemeral:
            number, seed = chain.next_ephemeral, HMAC(chain.ephemeral, u32(chain.next_ephemeral))
            chain.next_ephemeral += 1
        else:
            trace["chain_key"] = chain.key
            number, seed = chain.next, chain.seed()
            chain.next += 1
        flags = (OFFER if chain.offer else 0) | (ANSWER if chain.answer else 0) | (EPHEMERAL if ephemeral else 0) | (
            HANDSHAKE if self.handshake else 0)
        header = chain.tag + salt + bytes([flags]) + u32(number) + u32(self.sent_before) + chain.public
        header += (chain.offer or b"") + (chain.answer or b"")
        self.since_kem = min(50, self.since_kem + 1)
        key, nonce, context = self.keys(seed, salt, 0 if self.initiator else 1, header, data, trace)
        padded = (text + b"\x80").ljust(padded_size(len(text) + 1), b"\0")
        return self.handshake + header + self.crypto.gcm(key, nonce, context, padded, True)

    def decrypt(self, message, data, now, trace):
        if message[:16] == bytes(16):
            message = message[6657:]
        r = Reader(message)
        tag, salt, flags, number, previous, ratchet = r.take(16), r.take(16), r.number(1), r.number(4), r.number(4), r.take(32)
        offer = r.take(1184) if flags & OFFER else None
        answer = r.take(1088) if flags & ANSWER else None
        header, sealed = message[:r.at], message[r.at:]
        trace |= {"flags": flags, "number": number, "previous": previous, "tag": tag, "salt": salt}
        if self.sending and tag == self.next_tag:
            ours, kem = self.sending, None
            assert (answer is not None) == (ours.offer is not None), "encapsulation_missing"
            if answer:
                kem = (self.crypto.decaps(ours.seed_of_offer, answer), ours.offer, answer)
                self.since_kem, self.last_kem = 0, now
            if self.receiving:
                self.receiving.pass_over(max(previous, self.receiving.next), now)
                self.old += [self.receiving] if self.receiving.skipped else []
            self.receiving = self.step(ours.private, ratchet, ratchet, ours.public, kem, trace)
            self.receiving.offer, self.peer_ratchet = offer, ratchet
            self.sent_before, self.sending, self.handshake = ours.next, None, b""
        chain = self.receiving if self.receiving and tag == self.receiving.tag else next(c for c in self.old if c.tag == tag)
        assert chain is not self.receiving or ratchet == self.peer_ratchet
        if flags & EPHEMERAL:
            assert chain is self.receiving and number >= chain.next_ephemeral, "replayed"
            chain.next_ephemeral, seed = number + 1, HMAC(chain.ephemeral, u32(number))
        elif chain is not self.receiving or number < chain.next:
            assert number in chain.skipped, "replayed"
            seed = chain.skipped.pop(number)[1]
            self.old = [c for c in self.old if c.skipped]
        else:
            chain.pass_over(number, now)
            chain.next += 1
            seed = chain.seed()
        self.since_kem = min(50, self.since_kem + 1)
        key, nonce, context = self.keys(seed, salt, 1 if self.initiator else 0, header, data, trace)
        padded = self.crypto.gcm(key, nonce, context, sealed, False)
        if padded is None:
            return None
        assert self.crypto.gcm(key, nonce, context, sealed[:-1] + bytes([sealed[-1] ^ 1]), False) is None
        text = padded.rstrip(b"\0")
        assert text[-1:] == b"\x80" and padded_size(len(text)) == len(padded)
        return text[:-1]


# --- the handshake ----------------------------------------------------------------------------------------------------------------


def opening(responder, prekey_set, one_time, ek, ct):
    """T1. `responder`: its list; `one_time`: index and key, or None."""
    index, opk = one_time or (0, bytes(32))
    return H(b"opaline/1 handshake opening", b"\x01", responder["account"], u32(responder["device"]), responder["identity_hash"],
             prekey_set["hash"], u32(prekey_set["id"]), bytes([one_time is not None]), u16(index), opk, ek, ct)


def stage_one(t1, secrets):
    prk1 = extract(t1, *secrets)
    return {"t1": t1, "identity_key": expand(prk1, b"opaline/1 identity key", 32),
            "identity_chain": expand(prk1, b"opaline/1 identity chain", 32)}


def stage_two(one, identity, dh):
    prk2 = extract(one["identity_chain"], dh)
    t2 = H(b"opaline/1 handshake identity", one["t1"], identity)
    return {"identity": identity, "dh_identity_signed_prekey": dh, "t2": t2, "prk2": prk2,
            "signature_key": expand(prk2, b"opaline/1 signature key", 32)}


def stage_three(two, signature):
    t3 = H(b"opaline/1 handshake signed", two["t2"], signature)
    out = expand(two["prk2"], b"opaline/1 session keys" + t3, 48)
    return {"signature": signature, "t3": t3, "root_key": out[:32], "first_tag": out[32:]}


def session_context(a, b, handshake_hash):
    return H(b"opaline/1 session context", a["account"], u32(a["device"]), b["account"], u32(b["device"]), handshake_hash)


def initiate(crypto, me, mine, peer, peer_set, one_time, drawn):
    """The initiator's side: the handshake's bytes and all values. `drawn`: EK's private key, Encaps' m, ML-DSA's rnd."""
    ek = x25519(drawn[0])
    ct, kem_secret = crypto.encaps(peer_set["kem_prekey"], drawn[1])
    secrets = [x25519(drawn[0], peer["agreement_public"]), x25519(drawn[0], peer_set["signed_prekey"])]
    secrets += [x25519(drawn[0], one_time[1])] if one_time else []
    one = stage_one(opening(peer, peer_set, one_time, ek, ct), secrets + [kem_secret])
    identity = (me["account"] + u32(me["device"]) + u32(me["number"]) + me["hash"] + me["signing_public"] + me["agreement_public"] +
                u32(peer["number"]) + peer["hash"])
    two = stage_two(one, identity, x25519(mine["agreement_private"], peer_set["signed_prekey"]))
    signature = crypto.sign_hybrid(mine["signing_private"], b"opaline/1 handshake signature", two["t2"], drawn[2])
    handshake = (bytes(16) + b"\x01" + u32(peer_set["id"]) + bytes([one_time is not None]) + u16(one_time[0] if one_time else 0) + ek + ct +
                 crypto.gcm(one["identity_key"], bytes(12), one["t1"], identity, True) +
                 crypto.gcm(two["signature_key"], bytes(12), two["t2"], signature, True))
    handshake_hash = H(b"opaline/1 handshake hash", handshake)
    return {"ephemeral_public": ek, "kem_ciphertext": ct, "kem_secret": kem_secret, "bytes": handshake, "handshake_hash": handshake_hash,
            "session_context": session_context(me, peer, handshake_hash)} | one | two | stage_three(two, signature)


def respond(crypto, handshake, me, mine, my_set, one_times, now, trace):
    """The responder's side, from the bytes and its private keys. `me`: our list; `mine`: private keys; gives the session and the claim."""
    r = Reader(handshake)
    assert r.take(16) == bytes(16) and r.number(1) == 1
    set_id, with_one_time, index = r.number(4), r.number(1), r.number(2)
    assert set_id == my_set["id"] and with_one_time <= 1 and (with_one_time or index == 0)
    ek, ct = r.take(32), r.take(1088)
    sealed_identity, sealed_signature = r.take(2124), r.take(3389)
    r.end()
    secrets = {"dh_ephemeral_identity": x25519(mine["agreement_private"], ek),
               "dh_ephemeral_signed_prekey": x25519(mine["signed_prekey_private"], ek)}
    if with_one_time:
        secrets["dh_ephemeral_one_time"] = x25519(one_times[index][0], ek)
    secrets["kem_secret"] = crypto.decaps(mine["kem_prekey_seed"], ct)
    one = stage_one(opening(me, my_set, (index, one_times[index][1]) if with_one_time else None, ek, ct), secrets.values())
    identity = crypto.gcm(one["identity_key"], bytes(12), one["t1"], sealed_identity, False)
    assert identity is not None
    c = Reader(identity)
    claim = {"account": c.take(16), "device": c.number(4), "list_number": c.number(4), "list_hash": c.take(32),
             "signing_public": c.take(1984), "agreement_public": c.take(32), "our_number": c.number(4), "our_hash": c.take(32)}
    c.end()
    two = stage_two(one, identity, x25519(mine["signed_prekey_private"], claim["agreement_public"]))
    signature = crypto.gcm(two["signature_key"], bytes(12), two["t2"], sealed_signature, False)
    assert signature is not None
    assert crypto.verify_hybrid(claim["signing_public"], b"opaline/1 handshake signature", two["t2"], signature)
    three, handshake_hash = stage_three(two, signature), H(b"opaline/1 handshake hash", handshake)
    context = session_context(claim, me, handshake_hash)
    trace |= {"prekey_set_id": set_id, "one_time_index": index}
    trace |= {"ephemeral_public": ek, "kem_ciphertext": ct, "handshake_hash": handshake_hash, "session_context": context}
    trace |= secrets | one | two | three
    session = Session(crypto, False, context, three["root_key"], three["first_tag"], None, now)
    session.sending = Chain(None, None, None)  # the signed prekey as the ratchet key of a chain that has sent nothing
    session.sending.private, session.sending.public = mine["signed_prekey_private"], my_set["signed_prekey"]
    return session, claim


# --- the stored state -------------------------------------------------------------------------------------------------------------


def stored_state(session, us, peer, handshake_hash):
    def address(party):
        return party["account"] + u32(party["device"])

    def skipped(chain):
        return u16(len(chain.skipped)) + b"".join(u32(n) + u32(day) + seed for n, (day, seed) in sorted(chain.skipped.items()))

    s, r = session.sending, session.receiving
    flags = session.initiator | bool(session.handshake) << 1 | (s is not None) << 2 | (r is not None) << 3
    out = bytes([1, flags]) + address(us) + address(peer) + peer["identity_hash"] + handshake_hash + session.handshake
    out += session.root + session.next_tag + session.peer_ratchet + u32(session.sent_before) + u32(session.since_kem)
    out += struct.pack(">Q", session.last_kem)
    if s:
        out += s.key + s.ephemeral + s.tag + u32(s.next) + u32(s.next_ephemeral) + s.private + s.public
        out += bytes([bool(s.offer) | bool(s.answer) << 1]) + (s.seed_of_offer + s.offer if s.offer else b"") + (s.answer or b"")
    if r:
        out += r.key + r.ephemeral + r.tag + u32(r.next) + u32(r.next_ephemeral) + bytes([bool(r.offer)]) + (r.offer or b"") + skipped(r)
    return out + bytes([len(session.old)]) + b"".join(chain.tag + skipped(chain) for chain in session.old)


# --- the check --------------------------------------------------------------------------------------------------------------------


class Comparison:
    def __init__(self):
        self.count = 0

    def same(self, where, listed, derived):
        self.count += 1
        if isinstance(derived, bytes):
            derived = derived.hex()
        if listed != derived:
            sys.exit(f"{where}: listed {str(listed)[:80]}, derived {str(derived)[:80]}")

    def all(self, where, listed, derived):
        for name, value in derived.items():
            if isinstance(value, dict):
                self.all(f"{where}.{name}", listed[name], value)
            else:
                self.same(f"{where}.{name}", listed[name], value)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--libcrypto", required=True, help="OpenSSL 3.5's shared library")
    parser.add_argument("vectors", nargs="?", default=pathlib.Path(__file__).with_name("session.json"))
    options = parser.parse_args()
    crypto, check = Crypto(options.libcrypto), Comparison()
    vectors = json.loads(pathlib.Path(options.vectors).read_text())

    lists, sets, privates, one_times = {}, {}, {}, {}
    for name in ("alice", "bob"):
        listed = vectors[name]
        random = SplitMix64(listed["random_seed"])
        for drawn, size in (("account", 16), ("mailbox", 16), ("account_private", 64), ("signing_private", 64), ("agreement_private", 32)):
            check.same(name, listed[drawn], random.draw(size))
        lists[name] = read_device_list(crypto, bytes.fromhex(listed["device_list"]))
        mine = lists[name]
        check.all(name, listed, {k: mine[k] for k in ("account", "device", "mailbox", "account_public", "signing_public",
                                                      "agreement_public", "identity_hash")})
        check.same(name, listed["device_list_hash"], mine["hash"])
        sets[name] = read_prekey_set(crypto, mine["signing_public"], bytes.fromhex(listed["prekey_set"]))
        assert (sets[name]["account"], sets[name]["device"]) == (mine["account"], mine["device"])
        check.same(name, listed["prekey_set_hash"], sets[name]["hash"])
        check.all(name, listed, {"prekey_set_created": sets[name]["created"], "prekey_set_id": sets[name]["id"],
                                 "signed_prekey_public": sets[name]["signed_prekey"], "kem_prekey_public": sets[name]["kem_prekey"]})
        privates[name] = {k: bytes.fromhex(listed[k]) for k in ("agreement_private", "signed_prekey_private", "kem_prekey_seed",
                                                                   "signing_private")}
        check.same(name, listed["account_public"], crypto.hybrid_public(bytes.fromhex(listed["account_private"])))
        check.same(name, listed["signing_public"], crypto.hybrid_public(privates[name]["signing_private"]))
        check.same(name, listed["agreement_public"], x25519(privates[name]["agreement_private"]))
        check.same(name, sets[name]["signed_prekey"].hex(), x25519(privates[name]["signed_prekey_private"]))
        check.same(name, sets[name]["kem_prekey"].hex(), crypto.kem_public(privates[name]["kem_prekey_seed"]))
        one_times[name] = {}
        for entry in listed["one_time_prekeys"]:
            index, key = read_one_time(sets[name], bytes.fromhex(entry["entry"]))
            check.same(name, key.hex(), x25519(bytes.fromhex(entry["private"])))
            one_times[name][index] = (bytes.fromhex(entry["private"]), key)
    check.same("safety_number", vectors["safety_number"],
               safety_number(*(lists[n]["account"] + lists[n]["account_public"] for n in ("alice", "bob"))))

    listed = vectors["alice_second_list"]
    second = read_device_list(crypto, bytes.fromhex(listed["bytes"]))
    check.same("second list", listed["hash"], second["hash"])
    check.same("second list", listed["linked_identity_hash"], second["devices"][2]["identity_hash"])
    for outcome, pinned, seen in (("successor", lists["alice"], second), ("older", second, lists["alice"]), ("unchanged", second, second),
                                  ("other_account", lists["bob"], second), ("gap", lists["alice"], second | {"number": 3}),
                                  ("forked", lists["alice"] | {"hash": bytes(32)}, second),
                                  ("forked", second | {"hash": bytes(32)}, second),
                                  ("rule_broken", lists["alice"] | {"next_device": 3}, second)):
        check.same("compare", outcome, compare_lists(pinned, seen))

    # The handshakes, from both sides.
    for name, one_time in (("handshake_without_one_time", None), ("handshake", (0, one_times["bob"][0][1]))):
        listed, trace = vectors[name], {}
        handshake, now = bytes.fromhex(listed["bytes"]), vectors["start"]
        made = initiate(crypto, lists["alice"], privates["alice"], lists["bob"], sets["bob"], one_time,
                        [bytes.fromhex(listed[drawn]) for drawn in ("ephemeral_private", "kem_m", "mldsa_rnd")])
        check.all(name, listed, {k: v for k, v in made.items() if k in listed})
        bob, claim = respond(crypto, handshake, lists["bob"], privates["bob"], sets["bob"], one_times["bob"], now, trace)
        check.all(name, listed, {k: v for k, v in trace.items() if k in listed})
        for derived, given in (("account", lists["alice"]["account"]), ("device", 1), ("signing_public", lists["alice"]["signing_public"]),
                               ("agreement_public", lists["alice"]["agreement_public"]), ("list_number", 1),
                               ("list_hash", lists["alice"]["hash"]), ("our_number", 1), ("our_hash", lists["bob"]["hash"])):
            check.same(f"{name}.claim", given.hex() if isinstance(given, bytes) else given, claim[derived])
    assert len(handshake) == 6657 and set(trace) <= set(listed), "a value that is not listed"
    check.same("handshake", listed["now"], now)
    alice = Session(crypto, True, made["session_context"], made["root_key"], made["first_tag"], sets["bob"]["signed_prekey"], now)
    alice.handshake = handshake

    ends = {"alice": (alice, bob), "bob": (bob, alice)}
    arrived, messages = [], vectors["messages"]
    for number, listed in enumerate(messages):
        where, (sender, receiver) = f"messages[{number}]", ends[listed["from"]]
        text, data, sent = bytes.fromhex(listed["plaintext"]), bytes.fromhex(listed["associated_data"]), {}
        random = [bytes.fromhex(drawn) for drawn in listed["random"]]
        message = sender.encrypt(text, data, listed["now"], listed["kind"] == "ephemeral", random, sent)
        check.same(where, listed["bytes"], message)
        check.all(where, listed, sent)
        assert not random, f"{where}: randomness is left"
        for other in listed["delivered"]:
            coming, received, where = messages[other], {}, f"messages[{other}] at {number}"
            opened = receiver.decrypt(bytes.fromhex(coming["bytes"]), bytes.fromhex(coming["associated_data"]), coming["now"], received)
            check.same(where, coming["plaintext"], opened)
            began = next(m for m in messages if m["tag"] == coming["tag"])  # what began the chain may not have come
            check.all(where, began | coming, received)
            arrived.append(other)
    assert arrived != sorted(arrived) and len(arrived) == len(set(arrived))
    for name, session, us, peer in (("alice", alice, lists["alice"], lists["bob"]), ("bob", bob, lists["bob"], lists["alice"])):
        check.same(f"{name}_stored_state", vectors[f"{name}_stored_state"], stored_state(session, us, peer, made["handshake_hash"]))
    print(f"{check.count} values agree")


if __name__ == "__main__":
    main()
