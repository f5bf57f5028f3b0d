//! Finds out through the Gateway whether what is configured works there: one probe of the public host, two a server.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    GatewayReport, Report, fingerprint,
    plan::{GATEWAY, Plan, Probe, Standing, Subject},
    verdict,
};
use crate::{
    exchange::HairpinRight,
    routing::Spec,
    sessions::{Hairpin, Question},
};

/// Probes at once.
const AT_ONCE: usize = 16;

/// From a change to the first probe of it: the router and Envoy take it in meanwhile.
const SETTLE: Duration = Duration::from_millis(100);

/// What probes have found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    gateway: GatewayReport,
    servers: BTreeMap<Subject, Finding>,
}

/// What is known of one server's route.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    fingerprint: String,
    routed: Result<(), String>,
    guarded: Option<bool>,
}

impl Findings {
    /// Adds what is known of what `report` speaks of.
    pub fn add_to(&self, report: &mut Report) {
        report.gateway = self.gateway.clone();
        for (name, server) in &mut report.servers {
            let found = self.servers.get(name).filter(|found| found.fingerprint == server.fingerprint);
            if let Some(Finding { routed, guarded, .. }) = found {
                (server.routed, server.route_error) = (Some(routed.is_ok()), routed.clone().err());
                server.guarded = *guarded;
            }
        }
    }
}

/// Probes what the newest of `specs` configures, until `stop`.
pub async fn probe(
    hairpin: Arc<Hairpin>,
    mut specs: watch::Receiver<Arc<Spec>>,
    findings: watch::Sender<Findings>,
    stop: CancellationToken,
) {
    let (mut plan, mut running) = (Plan::default(), FuturesUnordered::new());
    let mut spec = Arc::clone(&specs.borrow_and_update());
    adopt(&mut plan, &spec, &findings);
    loop {
        while running.len() < AT_ONCE
            && let Some(probe) = plan.start(Instant::now())
        {
            running.push(answer(Arc::clone(&hairpin), Arc::clone(&spec), probe));
        }
        let due = plan.next().filter(|_| running.len() < AT_ONCE);
        tokio::select! {
            () = stop.cancelled() => return,
            changed = specs.changed() => {
                if changed.is_err() {
                    return; // the process ends
                }
                spec = Arc::clone(&specs.borrow_and_update());
                adopt(&mut plan, &spec, &findings);
            }
            Some((probe, found)) = running.next() => take(&mut plan, &probe, found, &findings),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
    }
}

/// What one probe has found.
enum Found {
    Gateway(Result<(), String>),
    Server(Finding),
    /// It is not configured any more.
    Nothing,
}

async fn answer(hairpin: Arc<Hairpin>, spec: Arc<Spec>, probe: Probe) -> (Probe, Found) {
    let found = if probe.subject == GATEWAY {
        let asked = ask(&hairpin, Question::Public).await;
        Found::Gateway(verdict::attached(&asked, &public_host(&spec)))
    } else {
        match spec.servers.iter().find(|server| server.name.as_str() == probe.subject) {
            None => Found::Nothing,
            Some(server) => {
                let hostname = server.hostname.as_str();
                let right = HairpinRight { server: server.name.as_str().into(), hostname: hostname.into() };
                let routed = verdict::routed(&ask(&hairpin, Question::Server(&right)).await, hostname);
                let guarded = verdict::guarded(&hairpin.ask(Question::Guard(hostname)).await);
                Found::Server(Finding { fingerprint: fingerprint(server), routed, guarded })
            }
        }
    };
    (probe, found)
}

async fn ask(hairpin: &Hairpin, question: Question<'_>) -> verdict::Asked {
    let asked = hairpin.ask(question).await;
    if verdict::is_unproven(&asked) {
        return verdict::unseen(asked, &hairpin.ask(Question::Router).await);
    }
    asked
}

/// Makes the subjects of `plan` those of `spec`, and forgets what was found of others.
fn adopt(plan: &mut Plan, spec: &Spec, findings: &watch::Sender<Findings>) {
    let aim = format!("{} {}", public_host(spec), spec.private_host.as_deref().unwrap_or_default());
    let mut subjects = Vec::new();
    if !spec.public_hosts.is_empty() {
        subjects.push((GATEWAY.to_owned(), aim.clone()));
        let enabled = spec.servers.iter().filter(|server| server.enabled);
        subjects.extend(
            enabled.map(|server| (server.name.to_string(), format!("{} {aim}", fingerprint(server)))),
        );
    }
    let outdated = plan.adopt(subjects, Instant::now() + SETTLE);
    findings.send_if_modified(|findings| {
        let before = findings.clone();
        if outdated.iter().any(|subject| subject == GATEWAY) {
            findings.gateway = GatewayReport::default();
        }
        findings.servers.retain(|name, _| !outdated.contains(name));
        *findings != before
    });
}

fn take(plan: &mut Plan, probe: &Probe, found: Found, findings: &watch::Sender<Findings>) {
    let is_good = match &found {
        Found::Gateway(attached) => attached.is_ok(),
        Found::Server(finding) => finding.routed.is_ok() && finding.guarded == Some(true),
        Found::Nothing => return,
    };
    match plan.done(probe, is_good, Instant::now(), fastrand::f64()) {
        // a failure that was not seen before is not told before it is seen again
        Standing::Outdated | Standing::Doubtful => return,
        Standing::Good | Standing::Bad => {}
    }
    let is_gateway = matches!(found, Found::Gateway(_));
    let is_news = findings.send_if_modified(|findings| match found {
        Found::Gateway(attached) => {
            let report = GatewayReport { attached: Some(attached.is_ok()), error: attached.err() };
            std::mem::replace(&mut findings.gateway, report.clone()) != report
        }
        Found::Server(finding) => {
            findings.servers.insert(probe.subject.clone(), finding.clone()).as_ref() != Some(&finding)
        }
        Found::Nothing => false,
    });
    if is_gateway && is_news {
        plan.hurry(Instant::now());
    }
}

fn public_host(spec: &Spec) -> String {
    spec.public_hosts.first().map(ToString::to_string).unwrap_or_default()
}
