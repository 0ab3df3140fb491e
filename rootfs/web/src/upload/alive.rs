//! Who sends a package is there for as long as it comes, which may be longer than a session lasts without
//! use.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// So often a session is used by what is being sent: the shortest one lasts a minute without use.
pub const EVERY: Duration = Duration::from_secs(20);

/// Does `work` to its end, beside `ticks`, which have none.
pub async fn meanwhile<T>(
    work: impl Future<Output = T>,
    ticks: impl Future<Output = Infallible>,
) -> T {
    let (mut work, mut ticks) = (pin!(work), pin!(ticks));
    poll_fn(|context| match ticks.as_mut().poll(context) {
        Poll::Ready(never) => match never {},
        Poll::Pending => work.as_mut().poll(context),
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::broker::{Role, User};
    use crate::session::Sessions;

    #[tokio::test(start_paused = true)]
    async fn c64_a_long_upload_keeps_its_session() {
        let sessions = Sessions::default();
        let user = User {
            name: "anne".into(),
            role: Role::Administrator,
            language: None,
            idle_minutes: 1,
        };
        let begin = || sessions.begin(user.clone(), "t".into()).expect("begun");
        let (sends, idle) = (begin(), begin());
        let is_there = async {
            loop {
                sleep(EVERY).await;
                sessions.of(&sends);
            }
        };
        let done = meanwhile(
            async {
                sleep(Duration::from_secs(3600)).await;
                7
            },
            is_there,
        );
        assert_eq!(done.await, 7);
        assert!(sessions.look(&sends).is_some() && sessions.look(&idle).is_none());
        // What is over keeps nothing.
        sleep(Duration::from_secs(60)).await;
        assert!(sessions.look(&sends).is_none());
    }
}
