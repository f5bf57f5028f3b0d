//! What the index reads of the cluster: read-only views, as far as the gateway is concerned.

pub mod core;
pub mod gateway_api;
pub mod istio;

use std::fmt;

use kube::core::{DynamicObject, ObjectMeta};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::{
    core::{ConfigMap, Namespace, Secret, Service},
    gateway_api::{Gateway, HttpRoute, ReferenceGrant},
    istio::{DestinationRule, EnvoyFilter, ServiceEntry},
};
use super::crd::{MCPGatewayExtension, MCPServerRegistration, MCPVirtualServer};

/// `namespace/name`; the namespace is empty for what has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object with `metadata`.
    pub fn of(metadata: &ObjectMeta) -> Self {
        Self::new(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// The kinds of object that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Registration,
    Extension,
    VirtualServer,
    Gateway,
    HttpRoute,
    ReferenceGrant,
    Namespace,
    Service,
    ServiceEntry,
    DestinationRule,
    /// Secrets with the label [`super::CREDENTIAL_LABEL`].
    CredentialSecret,
    /// Secrets that the controller has made.
    OwnSecret,
    /// `ConfigMap`s that the controller has made: reports of data planes.
    Report,
    /// `EnvoyFilter`s that the controller has made.
    EnvoyFilter,
}

/// Where the API server has a kind, and which of its objects are watched.
#[derive(Clone, Copy, Debug)]
pub struct Resource {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    /// Label selector; empty: all.
    pub labels: &'static str,
    /// Only objects of this name; empty: all.
    pub name: &'static str,
    /// Whether the cluster may be without the kind: where Istio is not installed.
    pub optional: bool,
}

impl Resource {
    /// `PLURAL.GROUP`, as kubectl names it.
    pub fn full_name(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}

/// As the API server has it: `HTTPRoute`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.resource().kind)
    }
}

impl Kind {
    pub const ALL: [Self; 14] = [
        Self::Registration,
        Self::Extension,
        Self::VirtualServer,
        Self::Gateway,
        Self::HttpRoute,
        Self::ReferenceGrant,
        Self::Namespace,
        Self::Service,
        Self::ServiceEntry,
        Self::DestinationRule,
        Self::CredentialSecret,
        Self::OwnSecret,
        Self::Report,
        Self::EnvoyFilter,
    ];

    pub const fn resource(self) -> Resource {
        const MCP: (&str, &str) = (super::crd::GROUP, super::crd::VERSION);
        const GATEWAY_API: (&str, &str) = ("gateway.networking.k8s.io", "v1");
        const ISTIO: (&str, &str) = ("networking.istio.io", "v1");
        const CORE: (&str, &str) = ("", "v1");
        const OWN: &str = "app.kubernetes.io/managed-by=mcp-controller";
        let ((group, version), kind, plural, labels, optional) = match self {
            Self::Registration => (MCP, "MCPServerRegistration", "mcpserverregistrations", "", false),
            Self::Extension => (MCP, "MCPGatewayExtension", "mcpgatewayextensions", "", false),
            Self::VirtualServer => (MCP, "MCPVirtualServer", "mcpvirtualservers", "", false),
            Self::Gateway => (GATEWAY_API, "Gateway", "gateways", "", true),
            Self::HttpRoute => (GATEWAY_API, "HTTPRoute", "httproutes", "", true),
            Self::ReferenceGrant => {
                (("gateway.networking.k8s.io", "v1beta1"), "ReferenceGrant", "referencegrants", "", true)
            }
            Self::Namespace => (CORE, "Namespace", "namespaces", "", false),
            Self::Service => (CORE, "Service", "services", "", false),
            Self::ServiceEntry => (ISTIO, "ServiceEntry", "serviceentries", "", true),
            Self::DestinationRule => (ISTIO, "DestinationRule", "destinationrules", "", true),
            Self::CredentialSecret => (CORE, "Secret", "secrets", "mcp.kagenti.com/credential=true", false),
            Self::OwnSecret => (CORE, "Secret", "secrets", OWN, false),
            Self::Report => (CORE, "ConfigMap", "configmaps", OWN, false),
            Self::EnvoyFilter => {
                (("networking.istio.io", "v1alpha3"), "EnvoyFilter", "envoyfilters", OWN, true)
            }
        };
        // a right over this name alone is enough for a watch that selects it
        let name = if matches!(self, Self::Report) { "mcp-gateway-status" } else { "" };
        Resource { group, version, kind, plural, labels, name, optional }
    }
}

/// A view and its metadata.
#[derive(Clone, Debug, Default)]
pub struct Named<T> {
    pub metadata: ObjectMeta,
    pub view: T,
}

impl<T> Named<T> {
    pub fn key(&self) -> Key {
        Key::of(&self.metadata)
    }
}

/// One object, as the index takes it in.
#[derive(Clone, Debug)]
pub enum Object {
    Registration(Box<MCPServerRegistration>),
    Extension(Box<MCPGatewayExtension>),
    VirtualServer(Box<MCPVirtualServer>),
    Gateway(Named<Gateway>),
    HttpRoute(Named<HttpRoute>),
    ReferenceGrant(Named<ReferenceGrant>),
    Namespace(Named<Namespace>),
    Service(Named<Service>),
    ServiceEntry(Named<ServiceEntry>),
    DestinationRule(Named<DestinationRule>),
    CredentialSecret(Named<Secret>),
    OwnSecret(Named<Secret>),
    Report(Named<ConfigMap>),
    EnvoyFilter(Named<EnvoyFilter>),
}

impl Object {
    /// Reads what the API server sent. Fails on what is no object of that kind; the object then counts as absent.
    pub fn decode(kind: Kind, object: DynamicObject) -> Result<Self, serde_json::Error> {
        fn named<T: DeserializeOwned>(object: DynamicObject) -> Result<Named<T>, serde_json::Error> {
            Ok(Named { view: serde_json::from_value(object.data)?, metadata: object.metadata })
        }
        fn route(object: DynamicObject) -> Result<Named<HttpRoute>, serde_json::Error> {
            let label = object.metadata.labels.as_ref().and_then(|labels| labels.get(super::MANAGED_BY));
            let is_own = label.is_some_and(|value| value == super::CONTROLLER);
            let whole = if is_own { object.data.clone() } else { Value::Null };
            let mut named: Named<HttpRoute> = named(object)?;
            named.view.whole = whole;
            Ok(named)
        }
        fn whole<T: DeserializeOwned>(object: DynamicObject) -> Result<Box<T>, serde_json::Error> {
            let mut value: Value = object.data;
            if let Some(fields) = value.as_object_mut() {
                fields.insert("metadata".to_owned(), serde_json::to_value(object.metadata)?);
            }
            serde_json::from_value(value).map(Box::new)
        }
        Ok(match kind {
            Kind::Registration => Self::Registration(whole(object)?),
            Kind::Extension => Self::Extension(whole(object)?),
            Kind::VirtualServer => Self::VirtualServer(whole(object)?),
            Kind::Gateway => Self::Gateway(named(object)?),
            Kind::HttpRoute => Self::HttpRoute(route(object)?),
            Kind::ReferenceGrant => Self::ReferenceGrant(named(object)?),
            Kind::Namespace => Self::Namespace(named(object)?),
            Kind::Service => Self::Service(named(object)?),
            Kind::ServiceEntry => Self::ServiceEntry(named(object)?),
            Kind::DestinationRule => Self::DestinationRule(named(object)?),
            Kind::CredentialSecret => Self::CredentialSecret(named(object)?),
            Kind::OwnSecret => Self::OwnSecret(named(object)?),
            Kind::Report => Self::Report(named(object)?),
            Kind::EnvoyFilter => Self::EnvoyFilter(named(object)?),
        })
    }
}
