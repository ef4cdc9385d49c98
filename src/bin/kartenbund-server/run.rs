//! `run`: the service itself, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use kartenbund::server::{Config, Listener, Listeners, Service, TlsFiles};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

pub(crate) async fn run(mut config: Config) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    // The sockets come first: where an address is in use, no folder and no key is made.
    let (public, url) = listen(config.listen, config.tls).await?;
    let admin = match config.admin {
        Some(admin) => Some(listen(admin.listen, admin.tls).await?),
        None => None,
    };
    if config.settings.issuer.is_empty() {
        tracing::warn!(
            issuer = url,
            "no issuer: the service takes the address for its name, which is good for a try only"
        );
        config.settings.issuer.clone_from(&url);
    }
    if config.settings.anchors.issuers().is_empty() {
        tracing::warn!("no anchors and no test_anchors: no health card will be accepted");
    }
    if config.settings.payer_iks.is_empty() {
        tracing::warn!("no payer_iks: the cards of no insurer will be accepted");
    }
    if config.settings.anchors.accept_test_cards() {
        tracing::warn!("test cards are accepted: this service is not for real people");
    }
    let behind_proxy = config.settings.proxy.is_some();
    let service = Service::open(config.settings, Arc::new(OffsetDateTime::now_utc)).await?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("stopping: requests that run come to their end");
    };
    // Scripts wait for the last of these lines: from here on requests are answered.
    let admin = admin.map(|(listener, url)| {
        println!("operators on {url}");
        listener
    });
    println!("listening on {url}");
    Ok(service.serve_on(Listeners { public, admin, behind_proxy, stop_delay: config.stop_delay }, stop).await?)
}

/// The socket, and its URL.
async fn listen(address: SocketAddr, tls: Option<TlsFiles>) -> Result<(Listener, String), Failure> {
    let socket = TcpListener::bind(address).await.map_err(|error| Failure::Listen(address, error))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", socket.local_addr()?);
    Ok((Listener { socket, tls }, url))
}
