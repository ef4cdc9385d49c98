//! `audit verify`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use kartenbund::disk;
use kartenbund::jose::{JwkSet, P256Jwk};
use kartenbund::server::{AuditReport, AuditVerifyError, Service, Settings, Statements, verify_audit_lines};

use crate::failure::Failure;

/// Longest file with heads or receipts.
const MAX_AGAINST: usize = 64 * 1024 * 1024;
const MAX_JWK: usize = 64 * 1024;

/// Verifies the audit in the database, with the keys of the service.
pub(crate) async fn verify_database(settings: &Settings, against: &[PathBuf]) -> Result<(), Failure> {
    let keys = Service::public_keys(settings)?.all();
    let report = Service::verify_audit(settings, statements(against, &keys)?).await;
    print(&report.map_err(|error| match error {
        AuditVerifyError::Server(error) => error.into(),
        error => Failure::Audit(error),
    })?);
    Ok(())
}

/// Verifies lines of the audit in a file.
pub(crate) fn verify_file(path: &Path, against: &[PathBuf], keys: &[PathBuf]) -> Result<(), Failure> {
    if keys.is_empty() && !against.is_empty() {
        return Err(Failure::NoServiceKey);
    }
    let keys = keys.iter().map(|path| read_keys(path)).collect::<Result<Vec<_>, _>>()?.concat();
    let statements = statements(against, &keys)?;
    let file = File::open(path).map_err(|error| Failure::File(path.to_owned(), error))?;
    let report = verify_audit_lines(BufReader::new(file), statements).map_err(|error| match error {
        AuditVerifyError::File(error) => Failure::File(path.to_owned(), error),
        error => Failure::Audit(error),
    })?;
    print(&report);
    Ok(())
}

fn statements(files: &[PathBuf], keys: &[P256Jwk]) -> Result<Statements, Failure> {
    let mut statements = Statements::default();
    for path in files {
        let text = String::from_utf8_lossy(&read(path, MAX_AGAINST)?).into_owned();
        // What another service signed says nothing about this audit.
        statements.add(&text, keys).map_err(|error| Failure::AuditFile(path.clone(), error))?;
    }
    Ok(statements)
}

fn read_keys(path: &Path) -> Result<Vec<P256Jwk>, Failure> {
    JwkSet::read(&read(path, MAX_JWK)?).map(|set| set.keys).map_err(|error| {
        Failure::AuditFile(path.to_owned(), std::io::Error::new(std::io::ErrorKind::InvalidData, error).into())
    })
}

fn read(path: &Path, max: usize) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::File(path.to_owned(), error);
    disk::read(path, max).map_err(failed)?.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
}

fn print(report: &AuditReport) {
    println!(
        "the audit is whole\nentries: {} to {}\nheads: {}\nreceipts: {}",
        report.first, report.last, report.heads, report.receipts
    );
}
