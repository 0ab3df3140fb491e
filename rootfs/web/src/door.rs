//! What becomes of those who knock at a listening socket: for the gate, which must not knock itself
//! ([`crate::gate`]).

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};

/// One listening socket's accept loop, as it sees itself. It is open where who knocks is let in, or
/// will be when a place is free: only those who were let in take one.
#[derive(Clone)]
pub struct Door(Arc<Mutex<Option<Shut>>>);

/// Why nobody is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shut {
    /// Nobody was waited for yet.
    NotYet,
    /// The last attempt to let somebody in failed.
    Failing(String),
}

impl Door {
    /// A door that nobody was waited for at.
    pub fn closed() -> Self {
        Self(Arc::new(Mutex::new(Some(Shut::NotYet))))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Option<Shut>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the next one who knocks.
    ///
    /// # Errors
    /// What the kernel says; the door is shut until it has somebody wait again, or lets one in.
    pub async fn next(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| {
            let next = listener.poll_accept(context);
            self.with(|state| {
                *state = match &next {
                    Poll::Pending | Poll::Ready(Ok(_)) => None,
                    Poll::Ready(Err(error)) => Some(Shut::Failing(error.to_string())),
                }
            });
            next
        })
        .await
    }

    /// Why nobody is let in, where that is so.
    pub fn shut(&self) -> Option<Shut> {
        self.with(|state| state.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use rustix::net::{Shutdown, shutdown};
    use tokio::time::timeout;

    use super::*;

    async fn bound() -> TcpListener {
        let any = (Ipv4Addr::LOCALHOST, 0);
        TcpListener::bind(any).await.expect("bound")
    }

    #[tokio::test]
    async fn c80_it_is_open_while_it_lets_people_in_and_shut_when_it_cannot() {
        let (door, listener) = (Door::closed(), bound().await);
        assert_eq!(door.shut(), Some(Shut::NotYet));
        let short = Duration::from_millis(20);
        assert!(timeout(short, door.next(&listener)).await.is_err());
        assert_eq!(door.shut(), None);
        let address = listener.local_addr().expect("address");
        let client = TcpStream::connect(address).await.expect("connected");
        door.next(&listener).await.expect("let in");
        assert_eq!(door.shut(), None);
        drop(client);
        // A socket that does not listen.
        shutdown(&listener, Shutdown::Both).expect("shut down");
        door.next(&listener).await.expect_err("nobody can come");
        let Some(Shut::Failing(why)) = door.shut() else {
            panic!("it is open");
        };
        assert!(why.contains("Invalid argument"), "{why}");
    }
}
