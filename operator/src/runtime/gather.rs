//! Gathers triggers: the first of a key starts a short wait, further ones within it are the same trigger.
//!
//! kube's own debounce starts its wait anew with every trigger, so that an object that is triggered without pause is never
//! worked on; this one ends after the first wait, whatever comes.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use futures::{Stream, stream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

struct Gather<T> {
    receiver: UnboundedReceiver<T>,
    wait: Duration,
    due: VecDeque<(Instant, T)>,
    known: HashSet<T>,
    open: bool,
}

/// The gathered triggers, each `wait` after the first of its key. Ends when the sender is gone and nothing is due.
pub fn gather<T: Clone + Eq + Hash>(
    receiver: UnboundedReceiver<T>,
    wait: Duration,
) -> impl Stream<Item = T> {
    let start = Gather {
        receiver,
        wait,
        due: VecDeque::new(),
        known: HashSet::new(),
        open: true,
    };
    stream::unfold(start, |mut gather| async move {
        let next = gather.next().await?;
        Some((next, gather))
    })
}

impl<T: Clone + Eq + Hash> Gather<T> {
    async fn next(&mut self) -> Option<T> {
        while self.open || !self.due.is_empty() {
            let first = self.due.front().map(|(at, _)| *at);
            let due = async {
                match first {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // What has come is taken in first: it may be the same trigger.
                biased;
                trigger = self.receiver.recv(), if self.open => match trigger {
                    Some(key) => {
                        if self.known.insert(key.clone()) {
                            self.due.push_back((Instant::now() + self.wait, key));
                        }
                    }
                    None => self.open = false,
                },
                () = due => {
                    let (_, key) = self.due.pop_front()?;
                    self.known.remove(&key);
                    return Some(key);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt as _;
    use tokio::sync::mpsc;

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_triggered_without_pause_comes_all_the_same() {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut gathered = std::pin::pin!(gather(receiver, Duration::from_millis(40)));
        let began = Instant::now();
        let feed = async {
            for _ in 0..50 {
                let _ = sender.send("zj-1");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let (first, ()) = tokio::join!(
            async {
                let key = gathered.next().await;
                (key, began.elapsed())
            },
            feed
        );
        assert_eq!(first.0, Some("zj-1"));
        assert!(first.1 < Duration::from_millis(60), "{:?}", first.1);
    }

    #[tokio::test(start_paused = true)]
    async fn triggers_that_come_together_are_one_and_the_end_ends_it() {
        let (sender, receiver) = mpsc::unbounded_channel();
        for key in ["a", "b", "a", "a"] {
            sender.send(key).unwrap();
        }
        drop(sender);
        let all: Vec<_> = gather(receiver, Duration::from_millis(40)).collect().await;
        assert_eq!(all, ["a", "b"]);
    }
}
