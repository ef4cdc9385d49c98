//! Connections that are taken away from hyper. It keeps two buffers of 8 KiB for each as long as it has it, which is too much
//! for an answer that goes on for hours and mostly says nothing.
//!
//! hyper writes the head of the answer and its first chunk. Then the body offers what comes next; when hyper has flushed
//! what it had to write, and so holds nothing of the answer any more, the transport is handed over instead of being kept. On
//! the line nothing shows that. What follows is written as chunks (RFC 9112, 7.1) by whoever has taken it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::http::Version;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use futures_util::Stream;
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::Sleep;
use tower_layer::Layer as _;

/// How long a client may take to receive one chunk, or anything at all of an answer. It is hung up on then.
const PATIENCE: Duration = Duration::from_secs(30);

/// TCP, or TLS on it.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

type Next = Box<dyn FnOnce(Chunks) + Send>;

/// The transport, while hyper has it, and what is to be done with it when hyper is through.
struct Held {
    transport: Option<Box<dyn Transport>>,
    next: Option<Next>,
}

/// The connection that a request came on: an extension of each request.
#[derive(Clone)]
pub(super) struct Handover(Arc<Mutex<Held>>);

impl Handover {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body of an answer in this version of HTTP that begins with `first` and goes on as `next` writes it. `next` is
    /// dropped where the client goes away before.
    pub(super) fn body<F>(self, version: Version, first: Bytes, next: impl FnOnce(Chunks) -> F + Send + 'static) -> Body
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let next: Next = Box::new(move |line| {
            // HTTP/1.0 knows no chunks: there the end of the connection ends the body.
            drop(tokio::spawn(next(Chunks { is_chunked: version != Version::HTTP_10, ..line })));
        });
        Body::from_stream(Leaving { line: self, first: Some(first), next: Some(next) })
    }
}

/// The body as hyper sees it.
struct Leaving {
    line: Handover,
    first: Option<Bytes>,
    next: Option<Next>,
}

impl Stream for Leaving {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let next = self.next.take();
        let mut held = self.line.held();
        if let Some(next) = next {
            held.next = Some(next); // hyper flushes now
        }
        match held.transport {
            Some(_) => Poll::Pending,
            // It is about a transport that is not hyper's any more: hyper lets go of all it has.
            None => Poll::Ready(Some(Err(io::ErrorKind::BrokenPipe.into()))),
        }
    }
}

/// What hyper reads from and writes to. hyper waits for ever until a client takes what is written: this does not.
pub(super) struct Line {
    handover: Handover,
    /// How long the client may take for anything.
    patience: Duration,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Line {
    /// `written`, or the end of patience.
    fn unless_stalled<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.patience)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// What becomes of writing to the transport, where hyper has it.
    fn attempt<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut Box<dyn Transport>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let written = match &mut self.handover.held().transport {
            Some(transport) => write(Pin::new(transport), cx),
            None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        };
        self.unless_stalled(cx, written)
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.handover.held().transport {
            Some(transport) => Pin::new(transport).poll_read(cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().attempt(cx, |transport, cx| transport.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().attempt(cx, |transport, cx| transport.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.handover.held().transport.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    /// hyper asks for it when its own buffer is empty: this is the moment.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.handover.held().transport.is_none() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.as_mut().get_mut().attempt(cx, |transport, cx| transport.poll_flush(cx)))?;
        let mut held = self.handover.held();
        if let Some(next) = held.next.take() {
            if let Some(transport) = held.transport.take() {
                next(Chunks { transport, patience: PATIENCE, is_chunked: true });
            }
            cx.waker().wake_by_ref(); // hyper asks the body once more
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.handover.held().transport {
            Some(transport) => Pin::new(transport).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// Accepts connections whose transport can be handed over.
#[derive(Clone)]
pub(super) struct Acceptor<A>(pub(super) A);

impl<A, I, S> Accept<I, S> for Acceptor<A>
where
    A: Accept<I, S>,
    A::Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    A::Future: Send + 'static,
    A::Service: Send,
{
    type Stream = Line;
    type Service = AddExtension<A::Service, Handover>;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let accepted = self.0.accept(stream, service);
        async move {
            let (stream, service) = accepted.await?;
            let held = Held { transport: Some(Box::new(stream)), next: None };
            let handover = Handover(Arc::new(Mutex::new(held)));
            let line = Line { handover: handover.clone(), patience: PATIENCE, stalled: None };
            Ok((line, Extension(handover).layer(service)))
        }
        .boxed()
    }
}

/// A transport that was taken, in the middle of an answer in chunks. Dropped without [`Chunks::end`], the client sees that
/// the answer was cut off.
pub(super) struct Chunks {
    transport: Box<dyn Transport>,
    /// How long the client may take for one.
    patience: Duration,
    /// Whether each is told with its length.
    is_chunked: bool,
}

impl Chunks {
    /// Sends one chunk, which is not empty.
    ///
    /// # Errors
    /// The client is gone, or does not read.
    pub(super) async fn send(&mut self, content: &[u8]) -> io::Result<()> {
        match self.is_chunked {
            true => self.write(&[format!("{:x}\r\n", content.len()).as_bytes(), content, b"\r\n"].concat()).await,
            false => self.write(content).await,
        }
    }

    /// Ends the answer, and the connection with it.
    ///
    /// # Errors
    /// As for [`Self::send`].
    pub(super) async fn end(mut self) -> io::Result<()> {
        if self.is_chunked {
            self.write(b"0\r\n\r\n").await?;
        }
        // TLS takes leave of the client, which may not read that either.
        tokio::time::timeout(self.patience, self.transport.shutdown()).await?
    }

    /// Waits until the client is gone, or sends another request: it is told that this connection is closed, and sends that
    /// on another one.
    pub(super) async fn is_left(&mut self) {
        let _ = self.transport.read(&mut [0; 1]).await; // an error is an end as well
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = async {
            self.transport.write_all(bytes).await?;
            self.transport.flush().await
        };
        tokio::time::timeout(self.patience, written).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_does_not_read_is_hung_up_on() {
        let (here, mut there) = tokio::io::duplex(16);
        let mut line = Chunks { transport: Box::new(here), patience: Duration::from_millis(50), is_chunked: true };
        line.send(b"eight by").await.unwrap();
        assert_eq!(line.send(b"eight by").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(line);
        let mut received = Vec::new();
        there.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"8\r\neight by\r\n8\r\n", "it was cut off");
    }

    /// Likewise as long as hyper has the line, which has no such limit of its own.
    #[tokio::test]
    async fn whoever_does_not_read_the_answer_before_is_hung_up_on_too() {
        let (here, mut there) = tokio::io::duplex(16);
        let held = Held { transport: Some(Box::new(here)), next: None };
        let handover = Handover(Arc::new(Mutex::new(held)));
        let mut line = Line { handover, patience: Duration::from_millis(50), stalled: None };
        for _ in 0..3 {
            line.write_all(b"sixteen bytes...").await.unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await; // slow, and not stalled
            there.read_exact(&mut [0; 16]).await.unwrap();
        }
        let stalled = line.write_all(b"more than there is room for");
        let stalled = tokio::time::timeout(Duration::from_secs(10), stalled).await.expect("it does not wait for ever");
        assert_eq!(stalled.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
