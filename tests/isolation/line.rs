//! An event stream of a puppet: it is remembered, so that it can be cut and read again.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

use crate::puppet::locked;

/// Events that a reader may be behind.
const BEHIND: usize = 1000;

#[derive(Clone, Debug)]
pub(crate) struct Line(Arc<Mutex<Events>>);

#[derive(Debug)]
struct Events {
    number: usize,
    written: Vec<String>,
    ended: bool,
    reader: Option<Sender<String>>,
}

impl Line {
    /// Its events have the ids `NUMBER-0`, `NUMBER-1`, ...; the first only has an id.
    pub(crate) fn new(number: usize) -> Self {
        let first = format!("id: {number}-0\nretry: 100\ndata: \n\n");
        Self(Arc::new(Mutex::new(Events { number, written: vec![first], ended: false, reader: None })))
    }

    pub(crate) fn say(&self, message: &Value) {
        let mut events = locked(&self.0);
        let event =
            format!("id: {}-{}\nevent: message\ndata: {message}\n\n", events.number, events.written.len());
        events.written.push(event.clone());
        if events.reader.as_ref().is_some_and(|reader| reader.try_send(event).is_err()) {
            events.reader = None;
        }
    }

    /// Says the last message and closes.
    pub(crate) fn end(&self, message: &Value) {
        self.say(message);
        let mut events = locked(&self.0);
        events.ended = true;
        events.reader = None;
    }

    /// Closes the connection; what is said from now on is there for those who come back.
    pub(crate) fn cut(&self) {
        locked(&self.0).reader = None;
    }

    /// Whether it goes to anybody now.
    pub(crate) fn is_read(&self) -> bool {
        locked(&self.0).reader.as_ref().is_some_and(|reader| !reader.is_closed())
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// All events from that one on; a later reader takes the place of this one.
    pub(crate) fn read(&self, from: usize) -> ReceiverStream<String> {
        let (sender, receiver) = channel(BEHIND);
        let mut events = locked(&self.0);
        for event in events.written.iter().skip(from) {
            sender.try_send(event.clone()).unwrap();
        }
        events.reader = (!events.ended).then_some(sender);
        ReceiverStream::new(receiver)
    }
}
