//! The one rule of a route that leads to the server, and whether the server's path goes through it.

use super::{attach, seen::Seen};
use crate::controller::{
    object::{
        Key,
        gateway_api::{BackendRef, HttpRoute, ParentRef, RouteMatch},
    },
    status::{Check, Finding, reason},
};

/// The way that calls take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'a> {
    pub(super) backend: &'a BackendRef,
    /// Host that the server sees, where the route sets it.
    pub(super) rewritten_host: Option<&'a str>,
    /// Whether the route does nothing else with a request than to name backend and host.
    pub(super) is_plain: bool,
}

/// Reads the route for calls of `path`.
pub(super) fn way<'a>(key: &Key, route: &'a HttpRoute, path: &str) -> Check<Way<'a>> {
    let [rule] = route.spec.rules.as_slice() else {
        let message = format!(
            "HTTPRoute {key} has {} rules, so that it is not clear where the server is; give the server an \
             HTTPRoute with one rule",
            route.spec.rules.len()
        );
        return Err(Finding::new(reason::UNSUPPORTED_ROUTE, message));
    };
    let [backend] = rule.backend_refs.as_slice() else {
        let message = format!(
            "HTTPRoute {key} has {} backendRefs, so that it is not clear where the server is; keep one",
            rule.backend_refs.len()
        );
        return Err(Finding::new(reason::UNSUPPORTED_ROUTE, message));
    };
    if rule.filters.iter().any(|filter| filter.kind == "RequestRedirect") {
        let message = format!("HTTPRoute {key} redirects; remove the filter RequestRedirect");
        return Err(Finding::new(reason::UNSUPPORTED_ROUTE, message));
    }
    let rewrites = || rule.filters.iter().filter_map(|filter| filter.url_rewrite.as_ref());
    if rewrites().any(|rewrite| rewrite.path.is_some()) {
        let message = format!(
            "HTTPRoute {key} rewrites the path, which discovery does not follow; remove urlRewrite.path \
             and write the server's own path in spec.path"
        );
        return Err(Finding::new(reason::PATH_REWRITTEN, message));
    }
    if !rule.matches.is_empty() && !rule.matches.iter().any(|it| takes(it, path)) {
        let message = format!(
            "HTTPRoute {key} does not take all requests for {path}; match PathPrefix {path} without \
             headers, method or queryParams, or correct spec.path"
        );
        return Err(Finding::new(reason::PATH_NOT_ROUTED, message));
    }
    let is_plain = rule.filters.iter().all(|filter| filter.kind == "URLRewrite")
        && backend.filters.is_empty()
        && [&rule.timeouts, &rule.retry, &rule.session_persistence].iter().all(|it| it.is_null());
    let rewritten_host = rewrites().find_map(|rewrite| rewrite.hostname.as_deref());
    Ok(Way { backend, rewritten_host, is_plain })
}

/// A regular expression is not judged, and so does not count.
fn takes(RouteMatch { path: matched, headers, method, query_params }: &RouteMatch, path: &str) -> bool {
    let takes_path = match matched.kind.as_str() {
        "PathPrefix" => {
            let prefix = matched.value.trim_end_matches('/');
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        "Exact" => matched.value == path,
        _ => false,
    };
    takes_path && headers.is_empty() && method.is_none() && query_params.is_empty()
}

/// Whether `path` can stand in a URL as it is.
pub(super) fn check_path(path: &str) -> Check {
    if path.starts_with('/')
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#')
    {
        return Ok(());
    }
    let message = format!(
        "spec.path {path:?} must begin with `/` and have no blank, `?` or `#`; write for example /mcp"
    );
    Err(Finding::new(reason::INVALID, message))
}

/// What the route's own status says of its references, for what only the Gateway's controller can judge.
pub(super) fn check_resolved(seen: &Seen<'_>, key: &Key, route: &HttpRoute) -> Check {
    let attached = seen.attachments.of_route(key);
    let is_attached = |parent: &ParentRef| {
        attach::gateway_of(key, parent).is_some_and(|gateway| attached.iter().any(|it| it.gateway == gateway))
    };
    let refusal = route
        .status
        .parents
        .iter()
        .filter(|parent| is_attached(&parent.parent_ref))
        .flat_map(|parent| &parent.conditions)
        .find(|it| it.kind == "ResolvedRefs" && it.status == "False");
    let Some(refusal) = refusal else { return Ok(()) };
    let reason = match refusal.reason.as_str() {
        "RefNotPermitted" => reason::REF_NOT_PERMITTED,
        "BackendNotFound" => reason::BACKEND_NOT_FOUND,
        "InvalidKind" => reason::UNSUPPORTED_BACKEND,
        _ => reason::ROUTE_NOT_RESOLVED,
    };
    let message = format!(
        "HTTPRoute {key} has an unresolved reference ({}: {}); correct its backendRefs",
        refusal.reason, refusal.message
    );
    Err(Finding::new(reason, message))
}
