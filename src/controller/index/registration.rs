//! Registrations: the route, the extensions that can serve it, and the server as the data plane gets it.

use std::collections::HashMap;

use secrecy::SecretString;
use url::Url;

use super::{
    Settings, attach, backend,
    claim::{Claims, Load},
    cluster, contest, credential,
    extension::Extension,
    grant::{self, HTTP_ROUTE, REGISTRATION},
    place::Place,
    rule::{self, Way},
    seen::Seen,
    spot, tls,
};
use crate::{
    controller::{
        crd::{CredentialPolicy, MCPServerRegistration, State},
        object::{Key, Named, gateway_api::HttpRoute},
        own::{self, CallRoute, External},
        status::{Check, Finding, reason},
    },
    routing::{Authority, CallCredential, ObjectName, Prefix, ServerSpec, Timeouts},
};

/// A registration, and what became of it.
#[derive(Debug)]
pub(super) struct Registration<'a> {
    pub(super) key: &'a Key,
    pub(super) resource: &'a MCPServerRegistration,
    pub(super) accepted: Check,
    pub(super) resolved: Check,
    pub(super) safe: Check,
    pub(super) warnings: Vec<Finding>,
    pub(super) servers: Vec<Placed>,
}

/// A server as one extension serves it.
#[derive(Debug)]
pub(super) struct Placed {
    /// Position among the extensions.
    pub(super) extension: usize,
    pub(super) server: ServerSpec,
    pub(super) external: Option<External>,
    pub(super) call: Option<CallRoute>,
    /// As of its [`spot::Spot`].
    pub(super) answers: Vec<(String, u16)>,
}

/// What a registration asks of one extension.
#[derive(Debug)]
pub(super) struct Offer<'e> {
    pub(super) extension: usize,
    pub(super) place: &'e Place<'e>,
    pub(super) route: Key,
    pub(super) hostname: Authority,
    /// Absent where it must not be configured; it keeps its host and prefix all the same.
    pub(super) server: Option<ServerSpec>,
    pub(super) external: Option<External>,
    pub(super) call: Option<CallRoute>,
    /// As of its [`spot::Spot`].
    pub(super) answers: Vec<(String, u16)>,
}

/// All of them, the oldest first.
pub(super) fn all<'a>(
    settings: &Settings,
    seen: &Seen<'a>,
    extensions: &[Extension<'a>],
) -> Vec<Registration<'a>> {
    within(Load::MOST, settings, seen, extensions)
}

/// [`all`], but no more for one extension than `most`.
pub(super) fn within<'a>(
    most: Load,
    settings: &Settings,
    seen: &Seen<'a>,
    extensions: &[Extension<'a>],
) -> Vec<Registration<'a>> {
    let places = spot::by_gateway(extensions);
    let mut claims = Claims::up_to(most);
    cluster::by_age(&seen.cluster.registrations, |registration| &registration.metadata)
        .into_iter()
        .map(|(key, resource)| {
            let mut registration = Registration {
                key,
                resource,
                accepted: Ok(()),
                resolved: Ok(()),
                safe: Ok(()),
                warnings: Vec::new(),
                servers: Vec::new(),
            };
            for offer in registration.offers(settings, seen, &places) {
                let taken = claims.take(seen, extensions, (key, &resource.spec.tool_prefix), &offer);
                match (taken, offer.server) {
                    (Ok(()), Some(server)) => {
                        let Offer { extension, external, call, answers, .. } = offer;
                        registration.servers.push(Placed { extension, server, external, call, answers });
                    }
                    (Ok(()), None) => {}
                    (Err(finding), _) => {
                        let of = extensions.get(offer.extension).map(|extension| extension.key.to_string());
                        registration.accepted = Err(Finding {
                            message: format!(
                                "MCPGatewayExtension {}: {}",
                                of.unwrap_or_default(),
                                finding.message
                            ),
                            ..finding
                        });
                    }
                }
            }
            registration
        })
        .collect()
}

impl<'a> Registration<'a> {
    fn offers<'e>(
        &mut self,
        settings: &Settings,
        seen: &Seen<'a>,
        places: &HashMap<&Key, Vec<(usize, &'e Place<'e>)>>,
    ) -> Vec<Offer<'e>> {
        let spec = &self.resource.spec;
        let credential =
            spec.credential_ref.as_ref().map(|it| credential::resolve(seen.cluster, &self.key.namespace, it));
        let credential = credential.transpose().map_err(|finding| self.resolved = Err(finding)).ok();
        let (route_key, route) = match self.route(seen) {
            Ok(route) => route,
            Err(finding) => {
                self.resolved = Err(finding);
                self.accepted =
                    Err(Finding::new(reason::NOT_RESOLVED, "not judged; see condition ResolvedRefs"));
                return Vec::new();
            }
        };
        let (spots, way, frame) = match self.stand(seen, places, &route_key, route) {
            Ok(found) => found,
            Err(finding) => {
                self.accepted = Err(finding);
                return Vec::new();
            }
        };
        self.warnings.extend(spot::bypasses(seen, &route_key, &spots));
        if let Err(finding) = rule::check_resolved(seen, &route_key, &route.view) {
            self.resolved = self.resolved.clone().and(Err(finding));
        }
        let mut offers = Vec::new();
        for spot in spots {
            let server = self.server(settings, seen, (&route_key, &way), &spot, &frame, credential.as_ref());
            let (server, external, call) = match server {
                Ok(Found { server, external, call }) => (Some(server), external, call),
                Err(finding) => {
                    self.resolved = self.resolved.clone().and(Err(finding));
                    (None, None, None)
                }
            };
            let spot::Spot { extension, place, hostname, answers } = spot;
            offers.push(Offer {
                extension,
                place,
                route: route_key.clone(),
                hostname,
                server,
                external,
                call,
                answers,
            });
        }
        if self.resolved.is_err() || self.safe.is_err() {
            for offer in &mut offers {
                offer.server = None;
            }
        }
        offers
    }

    fn route(&self, seen: &Seen<'a>) -> Check<(Key, &'a Named<HttpRoute>)> {
        let target = &self.resource.spec.target_ref;
        if (target.group.as_str(), target.kind.as_str()) != HTTP_ROUTE {
            let message = "spec.targetRef must name an HTTPRoute of gateway.networking.k8s.io";
            return Err(Finding::new(reason::ROUTE_NOT_FOUND, message));
        }
        let namespace = &self.key.namespace;
        let key = Key::new(target.namespace.as_deref().unwrap_or(namespace), &target.name);
        grant::check(seen.cluster, REGISTRATION, namespace, HTTP_ROUTE, &key)?;
        let route = seen.cluster.routes.get(&key).ok_or_else(|| {
            let message = format!("HTTPRoute {key} does not exist; create it, or correct spec.targetRef");
            Finding::new(reason::ROUTE_NOT_FOUND, message)
        })?;
        Ok((key, route))
    }

    /// Where it can be served, by which way, and what of the server needs no backend.
    fn stand<'e>(
        &self,
        seen: &Seen<'a>,
        places: &HashMap<&Key, Vec<(usize, &'e Place<'e>)>>,
        key: &Key,
        route: &'a Named<HttpRoute>,
    ) -> Check<(Vec<spot::Spot<'e>>, Way<'a>, Frame)> {
        let spec = &self.resource.spec;
        rule::check_path(&spec.path)?;
        let invalid = |error: crate::routing::InvalidName| Finding::new(reason::INVALID, error.to_string());
        let prefix = Prefix::parse(&spec.tool_prefix)
            .map_err(|error| Finding::new(reason::INVALID, format!("spec.toolPrefix {error}")))?;
        let name = ObjectName::parse(&self.key.to_string()).map_err(invalid)?;
        if seen.attachments.of_route(key).is_empty() {
            return Err(attach::why_not(key, &route.view));
        }
        let spots = spot::find(seen, places, key, route)?;
        let way = rule::way(key, &route.view, &spec.path)?;
        Ok((spots, way, Frame { name, prefix }))
    }

    fn server(
        &mut self,
        settings: &Settings,
        seen: &Seen<'a>,
        (route, way): (&Key, &Way<'a>),
        spot: &spot::Spot<'_>,
        frame: &Frame,
        credential: Option<&Option<SecretString>>,
    ) -> Check<Found> {
        let gateway = &spot.place.gateway.namespace;
        let mut backend = backend::resolve(settings, seen, &route.namespace, gateway, way.backend)?;
        self.warnings.append(&mut backend.warnings);
        let host = way.rewritten_host.unwrap_or(spot.hostname.as_str());
        if backend.is_external && !host.eq_ignore_ascii_case(&backend.host) {
            let message = format!(
                "HTTPRoute {route} sends calls to {} with Host {host}; add a filter URLRewrite with \
                 hostname {}",
                backend.host, backend.host
            );
            self.warnings.push(Finding::new(reason::HOST_NOT_REWRITTEN, message));
        }
        let spec = &self.resource.spec;
        let (has_credential, warnings) = (spec.credential_ref.is_some(), &mut self.warnings);
        let contested = contest::judge(seen, &backend, gateway, has_credential, warnings);
        let safe = contested.and_then(|()| tls::judge(seen, &backend, gateway, has_credential, warnings));
        self.safe = self.safe.clone().and(safe);
        let scheme = if backend.is_tls { "https" } else { "http" };
        let text = format!("{scheme}://{}:{}{}", backend.host, backend.port, spec.path);
        let url = Url::parse(&text).map_err(|error| {
            Finding::new(reason::UNSUPPORTED_BACKEND, format!("{text} is not a URL: {error}"))
        })?;
        let server = ServerSpec {
            name: frame.name.clone(),
            url,
            hostname: spot.hostname.clone(),
            prefix: frame.prefix.clone(),
            credential: credential.cloned().flatten(),
            call_credential: match spec.credential_policy {
                CredentialPolicy::WhenAbsent => CallCredential::WhenAbsent,
                CredentialPolicy::Replace => CallCredential::Replace,
                CredentialPolicy::Never => CallCredential::Never,
            },
            enabled: spec.state == State::Enabled,
            ca_bundle: None,
            timeouts: Timeouts::default(),
        };
        let external = backend
            .is_external
            .then(|| External { plain_service: tls::plain_service(seen, &backend, gateway) });
        let is_known = !backend.is_external || backend.entry.is_some();
        let call = (way.is_plain && is_known).then(|| CallRoute {
            virtual_host: own::virtual_host(spot.hostname.as_str(), spot.place.listener.port),
            host: backend.host.clone(),
            port: backend.port,
            rewritten_host: way.rewritten_host.map(str::to_owned),
        });
        Ok(Found { server, external, call })
    }
}

/// A server, and what the Gateway is told of it.
struct Found {
    server: ServerSpec,
    external: Option<External>,
    call: Option<CallRoute>,
}

/// What of a server needs no backend.
#[derive(Debug)]
struct Frame {
    name: ObjectName,
    prefix: Prefix,
}
