//! Why the program ends with an error: stable code, exit code (`docs/exit-codes.md`), and what to do next.

use std::net::SocketAddr;
use std::path::PathBuf;

use kartenbund::pki::AnchorError;
use kartenbund::server::{AuditVerifyError, Code, ConfigError, ImportError, LettersError, ServerError, Wrong};
use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("no configuration was named")]
    NoConfig,
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    #[error("{0} cannot be read or written")]
    File(PathBuf, #[source] std::io::Error),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("{0} rows were not imported")]
    Rejected(u64),
    #[error(transparent)]
    Letters(#[from] LettersError),
    #[error("{0} letters cannot be printed")]
    NotPrinted(u64),
    #[error("no letter was ordered: {}", .0.title())]
    NotOrdered(Code),
    #[error("the audit does not verify")]
    Audit(#[source] AuditVerifyError),
    #[error("{0} cannot be used")]
    AuditFile(PathBuf, #[source] AuditVerifyError),
    #[error("--against needs --service-key, since the file has no key")]
    NoServiceKey,
    #[error("the operating system refuses")]
    System(#[from] std::io::Error),
}

const NOT_LOOPBACK: (&str, u8, &str) = (
    "not_loopback",
    10,
    "listen on 127.0.0.1 or [::1], give [tls], or say in [proxy] that a proxy with TLS stands before it",
);

const MAIL_SERVER: (&str, u8, &str) = (
    "mail_server",
    28,
    "give [mail] a sender, encryption unless the server is this computer, and a CA to check it with",
);

impl Failure {
    /// Stable code, exit code, and what to do next.
    pub(crate) fn remedy(&self) -> (&'static str, u8, &'static str) {
        match self {
            Self::Server(ServerError::NotLoopback(_)) => NOT_LOOPBACK,
            Self::Config(error) if error.is(|wrong| matches!(wrong, Wrong::NotLoopback(_))) => NOT_LOOPBACK,
            Self::Server(ServerError::DatabaseNewer(_)) => {
                ("database_newer", 22, "run the version that brought the database up to date, or a later one")
            }
            Self::Server(ServerError::PgDump) => ("database", 11, "run pg_dump as docs/operating.md has it"),
            Self::Server(ServerError::Unused) => ("database", 11, "check `data` and [database] in the configuration"),
            Self::Server(ServerError::Database(_) | ServerError::Migration(_)) => {
                ("database", 11, "check the data folder or the server of the database, the rights and the free space")
            }
            Self::Server(ServerError::KeyStep { .. }) => (
                "key_step",
                34,
                "take the steps in their order: announce, activate, retire; docs/operating.md says when",
            ),
            Self::Server(ServerError::NoFormerKey(_)) => {
                ("no_former_key", 35, "`keys show` prints the thumbprints; what is listed there as former can be named")
            }
            Self::Server(ServerError::File(_) | ServerError::Keys(_)) => (
                "keys",
                12,
                "restore service-keys.json from the backup; without it nobody's client accepts the service",
            ),
            Self::Server(ServerError::Tls(_)) => {
                ("tls", 21, "check the files of the certificate and its key: PEM, and of one pair")
            }
            Self::Server(ServerError::TrustList(_)) => (
                "trust_list",
                33,
                "name the list and its detached signature as they were received, and the CA of its signer",
            ),
            Self::Server(ServerError::Smtp(_)) => MAIL_SERVER,
            Self::Config(error) if error.is(|wrong| matches!(wrong, Wrong::Mail(_))) => MAIL_SERVER,
            Self::Listen(..) => ("listen", 13, "choose another address, or stop what uses it"),
            Self::File(..) => ("file", 14, "check the path and its rights"),
            Self::Config(error) if error.is(|wrong| matches!(wrong, Wrong::Anchor(_, AnchorError::TestCa))) => {
                ("test_ca", 15, "a test CA belongs into test_anchors, and never to a service for real people")
            }
            Self::Config(error) if error.is(|wrong| matches!(wrong, Wrong::Anchor(..))) => {
                ("anchor", 16, "name a PEM file with certificates of eGK CAs")
            }
            Self::Config(error) if error.is(|wrong| matches!(wrong, Wrong::CvcRoot(..))) => (
                "cvc_root",
                32,
                "name a file with the certificate of a root (CVC, DER), and before it the one that vouches for it",
            ),
            Self::Import(_) => ("import", 17, "mend it and import the same file again: it goes on where it stopped"),
            Self::Rejected(_) => ("rejected_rows", 18, "mend the rows above and import the same file again"),
            Self::Letters(LettersError::Busy) => ("outbox_busy", 23, "let the other one come to its end"),
            Self::Letters(LettersError::Texts) => (
                "letter_texts",
                24,
                "mend the insurer's name, [letters] and the files of [texts]: a character in them cannot be printed",
            ),
            Self::Letters(_) => ("letters", 25, "mend it and run the same command again: it goes on where it stopped"),
            Self::NotPrinted(_) => {
                ("not_printed", 26, "mend name or address in the register, import it, and order these letters again")
            }
            Self::NotOrdered(_) => ("not_ordered", 27, "check the number, and the state of the account"),
            Self::Audit(AuditVerifyError::Fault(fault)) if fault.is_broken_chain() => (
                "audit_broken",
                29,
                "keep the database and its backups as they are, and find out who had it: from this entry on nothing is sure",
            ),
            Self::Audit(_) => (
                "audit_contradicted",
                30,
                "keep the database and its backups as they are: entries were cut off or rewritten after they were signed",
            ),
            Self::AuditFile(..) | Self::NoServiceKey => (
                "audit_file",
                31,
                "name lines of the audit, the service's key as JWK, and files with heads or receipts in them",
            ),
            Self::System(_) => ("system", 19, "see the cause above"),
            Self::NoConfig => {
                ("config", 20, "name it with --config FILE or KARTENBUND_CONFIG; `config example` prints one")
            }
            Self::Config(_) => ("config", 20, "mend the file; `config example` prints every setting with its meaning"),
        }
    }
}
