//! The second verifier of evidence, in Python, written from `docs/evidence.md`: whatever is said of evidence is asked of it,
//! too.

use std::process::Command;

use kartenbund::jose::{JwkSet, P256Jwk};
use kartenbund::virtual_card::personalise::TestCa;

/// Whether each of these files holds.
pub fn second_verifier(bundles: &[Vec<u8>], cas: &[&TestCa], service_keys: &[P256Jwk]) -> Vec<bool> {
    second_verifier_with(bundles, cas, &[], service_keys)
}

/// The same with OCSP responders (PEM) that are trusted.
pub fn second_verifier_with(
    bundles: &[Vec<u8>],
    cas: &[&TestCa],
    responders: &[Vec<u8>],
    service_keys: &[P256Jwk],
) -> Vec<bool> {
    let folder = tempfile::tempdir().unwrap();
    let anchors = folder.path().join("anchors.pem");
    let cas = cas.iter().map(|ca| ca.certificate_pem().unwrap().into_bytes());
    std::fs::write(&anchors, cas.chain(responders.iter().cloned()).collect::<Vec<_>>().concat()).unwrap();
    // Debian's Python has Debian's python3-cryptography (`tools/setup.sh`).
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-B", "tests/verify_evidence.py"]).arg(&anchors);
    match service_keys {
        [] => drop(python.arg("-")),
        keys => {
            let path = folder.path().join("service-keys.json");
            std::fs::write(&path, serde_json::to_vec(&JwkSet { keys: keys.to_vec() }).unwrap()).unwrap();
            python.arg(path);
        }
    }
    for (number, bundle) in bundles.iter().enumerate() {
        let path = folder.path().join(format!("{number}.json"));
        std::fs::write(&path, bundle).unwrap();
        python.arg(path);
    }
    let output = python.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let holds: Vec<_> =
        told.lines().filter(|line| !line.starts_with(' ')).map(|line| line.starts_with("HOLDS: ")).collect();
    assert_eq!(holds.len(), bundles.len(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.success(), holds.iter().all(|holds| *holds), "{told}");
    holds
}
