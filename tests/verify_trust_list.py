"""The trust list in evidence, as docs/evidence.md has it: what `verify_evidence.py` asks of it. Needs `cryptography`."""
import base64
from datetime import datetime, timezone
from xml.etree import ElementTree
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID as Ext

NEVER, SHA256 = 2**40, ec.ECDSA(hashes.SHA256())
CH_AUT, TSL_SIGNER, TSL_SIGNING = "1.2.276.0.76.4.70", "1.2.276.0.76.4.176", "0.4.0.2231.3.0"
NON_REPUDIATION, ECDSA_SHA256 = bytes.fromhex("03020640"), bytes.fromhex("300a06082a8648ce3d040302")
NAMES, URI = {"": "http://uri.etsi.org/02231/v2#"}, "http://uri.etsi.org/TrstSvc/"
TYPE, STATUS = URI + "Svctype/", URI + "Svcstatus/"
SERVICES = "TrustServiceProviderList/TrustServiceProvider/TSPServices/TSPService/ServiceInformation"

def need(holds, what):
    if not holds: raise ValueError(what)

def ca_of(certificate):  # a CA and its identifier
    found = {it.oid: it.value for it in certificate.extensions}
    need(found[Ext.KEY_USAGE].key_cert_sign and found[Ext.BASIC_CONSTRAINTS].ca, "no CA")
    return certificate, found[Ext.SUBJECT_KEY_IDENTIFIER].digest

def check_signature(data, signature, signers, at):  # by a signer whom one of these CAs, with their identifiers, has made one
    value, whole = signature[16:18 + signature[17]], signature[18 + signature[17]:]
    length = len(signature[4:]).to_bytes(2, "big")
    need(signature == b"\x30\x82" + length + ECDSA_SHA256 + value + whole, "form of the signature")
    it = x509.load_der_x509_certificate(whole)
    found = {it.oid: it.value for it in it.extensions}
    named = it.issuer, found[Ext.AUTHORITY_KEY_IDENTIFIER].key_identifier
    ca = [ca for ca, identifier, _ in signers if (ca.subject, identifier) == named][0]
    ca.public_key().verify(it.signature, it.tbs_certificate_bytes, SHA256)
    first, last = (t.replace(tzinfo=timezone.utc).timestamp() for t in (it.not_valid_before, it.not_valid_after))
    need(first <= at <= last and it.signature_algorithm_oid.dotted_string == "1.2.840.10045.4.3.2", "validity of the signer")
    need({it.oid for it in it.extensions if it.critical} == {Ext.KEY_USAGE, Ext.BASIC_CONSTRAINTS}, "critical")
    need(found[Ext.KEY_USAGE].public_bytes() == NON_REPUDIATION and not found[Ext.BASIC_CONSTRAINTS].ca, "usage")
    need(TSL_SIGNING in [it.dotted_string for it in found[Ext.EXTENDED_KEY_USAGE]], "purpose")
    need(TSL_SIGNER in [it.policy_identifier.dotted_string for it in found[Ext.CERTIFICATE_POLICIES]], "type")
    need(it.public_key().curve.name == "brainpoolP256r1", "curve") or it.public_key().verify(value, data, SHA256)

def listed(data, signature, signers, at):  # CAs, with identifier and since when they are revoked; responders (DER)
    check_signature(data, signature, signers, at)
    root, cas, responders = ElementTree.fromstring(data), [], []
    text = lambda it, path: it.findtext(path, "", NAMES).strip()
    time = lambda it, path: datetime.fromisoformat(text(it, path)).timestamp()
    need(root.tag == "{%s}TrustServiceStatusList" % NAMES[""] and b"<!DOCTYPE" not in data, "form of the list")
    need(at <= time(root, "SchemeInformation/NextUpdate/dateTime"), "NextUpdate")
    for service in root.iterfind(SERVICES, NAMES):
        kind, status = text(service, "ServiceTypeIdentifier"), text(service, "ServiceStatus")
        oids = [it.text.strip() for it in service.iterfind("ServiceInformationExtensions/Extension/ExtensionOID", NAMES)]
        identities = service.findall("ServiceDigitalIdentity/DigitalId/X509Certificate", NAMES)
        is_ca = kind == TYPE + "CA/PKC" and CH_AUT in oids and status in (STATUS + "inaccord", STATUS + "revoked")
        is_responder = kind == TYPE + "Certstatus/OCSP" and status == STATUS + "inaccord"
        if len(identities) != 1 or not is_ca and not is_responder: continue
        revoked = time(service, "StatusStartingTime") if status == STATUS + "revoked" else NEVER
        try:
            certificate = x509.load_der_x509_certificate(base64.b64decode(identities[0].text))
            if is_ca: cas.append((*ca_of(certificate), revoked))
            else: responders.append(certificate.public_bytes(serialization.Encoding.DER))
        except ValueError: pass  # what cannot be used makes nothing else worthless
    return sorted(cas, key=lambda ca: ca[2]), responders
