//! One write as requests to the API server.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::{DynamicObject, ObjectMeta, PartialObjectMeta},
};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::{
    controller::{
        Body, CONTROLLER, MANAGED_BY, Write,
        failure::{Failure, REQUEST_DEADLINE},
        object::{Key, Kind},
        watch::api_resource,
    },
    credentials::{self, CredentialPart},
};

/// Key of the Secret that holds session keys.
const SESSION_KEYS: &str = "keys";

pub(super) struct Requests {
    client: Client,
    /// Objects that are known to be the controller's own.
    own: Mutex<HashSet<(Kind, Key)>>,
}

impl Requests {
    pub(super) fn new(client: Client) -> Self {
        Self { client, own: Mutex::default() }
    }

    /// Makes it so; says so in the log when something was changed.
    pub(super) async fn make(&self, write: &Write) -> Result<(), Failure> {
        match write {
            Write::Apply { kind, key, body } => self.apply(*kind, key, body).await,
            Write::SessionKey { key } => self.session_key(key).await,
            Write::Status { kind, key, status } => self.status(*kind, key, status).await,
            Write::Delete { kind, key } => self.delete(*kind, key).await,
            Write::ForgetReport { key, instance } => self.forget(key, instance).await,
        }
    }

    async fn apply(&self, kind: Kind, key: &Key, body: &Body) -> Result<(), Failure> {
        self.check_own(kind, key).await?;
        let (mut object, owners) = match body {
            Body::Object { fields, owners } => (head(kind, key, fields), owners),
            Body::Secret { entries, owners } => {
                let data: Map<_, _> = entries
                    .iter()
                    .map(|(name, value)| {
                        let bytes = credentials::reveal(value, CredentialPart::Whole);
                        (name.clone(), STANDARD.encode(bytes).into())
                    })
                    .collect();
                (head(kind, key, &json!({"type": "Opaque", "data": data})), owners)
            }
        };
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.insert("labels".to_owned(), labels());
            if !owners.is_empty() {
                metadata.insert("ownerReferences".to_owned(), owners.clone().into());
            }
        }
        let patch = Patch::Apply(Value::Object(object));
        self.answer(self.api(kind, key).patch(&key.name, &PatchParams::apply(CONTROLLER).force(), &patch))
            .await?;
        tracing::info!(%kind, object = %key, "applied");
        Ok(())
    }

    /// Written once: whoever has made or replaced it wants it so.
    async fn session_key(&self, key: &Key) -> Result<(), Failure> {
        let new = credentials::new_key()?;
        let value = STANDARD.encode(credentials::reveal(&new, CredentialPart::Whole));
        let mut fields =
            head(Kind::OwnSecret, key, &json!({"type": "Opaque", "data": {SESSION_KEYS: value}}));
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            metadata.insert("labels".to_owned(), labels());
        }
        let object: DynamicObject = serde_json::from_value(Value::Object(fields))?;
        let parameters = PostParams { field_manager: Some(CONTROLLER.to_owned()), ..PostParams::default() };
        match self.answer(self.api(Kind::OwnSecret, key).create(&parameters, &object)).await {
            Ok(_created) => {
                tracing::info!(kind = %Kind::OwnSecret, object = %key, "made a session key");
                Ok(())
            }
            Err(error) if error.is_conflict() => Err(Failure::Exists),
            Err(error) => Err(error),
        }
    }

    async fn status(&self, kind: Kind, key: &Key, status: &Value) -> Result<(), Failure> {
        let patch = Patch::Apply(Value::Object(head(kind, key, &json!({"status": status}))));
        let parameters = PatchParams::apply(CONTROLLER).force();
        match self.answer(self.api(kind, key).patch_status(&key.name, &parameters, &patch)).await {
            Ok(_object) => {
                let (ready, message) = readiness(status);
                tracing::info!(%kind, object = %key, ready, why = message, "set the status");
                Ok(())
            }
            // gone meanwhile
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, kind: Kind, key: &Key) -> Result<(), Failure> {
        let Some(found) = self.look(kind, key).await? else { return Ok(()) };
        if !is_own(&found.metadata) {
            tracing::warn!(%kind, object = %key, "not deleted: it has no label {MANAGED_BY}: {CONTROLLER} any more");
            return Ok(());
        }
        let ObjectMeta { uid, resource_version, .. } = found.metadata;
        let parameters = DeleteParams {
            preconditions: Some(Preconditions { uid, resource_version }),
            ..DeleteParams::default()
        };
        match self.answer(self.api(kind, key).delete(&key.name, &parameters)).await {
            Ok(_deleted) => {
                tracing::info!(%kind, object = %key, "deleted");
                Ok(())
            }
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn forget(&self, key: &Key, instance: &str) -> Result<(), Failure> {
        let patch = Patch::Merge(json!({"data": {instance: null}}));
        match self.answer(self.api(Kind::Report, key).patch(&key.name, &PatchParams::default(), &patch)).await
        {
            Ok(_object) => {
                tracing::info!(%instance, object = %key, "forgot the report of an instance that is gone");
                Ok(())
            }
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What somebody else has made under the name is left alone.
    async fn check_own(&self, kind: Kind, key: &Key) -> Result<(), Failure> {
        let id = (kind, key.clone());
        if self.own.lock().unwrap_or_else(PoisonError::into_inner).contains(&id) {
            return Ok(());
        }
        if self.look(kind, key).await?.is_some_and(|found| !is_own(&found.metadata)) {
            return Err(Failure::Foreign);
        }
        self.own.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Ok(())
    }

    async fn look(&self, kind: Kind, key: &Key) -> Result<Option<PartialObjectMeta<DynamicObject>>, Failure> {
        self.answer(self.api(kind, key).get_metadata_opt(&key.name)).await
    }

    async fn answer<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
        Ok(timeout(REQUEST_DEADLINE, request).await.map_err(|_elapsed| Failure::Late)??)
    }

    fn api(&self, kind: Kind, key: &Key) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &key.namespace, &api_resource(&kind.resource()))
    }
}

/// `fields` with what every object has.
fn head(kind: Kind, key: &Key, fields: &Value) -> Map<String, Value> {
    let resource = api_resource(&kind.resource());
    let mut object = fields.as_object().cloned().unwrap_or_default();
    object.insert("apiVersion".to_owned(), resource.api_version.into());
    object.insert("kind".to_owned(), resource.kind.into());
    object.insert("metadata".to_owned(), json!({"name": key.name, "namespace": key.namespace}));
    object
}

fn labels() -> Value {
    json!({MANAGED_BY: CONTROLLER, "app.kubernetes.io/part-of": "mcp-gateway"})
}

fn is_own(metadata: &ObjectMeta) -> bool {
    metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(MANAGED_BY))
        .is_some_and(|value| value == CONTROLLER)
}

/// Status and message of the condition `Ready`.
fn readiness(status: &Value) -> (&str, &str) {
    let conditions = status.get("conditions").and_then(Value::as_array);
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.get("type").is_some_and(|kind| kind == "Ready"));
    let text = |name| ready.and_then(|ready| ready.get(name)).and_then(Value::as_str).unwrap_or_default();
    (text("status"), text("message"))
}
