//! Two puppets behind one gateway, and what tests say to them.

use serde_json::{Value, json};

use crate::{
    client::{Client, Stream, everything},
    line::Line,
    puppet::Puppet,
    setting::{Setting, Shape, server},
};

/// Servers `test/one` (prefix `one_`) and `test/two` (prefix `two_`), discovered.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) setting: Setting,
    pub(crate) one: Puppet,
    pub(crate) two: Puppet,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        Self::start_in(Shape::Buffered).await
    }

    pub(crate) async fn start_in(shape: Shape) -> Self {
        let (one, two) = tokio::join!(Puppet::start("one"), Puppet::start("two"));
        let servers = [server("one", &one.url, "one_"), server("two", &two.url, "two_")];
        let setting = Setting::start(shape, &servers.concat()).await;
        setting.discovered("test/one").await;
        setting.discovered("test/two").await;
        Self { setting, one, two }
    }

    /// A client that announces everything.
    pub(crate) async fn client(&self) -> Client {
        self.client_with(everything()).await
    }

    pub(crate) async fn client_with(&self, capabilities: Value) -> Client {
        Client::open(&self.setting.url(), capabilities).await.0
    }

    /// Makes `client` known at `puppet`: the id of its session there.
    pub(crate) async fn session(&self, client: &Client, puppet: &Puppet) -> String {
        let key = fastrand::u32(..);
        let params = json!({"name": format!("{}_echo", puppet.name), "arguments": {"key": key}});
        assert_eq!(client.begin("tools/call", params).await.text().await, puppet.name);
        let seen = puppet.seen(|seen| seen.message["params"]["arguments"]["key"] == key);
        seen[0].session.clone()
    }

    /// The standing stream of `client`, and where `puppet` writes to it.
    pub(crate) async fn standing(&self, client: &Client, puppet: &Puppet) -> (Stream, Line) {
        let session = self.session(client, puppet).await;
        let stream = client.listen().await;
        assert_eq!(stream.status, 200);
        (stream, puppet.standing(&session).await)
    }
}

/// A request of a server.
pub(crate) fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// A request of a server to the user, who is asked `message`.
pub(crate) fn elicitation(id: impl Into<Value>, message: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    request(id, "elicitation/create", json!({"message": message, "requestedSchema": schema}))
}

/// What the user says.
pub(crate) fn accepted(name: &str) -> Value {
    json!({"action": "accept", "content": {"name": name}})
}

pub(crate) fn notification(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// A log message; all that was said before it on the same stream has come when it comes.
pub(crate) fn log(said: &str) -> Value {
    notification("notifications/message", json!({"level": "info", "data": said}))
}

/// Reads up to the log message that said so.
pub(crate) async fn until(stream: &mut Stream, said: &str) {
    while stream.message_of("notifications/message").await["params"]["data"] != said {}
}
