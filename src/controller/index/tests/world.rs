//! A cluster for tests: YAML in, and everything that an API server, Istio and a data plane would do to it.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::super::{Index, Settings, extension, registration, seen::Seen, virtual_server};
use crate::{
    controller::{
        Body, CONTROLLER, CREDENTIAL_LABEL, MANAGED_BY, Write,
        object::{Key, Kind, Object},
        own,
    },
    credentials,
    exchange::CredentialPart,
    report::{GatewayReport, Report, ServerReport, VirtualServerReport, fingerprint},
};

/// The time of every write.
pub(super) const NOW: &str = "2026-11-22T10:00:00Z";
/// Most rounds until nothing is left to write.
const MAX_ROUNDS: usize = 10;

pub(super) struct World {
    pub(super) index: Index,
    objects: BTreeMap<(Kind, Key), Value>,
    pub(super) now: &'static str,
}

pub(super) fn key(text: &str) -> Key {
    let (namespace, name) = text.split_once('/').unwrap_or(("", text));
    Key::new(namespace, name)
}

pub(super) fn documents(yaml: &str) -> Vec<Value> {
    yaml.split("\n---")
        .map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}")))
        .collect()
}

impl World {
    pub(super) fn new() -> Self {
        let settings =
            Settings { service: "mcp-broker-router".to_owned(), cluster_domain: "cluster.local".to_owned() };
        Self { index: Index::new(settings), objects: BTreeMap::new(), now: NOW }
    }

    pub(super) fn apply(&mut self, yaml: &str) {
        for document in documents(yaml) {
            self.put(document);
        }
    }

    /// Stores one object as an API server does, and as Istio accepts routes.
    pub(super) fn put(&mut self, mut object: Value) {
        let kind = kind(&object);
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.entry("creationTimestamp").or_insert(json!("2026-01-01T00:00:00Z"));
        metadata.entry("generation").or_insert(json!(1));
        let uid = format!("uid-of-{}", metadata["name"].as_str().unwrap());
        metadata.entry("uid").or_insert(json!(uid));
        if kind == Kind::HttpRoute && object.get("status").is_none() {
            object["status"] = accepted(&object["spec"]["parentRefs"]);
        }
        let decoded: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let key = Key::of(&decoded.metadata);
        self.index.apply(Object::decode(kind, decoded).unwrap_or_else(|error| panic!("{object}: {error}")));
        self.objects.insert((kind, key), object);
    }

    /// Changes the value at `pointer` of an object; null removes it.
    pub(super) fn set(&mut self, kind: Kind, name: &str, pointer: &str, value: Value) {
        let mut object = self.objects.get(&(kind, key(name))).unwrap().clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("no {pointer} in {name}"));
        match (parent, value) {
            (Value::Object(fields), Value::Null) => drop(fields.remove(field)),
            (Value::Object(fields), value) => drop(fields.insert(field.to_owned(), value)),
            (Value::Array(items), value) => items[field.parse::<usize>().unwrap()] = value,
            (other, _) => panic!("{other}"),
        }
        self.put(object);
    }

    pub(super) fn get(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.objects.get(&(kind, key(name)))
    }

    pub(super) fn keys(&self, kind: Kind) -> Vec<String> {
        self.objects.keys().filter(|(of, _)| *of == kind).map(|(_, key)| key.to_string()).collect()
    }

    pub(super) fn delete(&mut self, kind: Kind, name: &str) {
        self.objects.remove(&(kind, key(name))).unwrap();
        self.index.delete(kind, &key(name));
    }

    /// Every data plane reports what it was told, from `instance`; `change` says what differs.
    pub(super) fn report(&mut self, instance: &str, change: impl Fn(&mut Report)) {
        for (namespace, mut report) in self.perfect_reports() {
            change(&mut report);
            let name = format!("{namespace}/{}", own::REPORT);
            if self.get(Kind::Report, &name).is_none() {
                continue;
            }
            let mut object = self.get(Kind::Report, &name).unwrap().clone();
            object["data"][instance] = json!(serde_json::to_string(&report).unwrap());
            self.put(object);
        }
    }

    fn perfect_reports(&self) -> Vec<(String, Report)> {
        let seen = Seen::of(&self.index.cluster);
        let extensions = extension::all(&self.index.settings, &seen);
        let registrations = registration::all(&self.index.settings, &seen, &extensions);
        let virtual_servers = virtual_server::all(&self.index.cluster);
        let of = |(position, extension): (usize, &extension::Extension<'_>)| {
            let servers =
                registrations.iter().flat_map(|it| &it.servers).filter(|it| it.extension == position);
            let servers = servers.map(|it| {
                let server = ServerReport {
                    fingerprint: fingerprint(&it.server),
                    reachable: true,
                    tools: 3,
                    revision: Some("2025-06-18".to_owned()),
                    routed: Some(true),
                    guarded: Some(true),
                    ..ServerReport::default()
                };
                (it.server.name.to_string(), server)
            });
            let virtual_servers = virtual_servers.iter().filter_map(|it| {
                let tools = u32::try_from(it.spec.as_ref()?.tools.len()).unwrap();
                Some((it.key.to_string(), VirtualServerReport { tools, missing: Vec::new() }))
            });
            let gateway = GatewayReport { attached: Some(true), error: None };
            let report = Report {
                beat: 0,
                gateway,
                servers: servers.collect(),
                virtual_servers: virtual_servers.collect(),
            };
            (extension.key.namespace.clone(), report)
        };
        extensions.iter().enumerate().map(of).collect()
    }

    /// Does what the index wants until it wants nothing more; what that was, in words.
    pub(super) fn settle(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let writes = self.index.writes(self.now);
            if writes.is_empty() {
                return done;
            }
            for write in writes {
                done.push(said(&write));
                self.carry_out(write);
            }
        }
        panic!("never settles: {done:#?}");
    }

    /// [`World::settle`], with one data plane that does all well.
    pub(super) fn settle_well(&mut self) {
        self.settle();
        self.report("pod-1", |_| {});
        self.settle();
    }

    fn carry_out(&mut self, write: Write) {
        match write {
            Write::Apply { kind, key, body } => {
                let (mut object, owners) = match body {
                    Body::Object { fields, owners } => (fields, owners),
                    Body::Secret { entries, owners } => {
                        let entry = |(name, value)| {
                            (name, json!(STANDARD.encode(credentials::reveal(&value, CredentialPart::Whole))))
                        };
                        (
                            json!({"data": entries.into_iter().map(entry).collect::<serde_json::Map<_, _>>()}),
                            owners,
                        )
                    }
                };
                if kind == Kind::Report {
                    let old = self.objects.get(&(kind, key.clone()));
                    object["data"] = old.map_or(json!({}), |old| old["data"].clone());
                }
                self.put_own(kind, &key, object, &owners);
            }
            Write::SessionKey { key } => {
                self.put_own(Kind::OwnSecret, &key, json!({"data": {"keys": "a2V5"}}), &[]);
            }
            Write::Status { kind, key, status } => {
                let mut object = self.objects.get(&(kind, key)).unwrap().clone();
                object["status"] = status;
                self.put(object);
            }
            Write::Delete { kind, key } => self.delete(kind, &key.to_string()),
            Write::ForgetReport { key, instance } => {
                let mut object = self.objects.get(&(Kind::Report, key)).unwrap().clone();
                object["data"].as_object_mut().unwrap().remove(&instance).unwrap();
                self.put(object);
            }
        }
    }

    fn put_own(&mut self, kind: Kind, key: &Key, mut object: Value, owners: &[Value]) {
        let resource = kind.resource();
        let group = if resource.group.is_empty() { String::new() } else { format!("{}/", resource.group) };
        object["apiVersion"] = json!(format!("{group}{}", resource.version));
        object["kind"] = json!(resource.kind);
        object["metadata"] = json!({"namespace": key.namespace, "name": key.name, "labels": {MANAGED_BY: CONTROLLER},
                                    "ownerReferences": owners});
        self.put(object);
    }

    /// `STATUS REASON: MESSAGE` of a condition, after everything was settled.
    pub(super) fn says(&mut self, kind: Kind, name: &str, condition: &str) -> String {
        self.settle();
        let object = self.get(kind, name).unwrap_or_else(|| panic!("no {name}"));
        let conditions = object["status"]["conditions"].as_array().unwrap();
        let found = conditions.iter().find(|it| it["type"] == condition).unwrap();
        let field = |name: &str| found[name].as_str().unwrap().to_owned();
        format!("{} {}: {}", field("status"), field("reason"), field("message"))
    }

    /// [`World::says`] of a registration.
    pub(super) fn registration(&mut self, name: &str, condition: &str) -> String {
        self.says(Kind::Registration, name, condition)
    }

    /// [`World::says`] of the extension of the guide.
    pub(super) fn extension(&mut self, condition: &str) -> String {
        self.says(Kind::Extension, "mcp-system/gateway", condition)
    }

    /// `NAME HOSTNAME URL` of every server that the data plane of mcp-system is told.
    pub(super) fn servers(&self) -> Vec<String> {
        let seen = Seen::of(&self.index.cluster);
        let extensions = extension::all(&self.index.settings, &seen);
        let registrations = registration::all(&self.index.settings, &seen, &extensions);
        let position = extensions.iter().position(|it| it.key.namespace == "mcp-system");
        let servers = registrations.iter().flat_map(|it| &it.servers);
        servers
            .filter(|it| Some(it.extension) == position)
            .map(|it| format!("{} {} {}", it.server.name, it.server.hostname, it.server.url))
            .collect()
    }
}

fn kind(object: &Value) -> Kind {
    let name = object["kind"].as_str().unwrap_or_else(|| panic!("{object}"));
    if name == "Secret" {
        let labels = &object["metadata"]["labels"];
        return if labels[MANAGED_BY] == CONTROLLER { Kind::OwnSecret } else { Kind::CredentialSecret };
    }
    Kind::ALL.into_iter().find(|kind| kind.resource().kind == name).unwrap()
}

/// As Istio writes it: every parent has taken the route.
pub(super) fn accepted(parents: &Value) -> Value {
    let conditions = ["Accepted", "ResolvedRefs"]
        .map(|kind| json!({"type": kind, "status": "True", "reason": kind, "message": ""}));
    let parents = parents.as_array().into_iter().flatten();
    let status = |parent| json!({"parentRef": parent, "controllerName": "istio.io/gateway-controller", "conditions": conditions});
    json!({"parents": parents.map(status).collect::<Vec<_>>()})
}

/// `VERB Kind namespace/name`.
pub(super) fn said(write: &Write) -> String {
    match write {
        Write::Apply { kind, key, .. } => format!("apply {kind:?} {key}"),
        Write::SessionKey { key } => format!("generate {key}"),
        Write::Status { kind, key, .. } => format!("status {kind:?} {key}"),
        Write::Delete { kind, key } => format!("delete {kind:?} {key}"),
        Write::ForgetReport { key, instance } => format!("forget {instance} in {key}"),
    }
}

/// A Secret that a registration can take a credential from.
pub(super) fn secret(name: &str, token: &str) -> Value {
    let (namespace, name) = name.split_once('/').unwrap();
    json!({"apiVersion": "v1", "kind": "Secret", "data": {"token": STANDARD.encode(token)},
           "metadata": {"namespace": namespace, "name": name, "labels": {CREDENTIAL_LABEL: "true"}}})
}
