//! `run`: the service itself, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use kartenbund::server::{Config, Listener, Listeners, Service, TlsFiles};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// Runs the service with `config`; `read_again` reads the configuration anew.
pub(crate) async fn run(mut config: Config, read_again: impl Fn() -> Result<Config, Failure>) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    // The sockets come first: where an address is in use, no folder and no key is made.
    let (public, url) = listen(config.listen, config.tls).await?;
    let admin = match config.admin {
        Some(admin) => Some(listen(admin.listen, admin.tls).await?),
        None => None,
    };
    if config.settings.issuer.is_empty() {
        config.settings.issuer.clone_from(&url);
    }
    let behind_proxy = config.settings.proxy.is_some();
    let service = Service::open(config.settings, Arc::new(OffsetDateTime::now_utc)).await?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let reloaded = Arc::clone(&service);
    let reload = async {
        while hang_up.recv().await.is_some() {
            match read_again() {
                Ok(config) => {
                    config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
                    reloaded.take_up(config.settings);
                    tracing::info!(
                        "the configuration was read anew: operators, identity providers, clients, limits of logins and \
                         texts are taken up, all other settings at the next start"
                    );
                }
                Err(error) => tracing::error!(%error, "the configuration is not taken up; the one before stays in use"),
            }
        }
    };
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
    let listeners = Listeners { public, admin, behind_proxy, stop_delay: config.stop_delay };
    tokio::select! {
        served = service.serve_on(listeners, stop) => Ok(served?),
        () = reload => Ok(()), // never: the signal does not end
    }
}

/// The socket, and its URL.
async fn listen(address: SocketAddr, tls: Option<TlsFiles>) -> Result<(Listener, String), Failure> {
    let socket = TcpListener::bind(address).await.map_err(|error| Failure::Listen(address, error))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", socket.local_addr()?);
    Ok((Listener { socket, tls }, url))
}
