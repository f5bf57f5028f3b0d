//! Views of Gateway API v1: what of a Gateway, an `HTTPRoute` and a `ReferenceGrant` decides where a server is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::controller::crd::Condition;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Gateway {
    pub spec: GatewaySpec,
    #[serde(default)]
    pub status: GatewayStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    pub gateway_class_name: String,
    #[serde(default)]
    pub listeners: Vec<Listener>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct GatewayStatus {
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    pub name: String,
    pub port: u16,
    /// `HTTP`, `HTTPS`, …
    pub protocol: String,
    /// Without one the listener takes every host.
    #[serde(default)]
    pub hostname: Option<String>,
    #[serde(default)]
    pub allowed_routes: AllowedRoutes,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct AllowedRoutes {
    #[serde(default)]
    pub namespaces: RouteNamespaces,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct RouteNamespaces {
    #[serde(default)]
    pub from: FromNamespaces,
    #[serde(default)]
    pub selector: Selector,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum FromNamespaces {
    All,
    Selector,
    #[default]
    Same,
    None,
}

/// `metav1.LabelSelector`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub match_expressions: Vec<Expression>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Expression {
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
    pub operator: String,
    #[serde(default)]
    pub values: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct HttpRoute {
    pub spec: HttpRouteSpec,
    #[serde(default)]
    pub status: HttpRouteStatus,
    /// All of it where the controller has made it: what is wanted is compared with what is there. Else null.
    #[serde(skip)]
    pub whole: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    #[serde(default)]
    pub parent_refs: Vec<ParentRef>,
    #[serde(default)]
    pub hostnames: Vec<String>,
    #[serde(default)]
    pub rules: Vec<RouteRule>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct HttpRouteStatus {
    #[serde(default)]
    pub parents: Vec<ParentStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    pub parent_ref: ParentRef,
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    #[serde(default)]
    pub group: Option<String>,
    #[serde(default)]
    pub kind: Option<String>,
    pub name: String,
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub section_name: Option<String>,
    #[serde(default)]
    pub port: Option<u16>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteRule {
    #[serde(default)]
    pub timeouts: Value,
    #[serde(default)]
    pub retry: Value,
    #[serde(default)]
    pub session_persistence: Value,
    #[serde(default)]
    pub matches: Vec<RouteMatch>,
    #[serde(default)]
    pub filters: Vec<Filter>,
    #[serde(default)]
    pub backend_refs: Vec<BackendRef>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteMatch {
    #[serde(default)]
    pub path: PathMatch,
    /// A rule that also asks for headers, a method or a query does not take every call.
    #[serde(default)]
    pub headers: Vec<Value>,
    #[serde(default)]
    pub method: Option<String>,
    #[serde(default)]
    pub query_params: Vec<Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PathMatch {
    /// `PathPrefix`, `Exact`, `RegularExpression`.
    #[serde(rename = "type", default = "path_prefix")]
    pub kind: String,
    #[serde(default = "root")]
    pub value: String,
}

impl Default for PathMatch {
    fn default() -> Self {
        Self { kind: path_prefix(), value: root() }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub url_rewrite: Option<UrlRewrite>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct UrlRewrite {
    #[serde(default)]
    pub hostname: Option<String>,
    #[serde(default)]
    pub path: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct BackendRef {
    #[serde(default)]
    pub group: Option<String>,
    #[serde(default)]
    pub kind: Option<String>,
    pub name: String,
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub weight: Option<i32>,
    #[serde(default)]
    pub filters: Vec<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ReferenceGrant {
    pub spec: ReferenceGrantSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ReferenceGrantSpec {
    #[serde(default)]
    pub from: Vec<GrantFrom>,
    #[serde(default)]
    pub to: Vec<GrantTo>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct GrantFrom {
    pub group: String,
    pub kind: String,
    pub namespace: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct GrantTo {
    pub group: String,
    pub kind: String,
    /// Without one, every object of the kind.
    #[serde(default)]
    pub name: Option<String>,
}

fn path_prefix() -> String {
    "PathPrefix".to_owned()
}

fn root() -> String {
    "/".to_owned()
}
