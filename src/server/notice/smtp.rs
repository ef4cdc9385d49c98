//! The way to the mail server (RFC 5321). Command by command, so that it is known whether the recipient is refused or
//! something else is wrong.

use std::time::Duration;

use lettre::Message;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use thiserror::Error;
use x509_parser::pem::Pem;

use crate::server::settings::{Encryption, Smtp};

/// How long the whole of one attempt may take. What is sent is claimed for longer ([`super::sender`]).
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Why the settings of the mail server are refused.
#[derive(Debug, Error)]
pub enum SmtpError {
    /// Not an address, alone or like `Kasse <post@kasse.example>`.
    #[error("the sender of notices is no e-mail address")]
    From(#[source] lettre::address::AddressError),
    /// A password, or what notices say, would pass the network in the open.
    #[error("{0} is not this computer, and there is no encryption")]
    NotLoopback(String),
    /// The file with the CA's certificate holds none.
    #[error("the file of the CA holds no certificate")]
    NoCa,
    /// The CA's certificate, or those of the system, cannot be used.
    #[error("no certificate to check the mail server with")]
    Tls(#[from] lettre::transport::smtp::Error),
}

/// A mail server that can be reached, or not.
pub(in crate::server) struct Mailer {
    host: String,
    port: u16,
    encryption: Encryption,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    pub(super) from: Mailbox,
}

/// Why an e-mail was not taken. Codes are for operators, and name nobody.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendError {
    /// The server cannot be reached or is not to be talked with: all others have to wait, too.
    Line(String),
    /// Not of this service, or of nobody at the moment: it plays no part who the recipient is.
    Sender(String),
    /// Not now to this recipient.
    Later(String),
    /// Never to this recipient.
    Refused(String),
}

impl Mailer {
    /// Checks the operator's settings.
    ///
    /// # Errors
    /// [`SmtpError`].
    pub(in crate::server) fn new(smtp: &Smtp) -> Result<Self, SmtpError> {
        let from = smtp.from.parse().map_err(SmtpError::From)?;
        let tls = match smtp.encryption {
            Encryption::None if !matches!(smtp.host.as_str(), "localhost" | "127.0.0.1" | "::1") => {
                return Err(SmtpError::NotLoopback(smtp.host.clone()));
            }
            Encryption::None => None,
            Encryption::StartTls | Encryption::Tls => {
                let mut tls = TlsParameters::builder(smtp.host.clone());
                if let Some(pem) = &smtp.ca {
                    // The parser behind takes a file without any for a list of none.
                    let mut pems = Pem::iter_from_buffer(pem).flatten();
                    if !pems.any(|pem| pem.label == "CERTIFICATE") {
                        return Err(SmtpError::NoCa);
                    }
                    let ca = Certificate::from_pem(pem)?;
                    tls = tls.certificate_store(CertificateStore::None).add_root_certificate(ca);
                }
                Some(tls.build()?)
            }
        };
        let credentials =
            smtp.login.as_ref().map(|login| Credentials::new(login.user.clone(), login.password.expose().to_owned()));
        Ok(Self { host: smtp.host.clone(), port: smtp.port, encryption: smtp.encryption, tls, credentials, from })
    }

    /// Begins to talk with the server.
    pub(super) async fn connect(&self) -> Result<Line, SendError> {
        let hello = ClientId::default();
        let wrapper = self.tls.clone().filter(|_| self.encryption == Encryption::Tls);
        let server = (self.host.as_str(), self.port);
        let connected = AsyncSmtpConnection::connect_tokio1(server, Some(PATIENCE), &hello, wrapper, None).await;
        let mut connection = connected.map_err(line)?;
        if let Some(tls) = self.tls.clone().filter(|_| self.encryption == Encryption::StartTls) {
            connection.starttls(tls, &hello).await.map_err(line)?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(line)?;
        }
        Ok(Line(connection))
    }
}

/// A server that listens.
pub(super) struct Line(AsyncSmtpConnection);

impl Line {
    /// Hands one e-mail over. After an error the line is not used again.
    pub(super) async fn send(&mut self, message: &Message) -> Result<(), SendError> {
        let envelope = message.envelope();
        self.0.command(Mail::new(envelope.from().cloned(), Vec::new())).await.map_err(line)?;
        for recipient in envelope.to() {
            self.0.command(Rcpt::new(recipient.clone(), Vec::new())).await.map_err(refusal)?;
        }
        self.0.command(Data).await.map_err(refusal)?;
        self.0.message(&message.formatted()).await.map_err(refusal)?;
        Ok(())
    }

    pub(super) async fn quit(mut self) {
        self.0.abort().await; // says QUIT where that can still be said
    }
}

/// What the server said of this e-mail.
fn refusal(error: lettre::transport::smtp::Error) -> SendError {
    let Some(status) = error.status() else { return line(error) };
    let code = format!("smtp_{status}");
    match is_about_recipient(u16::from(status), &error.to_string()) {
        false => SendError::Sender(code),
        true if error.is_permanent() => SendError::Refused(code),
        true => SendError::Later(code),
    }
}

/// Whether a refusal is about this recipient. One about the sender or the server itself, such as of a relay that does not
/// know this service (RFC 3463, x.3 and x.7), holds for every notice, and an operator mends it: nothing is given up for it.
fn is_about_recipient(code: u16, words: &str) -> bool {
    let is_of_system = match enhanced(words) {
        // sendmail's of a mailbox that is not there.
        Some([_, 3, 0]) => !matches!(code, 550 | 553),
        Some([_, subject, _]) => matches!(subject, 3 | 7),
        None => false,
    };
    !matches!(code, 421 | 454 | 530 | 534 | 535 | 538 | 554) && !is_of_system
}

/// The enhanced status of an answer (RFC 3463, 2): the first word of three numbers.
fn enhanced(words: &str) -> Option<[u16; 3]> {
    let status = |word: &str| {
        let numbers: Vec<u16> = word.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        <[u16; 3]>::try_from(numbers).ok().filter(|[class, ..]| matches!(class, 4 | 5))
    };
    words.split_whitespace().find_map(status)
}

fn line(error: lettre::transport::smtp::Error) -> SendError {
    let code = match error.status() {
        Some(code) => format!("smtp_{code}"),
        None if error.is_tls() => "tls".to_owned(),
        None if error.is_response() => "protocol".to_owned(),
        None if error.is_client() => "unsupported".to_owned(),
        None => "connection".to_owned(),
    };
    SendError::Line(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_this_service_is_none_of_the_recipient() {
        for (code, words) in [
            (550, "5.1.1 no such user"),
            (550, "unknown user"),
            (552, "5.2.2 mailbox full"),
            (452, "4.2.2 mailbox full"),
            (550, "5.3.0 user unknown"),
            (550, "5.1.1 unknown at [198.5.7.17] by mail 5.3.5."),
            (550, "unknown at 5.7.1.2"),
        ] {
            assert!(is_about_recipient(code, words), "{code} {words}");
        }
        for (code, words) in [
            (554, "5.7.1 relay access denied"),
            (550, "5.7.1 relaying denied"),
            (530, "5.5.1 log in"),
            (421, "not now"),
            (451, "4.7.1 greylisted"),
            (452, "4.3.1 the disk is full"),
        ] {
            assert!(!is_about_recipient(code, words), "{code} {words}");
        }
    }
}
