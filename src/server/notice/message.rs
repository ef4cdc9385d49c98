//! A notice as an e-mail (RFC 5322), the same bytes at every attempt.

use std::time::{Duration, UNIX_EPOCH};

use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, header};

use super::Kind;
use super::text::{email, words};
use crate::protocol::NumericDate;
use crate::protocol::api::NoticeLanguage;
use crate::server::settings::Insurer;
use crate::server::texts::Texts;

/// What a notice needs to become an e-mail.
pub(super) struct Content<'a> {
    /// Makes the `Message-ID`: one that comes twice is recognised.
    pub(super) notice_id: &'a str,
    pub(super) kind: Kind,
    pub(super) language: NoticeLanguage,
    pub(super) created: NumericDate,
    pub(super) recipient: &'a str,
}

/// The e-mail; `None` where an address is none.
pub(super) fn compose(content: &Content<'_>, from: &Mailbox, texts: &Texts, insurer: &Insurer) -> Option<Message> {
    let words = words(content.kind, content.language, content.created, texts, insurer);
    let (subject, body) = email(&words, content.language, texts, insurer);
    let to = Mailbox::new(None, content.recipient.parse().ok()?);
    let message_id = format!("<{}@{}>", content.notice_id, from.email.domain());
    let created = UNIX_EPOCH + Duration::from_secs(u64::try_from(content.created).ok()?);
    Message::builder()
        .from(from.clone())
        .to(to)
        .date(created)
        .message_id(Some(message_id))
        .subject(subject)
        // Nobody's answering machine is to answer (RFC 3834, 5; Exchange has a header of its own).
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .raw_header(raw("X-Auto-Response-Suppress", "All"))
        .header(ContentType::TEXT_PLAIN)
        .header(header::ContentTransferEncoding::QuotedPrintable)
        .body(body)
        .ok()
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}
