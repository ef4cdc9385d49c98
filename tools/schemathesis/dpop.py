"""Gives each request of schemathesis what its operation says it needs: a DPoP proof (RFC 9449) by the session key of a
member who is logged in, and her access token."""

import base64
import hashlib
import json
import os
import time
import urllib.parse
import uuid

import schemathesis
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

SERVICE = os.environ["KARTENBUND_URL"]
TOKEN = os.environ["KARTENBUND_ACCESS_TOKEN"]
SCALAR = base64.urlsafe_b64decode(os.environ["KARTENBUND_SESSION_KEY"] + "=")
KEY = ec.derive_private_key(int.from_bytes(SCALAR, "big"), ec.SECP256R1())


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value: dict) -> str:
    return encode(json.dumps(value, separators=(",", ":")).encode())


def proof(method: str, path: str, token: str | None) -> str:
    public = KEY.public_key().public_numbers()
    x, y = (encode(number.to_bytes(32, "big")) for number in (public.x, public.y))
    header = {"alg": "ES256", "jwk": {"crv": "P-256", "kty": "EC", "x": x, "y": y}, "typ": "dpop+jwt"}
    claims = {"htm": method, "htu": SERVICE + path, "iat": int(time.time()), "jti": str(uuid.uuid4())}
    if token:
        claims["ath"] = encode(hashlib.sha256(token.encode()).digest())
    signed = f"{part(header)}.{part(claims)}"
    r, s = utils.decode_dss_signature(KEY.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@schemathesis.auth()
class Member:
    def get(self, case, context):
        return TOKEN

    def set(self, case, token, context):
        needs = {name for each in security(case.operation) for name in each}
        path = urllib.parse.urlsplit(case.as_transport_kwargs(base_url=SERVICE)["url"]).path
        if "access_token" in needs:
            case.headers["Authorization"] = f"DPoP {token}"
        if "dpop_proof" in needs:
            case.headers["DPoP"] = proof(case.method.upper(), path, token if "access_token" in needs else None)


def security(operation) -> list:
    """What the operation says, or else the whole description (OpenAPI 3.1, 4.8.10)."""
    return operation.definition.raw.get("security", operation.schema.raw_schema.get("security", []))
