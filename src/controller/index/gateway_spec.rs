//! What the data plane of one extension is told.

use std::time::Duration;

use super::{extension::Extension, place::Place, registration::Registration, virtual_server::VirtualServer};
use crate::routing::{Limits, Origin, Spec};

/// The configuration of the extension at `position`. The order is that of age: the older server has a name that two
/// offer.
pub(super) fn spec(
    position: usize,
    extension: &Extension<'_>,
    place: &Place<'_>,
    registrations: &[Registration<'_>],
    virtual_servers: &[VirtualServer<'_>],
) -> Spec {
    let asked = &extension.resource.spec;
    let servers = registrations.iter().flat_map(|registration| &registration.servers);
    Spec {
        public_hosts: vec![place.public_host.clone()],
        allowed_origins: asked
            .allowed_origins
            .iter()
            .filter_map(|origin| Origin::parse(origin).ok())
            .collect(),
        servers: servers.filter(|it| it.extension == position).map(|it| it.server.clone()).collect(),
        virtual_servers: virtual_servers.iter().filter_map(|it| it.spec.clone()).collect(),
        require_session: asked.require_session,
        private_host: Some(place.private_host.clone()),
        relist: Some(Duration::from_secs(asked.backend_ping_interval_seconds.into())),
        limits: Limits {
            body: usize::try_from(asked.max_body_bytes).unwrap_or(Limits::DEFAULT_BODY),
            page: 0,
        },
    }
}
