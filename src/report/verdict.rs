//! What the answers to probes mean; pure.
//!
//! The rule: Envoy itself says who has answered (`response.code_details`). `via_upstream` is a server's answer, whatever
//! its status. Anything else is Envoy's own, and the route does not lead to the server; but 401, 403 and 429 are a
//! policy's refusal in front of it. An Envoy that does not show its own answers to the router (1.36) gives an answer
//! without a proof where there is a router ([`unseen`]). Where Envoy is not asked for the details,
//! `x-envoy-upstream-service-time` and the status have to do.

use crate::{
    mcp::{Proof, Rejection},
    sessions::{Answered, OpenError},
};

pub(super) type Asked = Result<Answered, OpenError>;

/// Who has answered, as far as Envoy tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who<'a> {
    /// A server behind Envoy.
    Server,
    /// A filter that lets only some requests by.
    Policy,
    /// The router: why.
    Router(&'a str),
    /// Envoy: why.
    Envoy(&'a str),
}

fn who<'a>(answered: &Answered, details: &'a str) -> Who<'a> {
    let is_policy = matches!(answered.status, 401 | 403 | 429) && details != "direct_response";
    if let Some(reason) = details.strip_prefix(Proof::REFUSED) {
        Who::Router(reason)
    } else if details == Proof::UPSTREAM || (details == Proof::UNKNOWN && answered.timed) {
        Who::Server
    } else if is_policy {
        Who::Policy
    } else if details == Proof::UNKNOWN && !matches!(answered.status, 404 | 500 | 502 | 503 | 504) {
        Who::Server
    } else {
        Who::Envoy(details)
    }
}

/// Whether it takes another question to know whether there is a router.
pub(super) fn is_unproven(asked: &Asked) -> bool {
    asked.as_ref().is_ok_and(|answered| answered.proof.is_none())
}

/// What `unproven` means where the router has, or has not, answered `router` itself: Envoy shows it whatever comes from a
/// server, so this answer is Envoy's own.
pub(super) fn unseen(unproven: Asked, router: &Asked) -> Asked {
    let details = router.as_ref().ok().and_then(|answered| answered.proof.as_ref()?.details.as_deref());
    let is_there = details.is_some_and(|details| details.starts_with(Proof::REFUSED));
    let proof = is_there.then(|| Proof { details: Some(Proof::UNSEEN.to_owned()), broker: None });
    unproven.map(|answered| Answered { proof, ..answered })
}

/// Whether what names `host` comes to the broker by the router; otherwise why not.
pub(super) fn attached(asked: &Asked, host: &str) -> Result<(), String> {
    let answered = asked.as_ref().map_err(unanswered)?;
    let status = answered.status;
    let Some(Proof { details, broker }) = &answered.proof else {
        return Err(match status {
            404 => format!(
                "HTTP 404 under {host}: the Gateway has no route for it, and no router; look at the HTTPRoute and the EnvoyFilter"
            ),
            500..=599 => {
                format!("HTTP {status} under {host}: Envoy does not get an answer from router or broker")
            }
            _ => format!(
                "HTTP {status} under {host}, from neither router nor broker: another application answers, or a policy"
            ),
        });
    };
    let Some(details) = details else {
        return Err(format!(
            "requests for {host} reach the broker without passing the router: no EnvoyFilter is attached there"
        ));
    };
    match (broker, who(answered, details)) {
        (Some(true), _) | (None, Who::Policy) => Ok(()),
        (Some(false), _) => {
            Err("the broker does not believe the router: session keys or clocks of instances differ"
                .to_owned())
        }
        (None, Who::Router(reason)) => Err(format!("the router refuses requests for {host} ({reason})")),
        (None, Who::Server) => {
            Err(format!("another server than the broker answers under {host} (HTTP {status})"))
        }
        (None, Who::Envoy(why)) => {
            Err(format!("Envoy answers HTTP {status} under {host} ({why}) instead of the broker"))
        }
    }
}

/// Whether what the router turns to the server at `hostname` arrives there; otherwise why not.
pub(super) fn routed(asked: &Asked, hostname: &str) -> Result<(), String> {
    let answered = asked.as_ref().map_err(unanswered)?;
    let status = answered.status;
    let details = answered.proof.as_ref().and_then(|proof| proof.details.as_deref());
    let Some(details) = details else {
        return Err(format!("the request has not passed the router (HTTP {status})"));
    };
    match who(answered, details) {
        Who::Server | Who::Policy => Ok(()),
        Who::Router(reason) => Err(format!("the router refuses the request ({reason})")),
        Who::Envoy(why) => Err(match why {
            Proof::UNSEEN | "route_not_found" if status == 404 => format!(
                "the listener has no route for {hostname}: its HTTPRoute must name it and be accepted by the listener that clients use"
            ),
            "cluster_not_found" => format!(
                "Envoy does not know the backend of {hostname}: is there a Service or ServiceEntry of that name and port, visible to the Gateway?"
            ),
            "no_healthy_upstream" => format!("the backend of {hostname} has no endpoint that is up"),
            "direct_response" => {
                format!("the route of {hostname} answers HTTP {status} itself, without the server")
            }
            why => format!("Envoy answers HTTP {status} for {hostname} itself: {why}"),
        }),
    }
}

/// Whether what names a server's host without coming by the router's decision is refused; `None`: no answer.
pub(super) fn guarded(asked: &Asked) -> Option<bool> {
    let answered = asked.as_ref().ok()?;
    let details = answered.proof.as_ref().and_then(|proof| proof.details.as_deref());
    let reason = details.and_then(|details| details.strip_prefix(Proof::REFUSED));
    Some(answered.guard || reason == Some(Rejection::NotThisHost.reason()))
}

fn unanswered(error: &OpenError) -> String {
    match error {
        OpenError::Unreachable(why) => format!("no answer from the Gateway: {why}"),
        OpenError::Refused { .. } => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unnecessary_wraps, reason = "what is asked may be unanswered")]

    use super::*;

    fn answered(status: u16, details: Option<&str>, broker: Option<bool>) -> Asked {
        let proof = Some(Proof { details: details.map(str::to_owned), broker });
        Ok(Answered { status, proof, timed: false, guard: false })
    }

    fn foreign(status: u16) -> Asked {
        Ok(Answered { status, proof: None, timed: true, guard: false })
    }

    fn unreachable() -> Asked {
        Err(OpenError::Unreachable("no connection to Envoy: refused".to_owned()))
    }

    #[test]
    fn only_the_brokers_word_by_the_router_or_a_policy_behind_it_is_attached() {
        for (asked, said) in [
            (answered(200, Some("via_upstream"), Some(true)), ""),
            (answered(200, Some("unknown"), Some(true)), ""),
            (answered(401, Some("jwt_authn_access_denied{Jwt_is_missing}"), None), ""),
            (answered(403, Some("rbac_access_denied_matched_policy[none]"), None), ""),
            (foreign(200), "neither router nor broker"),
            (foreign(404), "no route"),
            (foreign(500), "Envoy does not get an answer"),
            (foreign(401), "or a policy"),
            (answered(403, None, Some(false)), "without passing the router"),
            (answered(403, Some("via_upstream"), Some(false)), "clocks"),
            (answered(200, Some("via_upstream"), None), "another server than the broker"),
            (answered(401, Some("via_upstream"), None), "another server than the broker"),
            (answered(404, Some("route_not_found"), None), "route_not_found"),
            (answered(403, Some("direct_response"), None), "direct_response"),
            (answered(503, Some("mcp_gateway_not_ready"), None), "not_ready"),
            (unreachable(), "no connection to Envoy"),
        ] {
            let verdict = attached(&asked, "mcp.example.com");
            match said {
                "" => assert_eq!(verdict, Ok(()), "{asked:?}"),
                said => {
                    assert!(verdict.as_ref().is_err_and(|why| why.contains(said)), "{asked:?} {verdict:?}");
                }
            }
        }
    }

    #[test]
    fn a_servers_answer_is_told_from_envoys_own() {
        for (asked, said) in [
            (answered(200, Some("via_upstream"), None), ""),
            (answered(401, Some("via_upstream"), None), ""),
            (answered(404, Some("via_upstream"), None), ""),
            (answered(503, Some("via_upstream"), None), ""),
            (answered(403, Some("ext_authz_denied"), None), ""),
            (answered(400, Some("unknown"), None), ""),
            (answered(404, Some("unknown"), None), "unknown"),
            (answered(503, Some("unknown"), None), "unknown"),
            (answered(404, Some("route_not_found"), None), "has no route for a.local"),
            (answered(503, Some("cluster_not_found"), None), "backend of a.local"),
            (answered(503, Some("no_healthy_upstream"), None), "no endpoint"),
            (answered(503, Some("upstream_reset_before_response_started{remote}"), None), "upstream_reset"),
            (answered(403, Some("direct_response"), None), "HTTP 403 itself"),
            (answered(403, Some("mcp_gateway_hairpin_refused"), None), "the router refuses"),
            (answered(403, None, Some(false)), "not passed the router"),
            (foreign(200), "not passed the router"),
            (unreachable(), "no connection to Envoy"),
        ] {
            let verdict = routed(&asked, "a.local");
            match said {
                "" => assert_eq!(verdict, Ok(()), "{asked:?}"),
                said => {
                    assert!(verdict.as_ref().is_err_and(|why| why.contains(said)), "{asked:?} {verdict:?}");
                }
            }
        }
        let timed = Answered { timed: true, ..answered(404, Some("unknown"), None).unwrap() };
        assert_eq!(routed(&Ok(timed), "a.local"), Ok(()));
    }

    #[test]
    fn an_answer_that_the_router_has_not_seen_is_envoys_own() {
        let refused = answered(403, Some("mcp_gateway_hairpin_refused"), None);
        assert!(is_unproven(&foreign(404)) && !is_unproven(&refused) && !is_unproven(&unreachable()));
        for (status, is_routed) in [(404, false), (503, false), (200, false), (401, true), (403, true)] {
            let seen = unseen(foreign(status), &refused);
            assert_eq!(routed(&seen, "a.local").is_ok(), is_routed, "{status}");
            assert_eq!(attached(&seen, "mcp.example.com").is_ok(), is_routed, "{status}");
        }
        for router in [foreign(403), answered(403, None, Some(false)), unreachable()] {
            assert_eq!(unseen(foreign(401), &router), foreign(401), "there is no router");
        }
    }

    #[test]
    fn only_the_refusal_of_the_router_or_of_the_guarded_route_is_a_guard() {
        for (asked, expected) in [
            (Ok(Answered { guard: true, ..foreign(403).unwrap() }), Some(true)),
            (answered(403, Some("mcp_gateway_not_this_host"), None), Some(true)),
            (answered(503, Some("mcp_gateway_not_ready"), None), Some(false)),
            (answered(403, Some("direct_response"), None), Some(false)),
            (foreign(403), Some(false)),
            (foreign(404), Some(false)),
            (unreachable(), None),
        ] {
            assert_eq!(guarded(&asked), expected, "{asked:?}");
        }
    }

    #[test]
    fn a_verdict_fits_a_report() {
        let long = "x".repeat(63).repeat(3);
        for asked in
            [answered(404, Some("route_not_found"), None), answered(503, Some("cluster_not_found"), None)]
        {
            assert!(routed(&asked, &long).unwrap_err().len() < 400);
        }
    }
}
