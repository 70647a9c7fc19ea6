#!/usr/bin/env python3
"""A second implementation of the session protocol, written from docs/protocol.md, run against tests/vectors/session.json.

Both ends of the conversation are played: everything is sent again from the listed randomness and must give the listed bytes, everything is
received and must give the listed texts, and each intermediate value on the way is compared. ML-KEM, ML-DSA, Ed25519 and AES-GCM come from
OpenSSL 3.5 through ctypes, HMAC and SHA-2 from Python, X25519 is written out. For checking only: nothing here is constant-time.

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
        for name in ("EVP_PKEY_CTX_new_from_name", "EVP_PKEY_CTX_new_from_pkey", "EVP_PKEY_new_raw_public_key_ex", "EVP_MD_CTX_new",
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
    """Device lists: the single device's keys, with the list's hash."""
    body, signature = data[:-3373], data[-3373:]
    r = Reader(body)
    assert r.number(1) == 1
    out = {"account": r.take(16), "account_public": r.take(1984), "number": r.number(4), "hash": H(b"opaline/1 device list hash", body)}
    assert (out["number"] == 1) == (r.take(32) == bytes(32))
    out["created"], next_device, count = r.number(8), r.number(4), r.number(1)
    assert count == 1
    out["device"], out["mailbox"] = r.number(4), r.take(16)
    r.number(8), r.number(4)
    out["signing_public"], out["agreement_public"] = r.take(1984), r.take(32)
    r.end()
    assert 1 <= out["device"] < next_device
    assert crypto.verify_hybrid(out["account_public"], b"opaline/1 device list", body, signature)
    out["identity_hash"] = H(b"opaline/1 device identity", out["signing_public"], out["agreement_public"])
    return out


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

    def seed(self):
        seed, self.key = HMAC(self.key, b"\x01"), HMAC(self.key, b"\x02")
        return seed


class Session:
    """Without skipped keys: these vectors arrive in order. `trace` gets every value that was derived."""

    def __init__(self, crypto, initiator, context, root, next_tag, peer_ratchet, now):
        self.crypto, self.initiator, self.context = crypto, initiator, context
        self.root, self.next_tag, self.peer_ratchet = root, next_tag, peer_ratchet
        self.sending = self.receiving = None
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
            self.receiving = self.step(ours.private, ratchet, ratchet, ours.public, kem, trace)
            self.receiving.offer, self.peer_ratchet = offer, ratchet
            self.sent_before, self.sending, self.handshake = ours.next, None, b""
        chain = self.receiving
        assert chain and tag == chain.tag and ratchet == self.peer_ratchet
        if flags & EPHEMERAL:
            assert number >= chain.next_ephemeral
            chain.next_ephemeral, seed = number + 1, HMAC(chain.ephemeral, u32(number))
        else:
            assert number == chain.next
            chain.next += 1
            seed = chain.seed()
        self.since_kem = min(50, self.since_kem + 1)
        key, nonce, context = self.keys(seed, salt, 1 if self.initiator else 0, header, data, trace)
        padded = self.crypto.gcm(key, nonce, context, sealed, False)
        if padded is None:
            return None
        text = padded.rstrip(b"\0")
        assert text[-1:] == b"\x80" and padded_size(len(text)) == len(padded)
        return text[:-1]


# --- the handshake ----------------------------------------------------------------------------------------------------------------


def respond(crypto, handshake, me, mine, my_set, one_time, now, trace):
    """The responder's side, from the bytes and its private keys. `me`: our list; `mine`: private keys; gives the session and the claim."""
    r = Reader(handshake)
    assert r.take(16) == bytes(16) and r.number(1) == 1
    set_id, with_one_time, index = r.number(4), r.number(1), r.number(2)
    assert set_id == my_set["id"] and with_one_time == 1
    opk_private, opk = one_time[index]
    ek, ct = r.take(32), r.take(1088)
    sealed_identity, sealed_signature = r.take(2124), r.take(3389)
    r.end()
    t1 = H(b"opaline/1 handshake opening", b"\x01", me["account"], u32(me["device"]), me["identity_hash"], my_set["hash"], u32(set_id),
           b"\x01", u16(index), opk, ek, ct)
    secrets = [x25519(mine["agreement_private"], ek), x25519(mine["signed_prekey_private"], ek), x25519(opk_private, ek),
               crypto.decaps(mine["kem_prekey_seed"], ct)]
    prk1 = extract(t1, *secrets)
    identity_key, chain = expand(prk1, b"opaline/1 identity key", 32), expand(prk1, b"opaline/1 identity chain", 32)
    identity = crypto.gcm(identity_key, bytes(12), t1, sealed_identity, False)
    assert identity is not None
    c = Reader(identity)
    claim = {"account": c.take(16), "device": c.number(4), "list_number": c.number(4), "list_hash": c.take(32),
             "signing_public": c.take(1984), "agreement_public": c.take(32), "our_number": c.number(4), "our_hash": c.take(32)}
    c.end()
    t2 = H(b"opaline/1 handshake identity", t1, identity)
    dh = x25519(mine["signed_prekey_private"], claim["agreement_public"])
    prk2 = extract(chain, dh)
    signature_key = expand(prk2, b"opaline/1 signature key", 32)
    signature = crypto.gcm(signature_key, bytes(12), t2, sealed_signature, False)
    assert signature is not None
    assert crypto.verify_hybrid(claim["signing_public"], b"opaline/1 handshake signature", t2, signature)
    t3 = H(b"opaline/1 handshake signed", t2, signature)
    out = expand(prk2, b"opaline/1 session keys" + t3, 48)
    handshake_hash = H(b"opaline/1 handshake hash", handshake)
    context = H(b"opaline/1 session context", claim["account"], u32(claim["device"]), me["account"], u32(me["device"]), handshake_hash)
    trace |= {"prekey_set_id": set_id, "one_time_index": index, "ephemeral_public": ek, "kem_ciphertext": ct, "kem_secret": secrets[3],
              "dh_ephemeral_identity": secrets[0], "dh_ephemeral_signed_prekey": secrets[1], "dh_ephemeral_one_time": secrets[2],
              "dh_identity_signed_prekey": dh, "t1": t1, "identity_key": identity_key, "identity_chain": chain, "identity": identity,
              "t2": t2, "prk2": prk2, "signature_key": signature_key, "signature": signature, "t3": t3, "root_key": out[:32],
              "first_tag": out[32:], "handshake_hash": handshake_hash, "session_context": context}
    session = Session(crypto, False, context, out[:32], out[32:], None, now)
    session.sending = Chain(None, None, None)  # the signed prekey as the ratchet key of a chain that has sent nothing
    session.sending.private, session.sending.public = mine["signed_prekey_private"], my_set["signed_prekey"]
    return session, claim


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
        privates[name] = {k: bytes.fromhex(listed[k]) for k in ("agreement_private", "signed_prekey_private", "kem_prekey_seed")}
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

    # The handshake, from Bob's side; Alice's end begins with the same keys.
    listed, trace = vectors["handshake"], {}
    handshake = bytes.fromhex(listed["bytes"])
    bob, claim = respond(crypto, handshake, lists["bob"], privates["bob"], sets["bob"], one_times["bob"], listed["now"], trace)
    check.all("handshake", listed, trace)
    check.same("claim", vectors["alice"]["account"], claim["account"])
    check.same("claim", vectors["alice"]["signing_public"], claim["signing_public"])
    check.same("claim", vectors["alice"]["device_list_hash"], claim["list_hash"])
    check.same("claim", vectors["bob"]["device_list_hash"], claim["our_hash"])
    check.same("handshake", listed["ephemeral_public"], x25519(bytes.fromhex(listed["ephemeral_private"])))
    ciphertext, secret = crypto.encaps(sets["bob"]["kem_prekey"], bytes.fromhex(listed["kem_m"]))
    check.same("handshake", listed["kem_ciphertext"], ciphertext)
    check.same("handshake", listed["kem_secret"], secret)
    alice = Session(crypto, True, trace["session_context"], trace["root_key"], trace["first_tag"], sets["bob"]["signed_prekey"],
                    listed["now"])
    alice.handshake = handshake

    ends = {"alice": (alice, bob), "bob": (bob, alice)}
    for number, listed in enumerate(vectors["messages"]):
        where, (sender, receiver) = f"messages[{number}]", ends[listed["from"]]
        text, data = bytes.fromhex(listed["plaintext"]), bytes.fromhex(listed["associated_data"])
        sent, received = {}, {}
        random = [bytes.fromhex(drawn) for drawn in listed["random"]]
        message = sender.encrypt(text, data, listed["now"], listed["kind"] == "ephemeral", random, sent)
        check.same(where, listed["bytes"], message)
        check.all(where, listed, sent)
        assert not random, f"{where}: randomness is left"
        opened = receiver.decrypt(message, data, listed["now"], received)
        check.same(where, listed["plaintext"], opened)
        check.all(where, listed, received)
        damaged = message[:-1] + bytes([message[-1] ^ 1])
        assert crypto.gcm(received["key"], received["nonce"], received["context"], damaged[-272:], False) is None
    print(f"{check.count} values agree")


if __name__ == "__main__":
    main()
