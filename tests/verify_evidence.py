"""Verifies evidence as docs/evidence.md has it, link by link: `verify_evidence.py ANCHOR.pem SERVICE-KEYS.json|- FILE...`"""
import base64, contextlib, datetime, hashlib, json, re, sys, zlib
from cryptography import exceptions, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509 import ExtendedKeyUsageOID, ExtensionOID as Ext, NameOID, SignatureAlgorithmOID, ocsp
CH_AUT, ADMISSION, CERT_HASH = map(x509.ObjectIdentifier, ("1.2.276.0.76.4.70", "1.3.36.8.3.3", "1.3.36.8.3.13"))
FIRST, LAST, POP = "not_valid_before", "not_valid_after", "method evidence_sha256 voprf_pk transport_jwk"
INSURED, POINT = bytes.fromhex("06072a8214004c0431"), ec.EllipticCurvePublicKey.from_encoded_point  # 1.2.276.0.76.4.49
GROUNDS = "qr qr_jwk qr B1", "device added_by approval B1", "chip chip B2", "card issuer_cert card B3"
BINDING, MORE = "device_id binding_level registration_id challenge pop receipt", "audit_seq ocsp_sha256 trust_list_sha256"
PREHASHED, CLIENT, CARD = ec.ECDSA(utils.Prehashed(hashes.SHA256())), ExtendedKeyUsageOID.CLIENT_AUTH, "kartenbund-card+jws"
USAGES = bytes.fromhex("03020780"), bytes.fromhex("030205a0")  # digitalSignature, and with keyEncipherment
EVENTS, TOLERANCE, DATA = {"approve": "approved", "deny": "denied", "not_me": "not_me"}, 120, ("registration_id", "jkt")
TYPES = "address.change bank.change contact.change password.reset web.login card.order device.add".split()
def need(holds, what): return None if holds else {}[what]  # KeyError: it says what does not hold
def says(value, **expected): return any(need(value.get(name) == right, name) for name, right in expected.items()) or None
def members(value, required, optional=""): return need((names := set(required.split())) <= set(value) <= names | set(
    optional.split()) and bool not in map(type, value.values()), "members") or value
def parts_of(value, names): return [members(value, names)[name] for name in names.split()]
def read(data):
    once = lambda pairs: need(len(dict(pairs)) == len(pairs), "a member stands twice") or dict(pairs)
    return json.loads(data.decode(), object_pairs_hook=once, parse_float=lambda _: need(False, "a fraction"))
def b64(data): return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
def unb64(text, length=None): return need(b64(data := base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) == text
                                          and length in (None, len(data)), "base64url") or data  # no padding, no loose bits
def sha256(data): return hashlib.sha256(data.encode() if isinstance(data, str) else data).digest()
def spki(key): return b64(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
def jwk_key(jwk): return says(members(jwk, "kty crv x y"), kty="EC", crv="P-256") or (
    POINT(ec.SECP256R1(), b"\4" + unb64(jwk["x"], 32) + unb64(jwk["y"], 32)))
def dss(it): return need(len(it) == 64, "size") or utils.encode_dss_signature(*map(int.from_bytes, (it[:32], it[32:])))
def algorithm(key): return ({"secp256r1": "ES256", "brainpoolP256r1": "BP256R1"}[key.curve.name] if hasattr(key, "curve")
    else need(2048 <= key.key_size <= 4096 and 65537 <= key.public_numbers().e < 2**32, "key") or "PS256")
def jws(compact, typ, key, names, optional="", **hint):  # the payload; `hint` is what else the header carries
    header, payload, signature = compact.split(".")
    need(read(unb64(header)) == {"alg": algorithm(key), "typ": typ, **hint}, "header")
    data, signature = f"{header}.{payload}".encode(), unb64(signature)
    is_rsa, pss = isinstance(key, rsa.RSAPublicKey), padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    key.verify(*(signature, data, pss, hashes.SHA256()) if is_rsa else (dss(signature), data, ec.ECDSA(hashes.SHA256())))
    return members(read(unb64(payload)), names, optional)
def by_service(compact, typ, keys, *names):  # signed by one of the keys; where there is none, it does not hold
    for key in keys:
        with contextlib.suppress(exceptions.InvalidSignature): return jws(compact, typ, key, *names)
    need(False, "signed by none of the keys")
def oids(data):  # the object identifiers (DER) that stand in sequences, and in nothing else
    if not data: return []
    count = data[1] & 0x7F if data[1] & 0x80 else 0
    end = 2 + count + (int.from_bytes(data[2:2 + count], "big") if count else data[1])
    need(end <= len(data), "der")
    return ([data[:end]] if data[0] == 6 else oids(data[2 + count:end]) if data[0] == 0x30 else []) + oids(data[end:])
def moment(it, name):  # in seconds; a time that is not there is far away
    return t.replace(tzinfo=datetime.UTC).timestamp() if (t := getattr(it, name + "_utc", 0) or getattr(it, name)) else 2**40
def signed_by(key, it, data):  # with the one algorithm of its kind of key
    right, *how = {"PS256": (SignatureAlgorithmOID.RSA_WITH_SHA256, padding.PKCS1v15(), hashes.SHA256()),
                   "BP256R1": (SignatureAlgorithmOID.ECDSA_WITH_SHA256, ec.ECDSA(hashes.SHA256()))}[algorithm(key)]
    need(it.signature_algorithm_oid == right, "algorithm") or key.verify(it.signature, data, *how)
def ca_of(it, found): return need(found[Ext.KEY_USAGE].key_cert_sign and found[Ext.BASIC_CONSTRAINTS].ca, "no CA") or (
    it, found[Ext.SUBJECT_KEY_IDENTIFIER].digest, 2**40)  # its identifier, and since when it is revoked
def unpack(packed, most=2**22): return need(len(data := (it := zlib.decompressobj(31)).decompress(packed, most + 1)) <= most
                                            and it.eof and not it.unused_data, "gzip") or data
def list_of(bundle, receipt, signers, known):  # what is said of the list; its CAs; responders, `None` where none is trusted
    if (named := receipt.get("trust_list_sha256")) is None: return ": absent", [], known or None
    lists = [[unb64(part) for part in parts_of(it, "list signature")] for it in bundle["trust_lists"]]
    data, signature = [(data, by) for data, by in ((unpack(it), by) for it, by in lists) if b64(sha256(data)) == named][0]
    cas, more = __import__("verify_trust_list").listed(data, signature, signers, receipt["at"]) if signers else ([], [])
    return "", cas, known + more if signers or known else None
def revocation(said, receipt, auth_cert, issuer_cert, responders):
    if said is None and "ocsp_sha256" not in receipt: return ": absent"
    responder, answer = map(unb64, parts_of(said, "responder answer"))
    need(receipt["ocsp_sha256"] == b64(sha256(answer)) and (responders is None or responder in responders), "ocsp")
    by, *pair = map(x509.load_der_x509_certificate, (responder, auth_cert, issuer_cert))
    it, at = ocsp.load_der_ocsp_response(answer), receipt["at"]
    signed_by(by.public_key(), it, it.tbs_response_bytes)
    made, this, until = (moment(it, name) for name in ("produced_at", "this_update", "next_update"))
    need(moment(by, FIRST) <= at <= moment(by, LAST) and abs(made - at) < 38 and this < at + 38 and until > at - 38, "time")
    asked = ocsp.OCSPRequestBuilder().add_certificate(*pair, it.hash_algorithm).build()
    names = [(it.issuer_name_hash, it.issuer_key_hash, it.serial_number) for it in (it, asked)]
    more, good = [*it.extensions, *it.single_extensions], it.certificate_status == ocsp.OCSPCertStatus.GOOD
    hashed = all(it.value.value[-32:] == sha256(auth_cert) for it in more if it.oid == CERT_HASH)
    return need(names[0] == names[1] and good and hashed and not any(it.critical for it in more), "answer") or ""
def certificate_of(whole, issuer_cert, anchors, at):
    it = x509.load_der_x509_certificate(whole)
    found, key = {it.oid: it.value for it in it.extensions}, it.public_key()
    issuer, authority = it.issuer.public_bytes(), found[Ext.AUTHORITY_KEY_IDENTIFIER].key_identifier
    ca, _, revoked = [ca for ca in anchors if (ca[0].subject.public_bytes(), ca[1]) == (issuer, authority)][0]
    need(moment(it, FIRST) <= revoked and ca.public_bytes(serialization.Encoding.DER) == issuer_cert, "issuer")
    signed_by(ca.public_key(), it, it.tbs_certificate_bytes)
    critical = {it.oid for it in it.extensions if it.critical} == {Ext.KEY_USAGE, Ext.BASIC_CONSTRAINTS}
    need(algorithm(key) != "ES256" and moment(it, FIRST) <= at <= moment(it, LAST) and critical, "validity")
    need(found[Ext.KEY_USAGE].public_bytes() in USAGES[:1 if algorithm(key) == "BP256R1" else 2] and
         not found[Ext.BASIC_CONSTRAINTS].ca and CLIENT in found.get(Ext.EXTENDED_KEY_USAGE, [CLIENT]), "usage")
    need(CH_AUT in [it.policy_identifier for it in found[Ext.CERTIFICATE_POLICIES]] and
         oids(found[ADMISSION].public_bytes()) == [INSURED], "type or role")
    units, *names = ([it.value for it in it.subject.get_attributes_for_oid(oid)]
                     for oid in (NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.SURNAME, NameOID.GIVEN_NAME))
    kvnrs, iks = ([unit for unit in units if re.fullmatch(shape, unit)] for shape in ("[A-Z][0-9]{9}", "[0-9]{9}"))
    need(len(kvnrs) == len(iks) == 1 and all(0 < len(name[0]) <= 64 for name in names), "person")
    need(iks[0] != "109500969" or re.search("TEST-ONLY|NOT-VALID", str([ca.subject for ca, *_ in anchors])), "test card")
    return key, kvnrs[0], {"serialnumber": str(it.serial_number), "issuer": b64(issuer), "not_after": int(moment(it, LAST)),
                           "auth_cert_subject_public_key_info": spki(key), "pairing_data_version": "1.0"}
def audit(inclusion, receipt, service_keys, **about):
    if inclusion is None: return ": absent"
    raw, path = map(unb64, parts_of(inclusion, "entry path head")[:2])
    entry = members(read(raw), "v salt seq prev_sha256 ts actor device_id event object result detail")
    says({**entry, "event": entry["event"].replace("device.rebound", "device.bound")}, v=2, ts=receipt["at"],
         seq=receipt["audit_seq"] + 1, prev_sha256=receipt["audit_head"], detail=receipt["sha256"], result="ok", **about)
    need(unb64(entry["salt"], 16) and len(path) % 32 == 0, "salt or path")
    value = sha256(unb64(entry["prev_sha256"], 32) + sha256(raw))
    for start in range(0, len(path), 32): value = sha256(value + path[start:start + 32])
    head = by_service(inclusion["head"], "audit-head+jws", service_keys, "v aud seq sha256 at")
    says(head, v=1, aud=receipt["aud"], seq=entry["seq"] + len(path) // 32, sha256=b64(value))
    return need(head["at"] >= entry["ts"], "at") or ""
def verify(data, anchors, signers, responders, pinned):  # gives each link that holds; fails at the first that does not
    bundle, person, adders, keys = members(read(data), "v service devices omitted", "trust_lists"), None, {}, {}
    aud, named = (it := members(bundle["service"], "aud jwk", "other_jwks"))["aud"], [it["jwk"], *it.get("other_jwks", [])]
    need(bundle["v"] in (2, 3, 4, 5) and len(data) <= 2**24 and bundle["devices"] and len(named) <= 64, "version or size")
    ours = need(max(map(named.count, named)) == 1, "once") or [jwk_key(it) for it in named if pinned is None or it in pinned]
    def took(it): return says(it := by_service(it, "receipt+jws", ours, "v aud subject id sha256 at amr audit_head",
                                               f"{MORE} code_shown_by"), v=1, aud=aud) or it
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
        says(decided, subject="decision", id=about, sha256=b64(sha256(approval["decision"])), code_shown_by=None)
        return document, said, decided
    def statement(compact, typ, key, more="", optional="", **hint):
        said = jws(compact, typ, key, " ".join(same) + " iat " + more, optional, **hint)
        return need(not says(said, **same) and abs(said["iat"] - receipt["at"]) <= TOLERANCE, "iat") or said
    for binding, approvals in (parts_of(it, "binding approvals") for it in bundle["devices"]):
        method, *by, level = [it.split() for it in GROUNDS if it.split()[1] in binding][0]
        members(binding, " ".join([BINDING, *by]), "audit ocsp" if method == "card" else "audit")
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
            parts, by = parts_of(binding["qr"], "qr_id qr_jws"), receipt.pop("code_shown_by", None)
            said = need(by in (None, "card", "device"), "code_shown_by") or by and f": code shown by {by}" or ""
            yield statement(parts[1], "qr+jws", jwk_key(binding["qr_jwk"])) and f"code_signature of {of}{said}"
        elif method == "chip":
            parts = parts_of(binding["chip"], "chip authority signature")
            nonce = b"kartenbund/card-present/v1\0%s\0" % aud.encode() + unb64(same["challenge"], 32) + unb64(jkt)
            key_of_chip = POINT(ec.BrainpoolP256R1(), unb64(parts[0]).split(b"\x86\x41", 1)[1][:65])
            key_of_chip.verify(dss(unb64(parts[2])), bytes(7) + sha256(nonce)[:24] + b"\0", PREHASHED)
            yield f"chip_signature of {of}"
        else:
            parts = parts_of(binding["card"], "signed_pairing_data auth_cert card_jws")
            auth_cert, issuer = unb64(parts[1]), unb64(binding["issuer_cert"])
            list_is, cas, known = list_of(bundle, receipt, signers, responders)
            yield f"trust_list of {of}{list_is}"
            card_key, kvnr, pairing = certificate_of(auth_cert, issuer, cas + anchors, receipt["at"])
            yield need(kvnr == person, "kvnr") or f"certificate of {of}"
            yield f"revocation of {of}{revocation(binding.get('ocsp'), receipt, auth_cert, issuer, known)}"
            pairing["se_subject_public_key_info"] = spki(jwk_key(jwk))
            said = jws(parts[0], "JWT", card_key, " ".join(pairing) + " key_identifier product")
            need(not says(said, **pairing) and unb64(said["key_identifier"], 32) and said["product"].strip(), "product")
            said = statement(parts[2], CARD, card_key, "pairing_sha256", x5c=[base64.b64encode(auth_cert).decode()])
            yield says(said, pairing_sha256=b64(sha256(parts[0]))) or f"card_signature of {of}"
        said = statement(binding["pop"], "pop+jws", jwk_key(jwk), POP, "attestation_sha256", jwk=jwk)
        says(said, method=method, evidence_sha256=b64(sha256("\n".join(parts))))
        need(jwk_key(said["transport_jwk"]) and said["transport_jwk"] != jwk == keys.setdefault(of, jwk), "transport_jwk")
        yield unb64(said.get("attestation_sha256", jkt), 32) and f"device_possession of {of}"
        says(receipt, subject="binding", id=of, sha256=b64(sha256(binding["pop"])), code_shown_by=None)
        yield need(binding["binding_level"] == level, "binding_level") or f"binding_receipt of {of}"
        if method == "card": adders.setdefault(of, (jwk, receipt["at"]))
        what = {"event": "device.bound", "device_id": of, "object": binding["registration_id"]}
        yield f"binding_audit of {of}{audit(binding.get('audit'), receipt, ours, **what)}"
        for approval in approvals:
            document, said, decided = yield from decision_on(approval, jwk)
            yield need(decided["at"] >= receipt["at"], "at") or f"decision_receipt of {decided['id']}"
            it = {"event": "application." + EVENTS[said["decision"]], "device_id": of, "object": document["application_id"]}
            yield f"decision_audit of {decided['id']}{audit(approval.get('audit'), decided, ours, **it)}"
cas, signers, responders, (anchor, service_keys, *files) = [], [], [], sys.argv[1:]
for block in re.findall(b"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", open(anchor, "rb").read(), re.DOTALL):
    it = x509.load_pem_x509_certificate(block)
    try: (signers if "TSL-CA" in str(it.subject) else cas).append(ca_of(it, {it.oid: it.value for it in it.extensions}))
    except Exception: responders.append(it.public_bytes(serialization.Encoding.DER))
pinned, all_hold = None if service_keys == "-" else (it := read(open(service_keys, "rb").read())).get("keys", [it]), True
for path in files:
    try:
        for link in verify(open(path, "rb").read(), cas, signers, responders, pinned): print(f"  holds: {link}")
        print(f"HOLDS: {path}")
    except Exception as error: all_hold = print(f"DOES NOT HOLD: {path}: {error!r}")  # whatever the bytes lead to
sys.exit(not all_hold)
