//! Every setting there is: key, default or example as TOML, what it is for, and where its value goes.

use std::net::SocketAddr;
use std::time::Duration;

use super::cards::CARDS;
use super::read::{Items, Row, Value, Wrong, list, needed, needed_section, optional, secret, section, with_default};
use super::signers::{CLIENT, IDENTITY_PROVIDER, OCSP, TRUST_LIST};
use super::{AdminConfig, Config};
use crate::protocol::api::NoticeLanguage;
use crate::protocol::application::is_plain_text;
use crate::protocol::service::ClientVersion;
use crate::server::admin::Operator;
use crate::server::settings::{Database, Encryption, Proxy, Smtp};
use crate::server::tls::TlsFiles;

/// The first lines of the example.
pub(super) const PREFACE: &str = "\
# Configuration of kartenbund-server (TOML). Every setting is here. Behind a `#` stands its default, or where there is
# none an example of what could stand there. Relative paths begin at the folder of this file. Secrets are never written
# into it: each comes from a file (`…_file`) or from an environment variable (`…_env`) that is named here.
# `kartenbund-server --config FILE config check` checks the file and everything it names.
";

/// Keeps what `$read` makes of the value at `$place` of what is configured.
macro_rules! keep {
    (|$target:ident, $value:ident| $place:expr, $read:expr) => {
        |$target, $value| {
            $place = $read?;
            Ok(())
        }
    };
}
pub(super) use keep;

pub(super) const ROWS: &[Row<Config>] = &[
    with_default(
        "data",
        "\"data\"",
        "Folder of the service's keys, and of the database where it is SQLite.",
        keep!(|config, value| config.settings.data, value.path()),
    ),
    optional(
        "issuer",
        "\"https://konto.kasse.example\"",
        "The URL people use. It is the service's name in everything that is signed and must never change. Without it the\n\
         service takes the address it listens on, which is good for a try on one computer.",
        keep!(|config, value| config.settings.issuer, issuer(value)),
    ),
    with_default(
        "listen",
        "\"127.0.0.1:8470\"",
        "Address and port to listen on. Any other than those of this computer itself needs [tls] or [proxy].",
        keep!(|config, value| config.listen, address(value)),
    ),
    with_default(
        "stop_delay",
        "0",
        "For how many seconds /readyz says that the service stops before it takes no more connections: as long as the\n\
         balancer before several processes takes to notice.",
        keep!(|config, value| config.stop_delay, value.number(0, 300).map(Duration::from_secs)),
    ),
    with_default(
        "min_client",
        "\"0.0.0\"",
        "The oldest version of the program on people's computers that may log in. Older ones tell them to get a newer one.",
        keep!(|config, value| config.settings.min_client, client_version(value)),
    ),
    needed_section("insurer", "The insurer, as people know it.", INSURER),
    section("accounts", "What holds for all accounts.", ACCOUNTS),
    section("passwords", "What people may choose as a password.", PASSWORDS),
    section("letters", "Letters.", LETTERS),
    section(
        "texts",
        "What letters and notices say, where it is not what `kartenbund-server config texts de` and `… en` print: files of\n\
         that shape, with nothing but what is to be different.",
        TEXTS,
    ),
    section("logins", "How often passwords may be tried.", LOGINS),
    section("devices", "Registered devices.", DEVICES),
    section("sessions", "How long sessions live, in seconds.", SESSIONS),
    section("approvals", "How long approvals live, and who may decide on them.", APPROVALS),
    section("cards", "Health cards. Without these settings, or those of `trust_list`, none is accepted.", CARDS),
    section(
        "trust_list",
        "The trust list of the telematics infrastructure (TSL): cards of the CAs in it are accepted, too, and its OCSP responders\n\
         are believed. Something else fetches the files; they are read again when they change.",
        TRUST_LIST,
    ),
    list(
        "ocsp",
        "Who is asked whether cards of one CA were revoked (OCSP), when they are used and then once a day. When it does not\n\
         answer, no card of this CA binds or logs in. The cards of other CAs are not asked about.",
        &Items { rows: OCSP, push: |config: &mut Config, ocsp| config.settings.ocsp.push(ocsp) },
    ),
    list(
        "identity_provider",
        "Who identifies people elsewhere, for instance on a video: its signed statements open accounts without a letter.",
        &Items {
            rows: IDENTITY_PROVIDER,
            push: |config: &mut Config, provider| config.settings.identity_providers.push(provider),
        },
    ),
    list(
        "client",
        "A client of your own, such as your website: it shows with a key of its own who it is, says where people are, and\n\
         the sessions it opens are its alone.",
        &Items { rows: CLIENT, push: |config: &mut Config, client| config.settings.clients.push(client) },
    ),
    section("database", "The database, where it is not SQLite in the data folder.", DATABASE),
    section("mail", "The mail server that takes notices for people. Without it they wait.", MAIL),
    section("tls", "TLS of `listen`. The files are read again when they change.", TLS),
    section("proxy", "The proxy with TLS that stands before the service.", PROXY),
    section("admin", "A second address, for operators. Without it there is none.", ADMIN),
];

const INSURER: &[Row<Config>] = &[
    needed("name", "\"Musterkasse\"", "Its name.", keep!(|config, value| config.settings.insurer.name, shown(value))),
    optional(
        "hotline",
        "\"0800 000000\"",
        "Telephone number people may call, as it is printed.",
        keep!(|config, value| config.settings.insurer.hotline, shown(value)),
    ),
];

const ACCOUNTS: &[Row<Config>] = &[
    optional(
        "minimum_age",
        "15",
        "Age in years from which on people have an account of their own; younger people are told to call the hotline.",
        keep!(|config, value| config.settings.accounts.minimum_age, value.number(0, 120).map(Some)),
    ),
    with_default(
        "days_after_membership",
        "31",
        "How many days after the last day of membership an account stays open.",
        keep!(|config, value| config.settings.accounts.days_after_membership, value.number(0, 3650)),
    ),
];

const PASSWORDS: &[Row<Config>] = &[
    with_default(
        "min_length",
        "8",
        "Least number of characters.",
        keep!(|config, value| config.settings.passwords.min_length, value.number(8, 64)),
    ),
    with_default(
        "all_classes",
        "false",
        "Whether a capital letter, a small letter, a digit and another character are needed, and ten characters. Length\n\
         and blocklist do more for security; this is for insurers whose rules demand it.",
        keep!(|config, value| config.settings.passwords.all_classes, value.boolean()),
    ),
    with_default(
        "parallel_hashes",
        "2",
        "How many password hashes are made at the same time. Each takes 64 MiB and one core.",
        keep!(|config, value| config.settings.parallel_hashes, value.number(1, 256)),
    ),
];

const LETTERS: &[Row<Config>] = &[
    optional(
        "outbox",
        "\"/srv/outbox\"",
        "Folder that the print service takes letters from; without it `outbox` in the data folder.",
        |config, value| {
            config.settings.letters.outbox = Some(value.path()?);
            Ok(())
        },
    ),
    optional(
        "sender",
        "\"Musterkasse · Postfach 12 34 · 12345 Musterstadt\"",
        "The sender in one line, above the recipient in the window; without it the insurer's name.",
        keep!(|config, value| config.settings.letters.sender, value.text()),
    ),
    with_default(
        "invite",
        "true",
        "Whether everybody in the register who has no access gets an initial password with the next `letters create`;\n\
         otherwise only those who ask for one.",
        keep!(|config, value| config.settings.letters.invite, value.boolean()),
    ),
    with_default(
        "invite_days",
        "14",
        "How many days before their insurance begins members are invited. The password in the letter must hold longer.",
        keep!(|config, value| config.settings.letters.invite_days, value.number(0, 365)),
    ),
    with_default(
        "password_days",
        "60",
        "How many days an initial password holds, from the day its letter is made.",
        keep!(|config, value| config.settings.letters.password_days, value.number(1, 365)),
    ),
    with_default(
        "of_strangers",
        "2",
        "How many letters with an initial password may be ordered in 30 days for an account by whoever knows its number.",
        keep!(|config, value| config.settings.letters.of_strangers, value.number(0, 20)),
    ),
    with_default(
        "batch",
        "500",
        "How many letters a folder in the outbox holds at most.",
        keep!(|config, value| config.settings.letters.batch, value.number(1, 5000)),
    ),
    with_default(
        "code_days",
        "90",
        "How many days a code for a device holds that comes in a letter.",
        keep!(|config, value| config.settings.letters.code_days, value.number(1, 365)),
    ),
];

const TEXTS: &[Row<Config>] = &[
    optional("de", "\"texts/de.toml\"", "German texts.", |config, value| texts(config, value, NoticeLanguage::De)),
    optional("en", "\"texts/en.toml\"", "English texts.", |config, value| texts(config, value, NoticeLanguage::En)),
];

fn texts(config: &mut Config, value: &Value<'_>, language: NoticeLanguage) -> Result<(), Wrong> {
    let (path, content) = value.file()?;
    let content = String::from_utf8(content).map_err(|_| Wrong::Impossible("the file is not UTF-8"))?;
    config.settings.texts.replace(language, &content).map_err(|faults| Wrong::Texts(path, faults))
}

const LOGINS: &[Row<Config>] = &[
    with_default(
        "tries_in_an_hour",
        "30",
        "Wrong passwords in an hour from one network (IPv4: /24, IPv6: /64) by computers that have not logged in to the\n\
         account before.",
        keep!(|config, value| config.settings.login_limits.tries_in_an_hour, value.number(1, 1_000_000)),
    ),
    with_default(
        "tries_in_a_day",
        "200",
        "The same in a day.",
        keep!(|config, value| config.settings.login_limits.tries_in_a_day, value.number(1, 1_000_000)),
    ),
    with_default(
        "with_card_in_a_day",
        "10",
        "Logins with card and card PIN in a day and account.",
        keep!(|config, value| config.settings.login_limits.with_card_in_a_day, value.number(1, 1000)),
    ),
];

const DEVICES: &[Row<Config>] = &[
    with_default(
        "days",
        "183",
        "How many days a device is bound; one that a card has bound no longer than the card's certificate. Then the card\n\
         binds it anew.",
        keep!(|config, value| config.settings.devices.days, value.number(1, 3650)),
    ),
    with_default(
        "reminder_days",
        "14",
        "How many days before that its owner is told.",
        keep!(|config, value| config.settings.devices.reminder_days, value.number(0, 365)),
    ),
];

const SESSIONS: &[Row<Config>] = &[
    with_default(
        "access_token",
        "300",
        "Life of an access token; programs renew it by themselves.",
        keep!(|config, value| config.settings.sessions.access_token, value.number(60, 3600)),
    ),
    with_default(
        "idle",
        "900",
        "A session ends when its tokens were not renewed for so long.",
        keep!(|config, value| config.settings.sessions.idle, value.number(60, 2_592_000)),
    ),
    with_default(
        "maximum",
        "43200",
        "A session ends after so long, however often its tokens are renewed.",
        keep!(|config, value| config.settings.sessions.maximum, value.number(300, 31_536_000)),
    ),
    with_default(
        "idle_with_device",
        "43200",
        "A session that a registered device has opened with its PIN ends when its tokens were not renewed for so long.",
        keep!(|config, value| config.settings.sessions.idle_with_device, value.number(60, 2_592_000)),
    ),
    with_default(
        "maximum_with_device",
        "604800",
        "A session that a registered device has opened with its PIN ends after so long.",
        keep!(|config, value| config.settings.sessions.maximum_with_device, value.number(300, 31_536_000)),
    ),
    with_default(
        "setup",
        "900",
        "A session in which a password is chosen ends after so long.",
        keep!(|config, value| config.settings.sessions.setup, value.number(300, 86_400)),
    ),
];

const LEVEL: &str = "\"B1\", \"B2\" or \"B3\" is expected";

const APPROVALS: &[Row<Config>] = &[
    with_default(
        "life",
        "15",
        "For how many minutes an approval can be decided.",
        keep!(|config, value| config.settings.approvals.life, value.number(5, 60).map(|minutes: i64| minutes * 60)),
    ),
    with_default(
        "address_change",
        "\"B1\"",
        "The least binding level of a device that may approve a new address: \"B1\" (letter), \"B2\" (card without PIN) or\n\
         \"B3\" (card and PIN). Bank account, new card, new password and another device always need \"B3\".",
        keep!(|config, value| config.settings.approvals.address_change, value.parsed(LEVEL)),
    ),
    with_default(
        "contact_change",
        "\"B1\"",
        "The same for a new e-mail address.",
        keep!(|config, value| config.settings.approvals.contact_change, value.parsed(LEVEL)),
    ),
];

const DATABASE: &[Row<Config>] = &[secret(
    "url",
    "URL of a PostgreSQL database, such as postgresql://kartenbund:PASSWORD@db.example/kartenbund?sslmode=verify-full",
    |config, url| {
        if !["postgresql://", "postgres://"].iter().any(|scheme| url.expose().starts_with(scheme)) {
            return Err(Wrong::Impossible("the URL begins with postgresql://"));
        }
        config.settings.database = Database::Postgresql(url);
        Ok(())
    },
)];

const MAIL: &[Row<Config>] = &[
    needed(
        "host",
        "\"mail.kasse.example\"",
        "Name or address of the server.",
        keep!(|config, value| smtp(config).host, value.text()),
    ),
    with_default("port", "587", "Its port.", keep!(|config, value| smtp(config).port, value.number(1, 65_535))),
    with_default(
        "encryption",
        "\"starttls\"",
        "\"starttls\" (RFC 3207), \"tls\" from the first byte (port 465), or \"none\", for a server on this computer only.",
        |config, value| {
            smtp(config).encryption = match value.text()?.as_str() {
                "starttls" => Encryption::StartTls,
                "tls" => Encryption::Tls,
                "none" => Encryption::None,
                _ => return Err(Wrong::Impossible("\"starttls\", \"tls\" or \"none\" is expected")),
            };
            Ok(())
        },
    ),
    optional(
        "ca",
        "\"mail-ca.pem\"",
        "The one CA (PEM) that the server's certificate must be by. Without it those of the system are taken.",
        keep!(|config, value| smtp(config).ca, value.file().map(|(_, pem)| Some(pem))),
    ),
    needed(
        "from",
        "\"Musterkasse <nachrichten@kasse.example>\"",
        "Sender of the notices. Somebody should read what comes back there.",
        keep!(|config, value| smtp(config).from, value.text()),
    ),
    optional(
        "user",
        "\"kartenbund\"",
        "Who the service is for the server, where it asks.",
        keep!(|config, value| smtp(config).login.get_or_insert_default().user, value.text()),
    ),
    secret("password", "The password of `user`.", |config, password| {
        smtp(config).login.get_or_insert_default().password = password;
        Ok(())
    }),
];

fn smtp(config: &mut Config) -> &mut Smtp {
    config.settings.smtp.get_or_insert_default()
}

const TLS: &[Row<Config>] = &[
    needed(
        "certificate",
        "\"tls/fullchain.pem\"",
        "The chain in PEM, the service's own certificate first.",
        keep!(|config, value| config.tls.get_or_insert_default().certificate, value.path()),
    ),
    needed(
        "key",
        "\"tls/privkey.pem\"",
        "Its private key in PEM.",
        keep!(|config, value| config.tls.get_or_insert_default().key, value.path()),
    ),
];

const PROXY: &[Row<Config>] = &[needed(
    "addresses",
    "[\"10.0.0.0/8\"]",
    "Addresses or networks of the proxy. From there, and from nowhere else, X-Forwarded-For is believed: its last entry\n\
     that is no proxy's is where a request comes from.",
    |config, value| {
        let addresses = value.each(|network| network.parsed("an address, or a network such as 10.0.0.0/8"))?;
        config.settings.proxy = Some(Proxy { addresses });
        Ok(())
    },
)];

const ADMIN: &[Row<Config>] = &[
    needed(
        "listen",
        "\"127.0.0.1:8471\"",
        "Address and port. Any other than those of this computer itself needs [admin.tls]; no proxy excuses it.",
        keep!(|config, value| admin(config).listen, address(value)),
    ),
    section("tls", "TLS of this address. The files are read again when they change.", ADMIN_TLS),
    list(
        "operator",
        "Somebody who may use it; at least one.",
        &Items { rows: OPERATOR, push: |config: &mut Config, operator| config.settings.operators.push(operator) },
    ),
];

const ADMIN_TLS: &[Row<Config>] = &[
    needed(
        "certificate",
        "\"tls/admin.pem\"",
        "The chain in PEM, the listener's own certificate first.",
        keep!(|config, value| admin_tls(config).certificate, value.path()),
    ),
    needed(
        "key",
        "\"tls/admin-key.pem\"",
        "Its private key in PEM.",
        keep!(|config, value| admin_tls(config).key, value.path()),
    ),
];

fn admin(config: &mut Config) -> &mut AdminConfig {
    config.admin.get_or_insert_default()
}

fn admin_tls(config: &mut Config) -> &mut TlsFiles {
    admin(config).tls.get_or_insert_default()
}

const OPERATOR: &[Row<Operator>] = &[
    needed(
        "name",
        "\"anna\"",
        "The audit names them operator:NAME.",
        keep!(|operator, value| operator.name, plain_name(value)),
    ),
    needed(
        "token_sha256_file",
        "\"operators/anna\"",
        "File with the SHA-256 of their token in hexadecimal, as `sha256sum` writes it.",
        |operator, value| {
            let (_, content) = value.file()?;
            let text = std::str::from_utf8(&content).ok().and_then(|text| text.split_whitespace().next());
            let hash = text.and_then(|text| hex::decode(text).ok()).and_then(|bytes| bytes.try_into().ok());
            operator.token_sha256 =
                hash.ok_or(Wrong::Impossible("the file holds no SHA-256 of 64 hexadecimal digits"))?;
            Ok(())
        },
    ),
    with_default(
        "only_metrics",
        "false",
        "Whether they may read /metrics and do nothing else: for Prometheus.",
        keep!(|operator, value| operator.only_metrics, value.boolean()),
    ),
];

/// A name that can stand in the audit and in messages as it is.
pub(super) fn plain_name(value: &Value<'_>) -> Result<String, Wrong> {
    let name = value.text()?;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    if name.len() > 32 || !name.bytes().all(is_plain) {
        return Err(Wrong::Impossible("a name has at most 32 small letters, digits, dots and hyphens"));
    }
    Ok(name)
}

fn address(value: &Value<'_>) -> Result<SocketAddr, Wrong> {
    value.parsed("an address with its port is expected, such as 127.0.0.1:8470 or [::1]:8470")
}

/// What programs show to people, and take for nothing else.
fn shown(value: &Value<'_>) -> Result<String, Wrong> {
    let text = value.text()?;
    let is_shown = text.is_empty() || is_plain_text(&text);
    is_shown.then_some(text).ok_or(Wrong::Impossible("what is shown to people is plain text of at most 100 characters"))
}

fn client_version(value: &Value<'_>) -> Result<ClientVersion, Wrong> {
    value.parsed("a version of three numbers is expected, such as 1.2.0")
}

/// A URL as it is compared everywhere: scheme and host, no path.
fn issuer(value: &Value<'_>) -> Result<String, Wrong> {
    let text = value.text()?;
    let url = text.strip_suffix('/').unwrap_or(&text);
    let host = url.strip_prefix("https://").or_else(|| {
        let host = url.strip_prefix("http://")?;
        let is_here = ["127.0.0.1", "[::1]", "localhost"]
            .iter()
            .any(|here| host.strip_prefix(here).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')));
        is_here.then_some(host)
    });
    let is_host = |host: &str| {
        !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte))
    };
    match host {
        Some(host) if is_host(host) => Ok(url.to_owned()),
        _ => Err(Wrong::Impossible(
            "https://HOST in small letters is expected, without a path; http:// on this computer only",
        )),
    }
}
