//! Somebody at the insurer with the database in hands, who knows how the audit is chained; and whoever checks it.

use kartenbund::protocol::audit::Position;
use kartenbund::server::{AuditReport, AuditVerifyError, PublicKeys, ServerError, Statements};

use super::*;

impl World {
    pub fn own_settings(&self) -> Settings {
        let mut settings = Settings::new(self.folder.path().join("service"), self.address.as_str());
        settings.database = self.database.setting();
        settings
    }

    /// An operator revokes keys that were stolen: the retired one that is named, or else all in the key file.
    pub fn revoke_keys(&self, former: Option<Thumbprint>) -> Result<PublicKeys, ServerError> {
        self.runtime.block_on(self.service.revoke_signing_keys(former))
    }

    /// `audit verify` with what was handed out before.
    pub fn verify_audit(&self, handed_out: &[&str]) -> Result<AuditReport, AuditVerifyError> {
        let settings = self.own_settings();
        let key = Service::public_keys(&settings).unwrap().all();
        let mut statements = Statements::default();
        for text in handed_out {
            statements.add(text, &key)?;
        }
        self.runtime.block_on(Service::verify_audit(&settings, statements))
    }

    /// The first row of what is wrong with the audit.
    pub fn audit_fault(&self, handed_out: &[&str]) -> String {
        match self.verify_audit(handed_out) {
            Err(AuditVerifyError::Fault(fault)) => fault.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// A head over the whole audit, as a person asks for it.
    pub fn audit_head(&self, computer: &Computer) -> String {
        let answer: kartenbund::protocol::audit::AuditHeadAnswer = computer.here.service.get("/v1/audit/head").unwrap();
        answer.head
    }

    /// From now on whoever has the database can change the audit.
    pub fn drop_audit_triggers(&self) {
        let sqlite = "DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_deleted; \
                      DROP TRIGGER audit_head_is_never_changed; DROP TRIGGER audit_head_is_never_deleted";
        let postgresql = "DROP TRIGGER audit_is_never_changed ON audit; \
                          DROP TRIGGER audit_head_is_never_changed ON audit_head";
        self.sql_each([sqlite, postgresql]).unwrap();
    }

    /// Writes the bytes of an entry, and the hash beside them.
    pub fn write_entry(&self, seq: i64, entry: &str, sha256: &str) {
        let hex = hex::encode(entry);
        self.sql_each([
            format!("INSERT OR REPLACE INTO audit (seq, entry, sha256) VALUES ({seq}, x'{hex}', '{sha256}')"),
            format!(
                "INSERT INTO audit (seq, entry, sha256) VALUES ({seq}, '\\x{hex}'::bytea, '{sha256}') \
                 ON CONFLICT (seq) DO UPDATE SET entry = EXCLUDED.entry, sha256 = EXCLUDED.sha256"
            ),
        ])
        .unwrap();
    }

    /// Writes the whole audit anew: `change` does with each entry what the insider likes, or leaves it out. Numbers and
    /// hashes are then as they must be. No head is left.
    pub fn rewrite_audit(&self, change: impl Fn(serde_json::Value) -> Option<serde_json::Value>) {
        let entries: Vec<_> = self.audit_entries();
        self.sql("DELETE FROM audit").unwrap();
        let mut place = Position::start();
        for entry in entries {
            let Some(mut entry) = change(serde_json::from_str(&entry).unwrap()) else { continue };
            entry["seq"] = (place.seq + 1).into();
            entry["prev_sha256"] = place.sha256.to_string().into();
            let text = String::from_utf8(kartenbund::jose::json::canonical(&entry).unwrap()).unwrap();
            place = place.next(text.as_bytes()).unwrap().0;
            self.write_entry(place.seq, &text, &place.sha256.to_string());
        }
        self.sql("DELETE FROM audit_head").unwrap();
    }
}
