#!/usr/bin/python3
"""Verifies evidence as docs/evidence.md has it: `verify_evidence.py ANCHOR.pem SERVICE-KEY.json FILE...`; `-` for no key.
Prints the links that hold, up to the first that does not; exit status 0 when all do. Needs the package `cryptography`."""
import base64, hashlib, json, re, sys
from datetime import timezone
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID as Extension, NameOID, SignatureAlgorithmOID

CH_AUT, ADMISSION = "1.2.276.0.76.4.70", x509.ObjectIdentifier("1.3.36.8.3.3")
INSURED, CARD = bytes.fromhex("06072a8214004c0431"), "kartenbund-card+jws"  # 1.2.276.0.76.4.49
GROUNDS = "qr qr_jwk qr B1", "device added_by approval B1", "chip chip B2", "card issuer_cert card B3"
CRITICAL, CLIENT = {Extension.KEY_USAGE, Extension.BASIC_CONSTRAINTS}, ExtendedKeyUsageOID.CLIENT_AUTH
USAGES = bytes.fromhex("03020780"), bytes.fromhex("030205a0")  # digitalSignature, and with keyEncipherment
EVENTS, TOLERANCE, DATA = {"approve": "approved", "deny": "denied", "not_me": "not_me"}, 120, ("registration_id", "jkt")
TYPES = "address.change bank.change contact.change password.reset web.login card.order device.add".split()
def need(holds, what):
    if not holds: raise ValueError(what)
def says(value, **expected):
    for name, right in expected.items(): need(value.get(name) == right, name)
def members(value, required, optional=""):
    names = set(required.split())
    need(isinstance(value, dict) and names <= set(value) <= names | set(optional.split()) and
         not any(isinstance(it, bool) for it in value.values()), "members")
    return value
def read(data):
    once = lambda pairs: need(len(dict(pairs)) == len(pairs), "a member stands twice") or dict(pairs)
    return json.loads(data.decode(), object_pairs_hook=once, parse_float=lambda _: need(False, "a fraction"))
def b64(data): return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
def unb64(text, length=None):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(b64(data) == text and length in (None, len(data)), "base64url")  # no padding, no loose bits
    return data
def sha256(data): return hashlib.sha256(data.encode() if isinstance(data, str) else data).digest()
def spki(key): return b64(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
def jwk_key(jwk):
    says(members(jwk, "kty crv x y"), kty="EC", crv="P-256")
    point = b"\4" + unb64(jwk["x"], 32) + unb64(jwk["y"], 32)
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
def dss(signature):
    need(len(signature) == 64, "signature")
    return encode_dss_signature(*(int.from_bytes(half, "big") for half in (signature[:32], signature[32:])))
def algorithm(key):
    if isinstance(key, rsa.RSAPublicKey):
        return need(2048 <= key.key_size <= 4096 and 65537 <= key.public_numbers().e < 2**32, "key") or "PS256"
    return {"secp256r1": "ES256", "brainpoolP256r1": "BP256R1"}[key.curve.name]
def jws(compact, typ, key, names, optional="", **hint):  # the payload; `hint` is what else the header carries
    header, payload, signature = compact.split(".")
    need(read(unb64(header)) == {"alg": algorithm(key), "typ": typ, **hint}, "header")
    data, signature = f"{header}.{payload}".encode(), unb64(signature)
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    else:
        key.verify(dss(signature), data, ec.ECDSA(hashes.SHA256()))
    return members(read(unb64(payload)), names, optional)
def oids(data):  # the object identifiers (DER) that stand in sequences, and in nothing else
    if not data: return []
    count = data[1] & 0x7F if data[1] & 0x80 else 0
    end = 2 + count + (int.from_bytes(data[2:2 + count], "big") if count else data[1])
    need(end <= len(data), "der")
    found = [data[:end]] if data[0] == 0x06 else oids(data[2 + count:end]) if data[0] == 0x30 else []
    return found + oids(data[end:])
def anchor_of(pem):
    ca = x509.load_pem_x509_certificate(pem)
    found = {it.oid: it.value for it in ca.extensions}
    need(found[Extension.KEY_USAGE].key_cert_sign and found[Extension.BASIC_CONSTRAINTS].ca and
         algorithm(ca.public_key()) != "ES256", "the anchor is no CA of cards")
    return ca, found[Extension.SUBJECT_KEY_IDENTIFIER].digest
def certificate_of(whole, issuer_cert, anchors, at):
    it = x509.load_der_x509_certificate(whole)
    found, key = {it.oid: it.value for it in it.extensions}, it.public_key()
    issuer, authority = it.issuer.public_bytes(), found[Extension.AUTHORITY_KEY_IDENTIFIER].key_identifier
    ca = [ca for ca, identifier in anchors if (ca.subject.public_bytes(), identifier) == (issuer, authority)][0]
    need(ca.public_bytes(serialization.Encoding.DER) == issuer_cert, "issuer_cert")
    how, right = [ec.ECDSA(hashes.SHA256())], SignatureAlgorithmOID.ECDSA_WITH_SHA256
    if isinstance(ca.public_key(), rsa.RSAPublicKey):
        how, right = [padding.PKCS1v15(), hashes.SHA256()], SignatureAlgorithmOID.RSA_WITH_SHA256
    need(it.signature_algorithm_oid == right and algorithm(key) != "ES256", "algorithm")
    ca.public_key().verify(it.signature, it.tbs_certificate_bytes, *how)
    first, last = ((getattr(it, name + "_utc", None) or getattr(it, name).replace(tzinfo=timezone.utc)).timestamp()
                   for name in ("not_valid_before", "not_valid_after"))
    need(first <= at <= last and {it.oid for it in it.extensions if it.critical} == CRITICAL, "validity or extensions")
    need(found[Extension.KEY_USAGE].public_bytes() in USAGES[:1 if algorithm(key) == "BP256R1" else 2] and
         not found[Extension.BASIC_CONSTRAINTS].ca and CLIENT in found.get(Extension.EXTENDED_KEY_USAGE, [CLIENT]), "usage")
    need(CH_AUT in [it.policy_identifier.dotted_string for it in found[Extension.CERTIFICATE_POLICIES]] and
         oids(found[ADMISSION].public_bytes()) == [INSURED], "type or role")
    units, *names = ([it.value for it in it.subject.get_attributes_for_oid(oid)]
                     for oid in (NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.SURNAME, NameOID.GIVEN_NAME))
    kvnrs, iks = ([unit for unit in units if re.fullmatch(shape, unit)] for shape in ("[A-Z][0-9]{9}", "[0-9]{9}"))
    need(len(kvnrs) == len(iks) == 1 and all(0 < len(name[0]) <= 64 for name in names), "person")
    marks = [re.search("TEST-ONLY|NOT-VALID", ca.subject.rfc4514_string()) for ca, _ in anchors]
    need(iks[0] != "109500969" or any(marks), "test card")
    return key, kvnrs[0], {"serialnumber": str(it.serial_number), "issuer": b64(issuer), "not_after": int(last),
                           "auth_cert_subject_public_key_info": spki(key), "pairing_data_version": "1.0"}
def audit(inclusion, receipt, key, **about):
    if inclusion is None: return ": absent"
    raw, path = unb64(members(inclusion, "entry path head")["entry"]), unb64(inclusion["path"])
    entry = members(read(raw), "v salt seq prev_sha256 ts actor device_id event object result detail")
    says(entry, v=2, seq=receipt["audit_seq"] + 1, prev_sha256=receipt["audit_head"], ts=receipt["at"],
         detail=receipt["sha256"], result="ok", **about)
    need(unb64(entry["salt"], 16) and len(path) % 32 == 0, "salt or path")
    value = sha256(unb64(entry["prev_sha256"], 32) + sha256(raw))
    for start in range(0, len(path), 32): value = sha256(value + path[start:start + 32])
    head = jws(inclusion["head"], "audit-head+jws", key, "v aud seq sha256 at")
    says(head, v=1, aud=receipt["aud"], seq=entry["seq"] + len(path) // 32, sha256=b64(value))
    return need(head["at"] >= entry["ts"], "at") or ""
def verify(data, anchors, service_jwk):  # gives each link that holds; fails at the first that does not
    bundle, person, adders = members(read(data), "v service devices omitted"), None, {}
    service = members(bundle["service"], "aud jwk")
    need(bundle["v"] == 2 and len(data) <= 2**24 and bundle["devices"], "no bundle of this version")
    need(service_jwk in (None, service["jwk"]), "another service's key")
    key, aud = jwk_key(service["jwk"]), service["aud"]
    def took(compact):
        it = jws(compact, "receipt+jws", key, "v aud subject id sha256 at amr audit_head", "audit_seq")
        return says(it, v=1, aud=aud) or it
    def decision_on(approval, jwk):
        members(approval, "approval_id challenge document decision receipt", "audit")
        about, data = approval["approval_id"], unb64(approval["document"])
        document = members(read(data), "v approval_id application_id type template account created data")
        says(document, v=1, approval_id=about, account=person, template=document["type"] + "/1")
        yield need(document["type"] in TYPES and len(data) <= 8192, "document") or f"document of {about}"
        decided = took(approval["receipt"])
        said = jws(approval["decision"], "approval+jws", jwk_key(jwk), "v aud approval_id document challenge "
                   "decision iat exp jti", "reason match_code")
        says(said, v=1, aud=aud, **{name: approval[name] for name in ("approval_id", "document", "challenge")})
        yield need(said["iat"] - TOLERANCE <= decided["at"] <= said["exp"] + TOLERANCE and
                   1 <= said["exp"] - said["iat"] <= 300, "iat or exp") or f"decision of {about}"
        says(decided, subject="decision", id=about, sha256=b64(sha256(approval["decision"])))
        return document, said, decided
    def statement(compact, typ, key, more="", optional="", **hint):
        said = jws(compact, typ, key, " ".join(same) + " iat " + more, optional, **hint)
        need(not says(said, **same) and abs(said["iat"] - receipt["at"]) <= TOLERANCE, "iat")
        return said
    for device in bundle["devices"]:
        binding = members(device, "binding approvals")["binding"]
        method, *by, level = [it.split() for it in GROUNDS if it.split()[1] in binding][0]
        members(binding, "device_id binding_level registration_id challenge pop receipt " + " ".join(by), "audit")
        of, receipt, pop = binding["device_id"], took(binding["receipt"]), binding["pop"].split(".")
        jwk = read(unb64(pop[0]))["jwk"]
        jkt = b64(sha256('{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}' % (jwk["x"], jwk["y"])))
        same = {"v": 1, "aud": aud, "jkt": jkt, "registration_id": binding["registration_id"],
                "challenge": binding["challenge"], "kvnr": read(unb64(pop[1]))["kvnr"]}
        person = need(person in (None, same["kvnr"]), "kvnr") or same["kvnr"]
        if method == "device":
            (its, since), by, parts = adders[binding["added_by"]], binding["approval"], [binding["approval"]["approval_id"]]
            document, said, decided = yield from decision_on(by, its)
            says(members(document["data"], "registration_id name jkt commit"), **{name: same[name] for name in DATA})
            says({"audit": None, **by, **said, **document}, audit=None, type="device.add", decision="approve")
            yield need(since + 14 * 86400 <= decided["at"] <= receipt["at"], "at") or f"device_addition of {of}"
        elif method == "qr":
            parts = [members(binding["qr"], "qr_id qr_jws")[it] for it in ("qr_id", "qr_jws")]
            yield statement(parts[1], "qr+jws", jwk_key(binding["qr_jwk"])) and f"code_signature of {of}"
        elif method == "chip":
            parts = [members(binding["chip"], "chip authority signature")[it] for it in "chip authority signature".split()]
            nonce = b"kartenbund/card-present/v1\0" + aud.encode() + b"\0" + unb64(same["challenge"], 32) + unb64(jkt)
            point = unb64(parts[0]).split(b"\x86\x41", 1)[1][:65]  # the public key of the chip's certificate
            ec.EllipticCurvePublicKey.from_encoded_point(ec.BrainpoolP256R1(), point).verify(dss(unb64(
                parts[2])), sha256(nonce)[:24].rjust(31, b"\0") + b"\0", ec.ECDSA(Prehashed(hashes.SHA256())))
            yield f"chip_signature of {of}"
        else:
            card = members(binding["card"], "signed_pairing_data auth_cert card_jws")
            parts = [card[it] for it in ("signed_pairing_data", "auth_cert", "card_jws")]
            auth_cert = unb64(parts[1])
            card_key, kvnr, pairing = certificate_of(auth_cert, unb64(binding["issuer_cert"]), anchors, receipt["at"])
            yield need(kvnr == person, "kvnr") or f"certificate of {of}"
            pairing["se_subject_public_key_info"] = spki(jwk_key(jwk))
            said = jws(parts[0], "JWT", card_key, " ".join(pairing) + " key_identifier product")
            need(not says(said, **pairing) and unb64(said["key_identifier"], 32) and said["product"].strip(), "product")
            said = statement(parts[2], CARD, card_key, "pairing_sha256", x5c=[base64.b64encode(auth_cert).decode()])
            yield says(said, pairing_sha256=b64(sha256(parts[0]))) or f"card_signature of {of}"
        said = statement(binding["pop"], "pop+jws", jwk_key(jwk), "method evidence_sha256 voprf_pk transport_jwk",
                         "attestation_sha256", jwk=jwk)
        says(said, method=method, evidence_sha256=b64(sha256("\n".join(parts))))
        need(jwk_key(said["transport_jwk"]) and said["transport_jwk"] != jwk, "transport_jwk")
        yield unb64(said.get("attestation_sha256", jkt), 32) and f"device_possession of {of}"
        says(receipt, subject="binding", id=of, sha256=b64(sha256(binding["pop"])))
        yield need(binding["binding_level"] == level, "binding_level") or f"binding_receipt of {of}"
        if method == "card": adders[of] = jwk, receipt["at"]
        what = {"event": "device.bound", "device_id": of, "object": binding["registration_id"]}
        yield f"binding_audit of {of}{audit(binding.get('audit'), receipt, key, **what)}"
        for approval in device["approvals"]:
            document, said, decided = yield from decision_on(approval, jwk)
            yield need(decided["at"] >= receipt["at"], "at") or f"decision_receipt of {decided['id']}"
            it = {"event": "application." + EVENTS[said["decision"]], "device_id": of, "object": document["application_id"]}
            yield f"decision_audit of {decided['id']}{audit(approval.get('audit'), decided, key, **it)}"

anchor, service_key, *files = sys.argv[1:]
blocks = re.findall(b"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", open(anchor, "rb").read(), re.DOTALL)
service_jwk, all_hold = None if service_key == "-" else read(open(service_key, "rb").read()), True
for path in files:
    try:
        for link in verify(open(path, "rb").read(), [anchor_of(block) for block in blocks], service_jwk):
            print(f"  holds: {link}")
        print(f"HOLDS: {path}")
    except Exception as error:  # whatever the bytes lead to
        print(f"DOES NOT HOLD: {path}: {error!r}")
        all_hold = False
sys.exit(not all_hold)
