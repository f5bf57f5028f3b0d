//! What must be found: each scenario by name, with the number of checks that succeed in it.

use serde_json::Value;

use crate::suite::{Check, Scenario, Status};

/// A mark of the suite means that no check failed, and none of none has failed; so the checks are counted.
const SCORED: [(&str, usize); 30] = [
    ("server-initialize", 3),
    ("logging-set-level", 2),
    ("ping", 2),
    ("completion-complete", 2),
    ("tools-list", 3),
    ("tools-call-simple-text", 2),
    ("tools-call-image", 2),
    ("tools-call-audio", 2),
    ("tools-call-embedded-resource", 2),
    ("tools-call-mixed-content", 2),
    ("tools-call-with-logging", 2),
    ("tools-call-error", 2),
    ("tools-call-with-progress", 2),
    ("tools-call-sampling", 2),
    ("tools-call-elicitation", 2),
    ("elicitation-sep1034-defaults", 6),
    ("server-sse-multiple-streams", 2),
    ("elicitation-sep1330-enums", 6),
    ("resources-list", 2),
    ("resources-read-text", 2),
    ("resources-read-binary", 2),
    ("resources-templates-read", 2),
    ("resources-subscribe", 2),
    ("resources-unsubscribe", 2),
    ("prompts-list", 2),
    ("prompts-get-simple", 2),
    ("prompts-get-with-args", 2),
    ("prompts-get-embedded-resource", 2),
    ("prompts-get-with-image", 2),
    ("dns-rebinding-protection", 2),
];

/// What runs without a score, and why the suite gives none.
const UNSCORED: [(&str, &str, usize); 3] = [
    ("server-session-lifecycle", "added-after-release", 3),
    ("json-schema-2020-12", "pending", 8),
    ("server-sse-polling", "pending", 3),
];

/// How the runs against one server may differ from the tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// Scenarios without a score that fail directly too, and why.
    failing: &'static [(&'static str, &'static str)],
    /// Scenarios in which fewer checks are made, with how many.
    fewer: &'static [(&'static str, usize)],
}

pub(crate) const OURS: Known = Known { failing: &[], fewer: &[] };

pub(crate) const THE_GO_SDKS: Known = Known {
    failing: &[(
        "server-sse-polling",
        "it keeps no events, so nothing can be resumed, and no priming event is sent",
    )],
    fewer: &[],
};

impl Known {
    /// The same server behind the gateway, which answers lists as JSON: the suite asks for three at once to see three
    /// event streams, and has nothing to look at. `streams_at_once_do_not_mix` looks at calls.
    pub(crate) const fn behind_the_gateway(self) -> Self {
        Self { fewer: &[("server-sse-multiple-streams", 1)], ..self }
    }

    fn checks(self, name: &str, checks: usize) -> usize {
        self.fewer.iter().find(|(fewer, _)| *fewer == name).map_or(checks, |(_, checks)| *checks)
    }
}

/// How `found` differs from what must be found.
pub(crate) fn complaints(found: &[Scenario], known: &Known) -> Vec<String> {
    let scored = SCORED.iter().map(|&(name, checks)| (name, None, checks));
    let unscored = UNSCORED.iter().map(|&(name, reason, checks)| (name, Some(reason), checks));
    let wanted: Vec<_> = scored.chain(unscored).collect();
    let new = found.iter().filter(|scenario| wanted.iter().all(|(name, ..)| *name != scenario.name));
    let mut complaints: Vec<_> = new.map(|scenario| format!("{}: not known here", scenario.name)).collect();
    for (name, reason, checks) in wanted {
        let failing = known.failing.iter().find(|(failing, _)| *failing == name).map(|(_, why)| *why);
        let runs: Vec<_> = found.iter().filter(|scenario| scenario.name == name).collect();
        let said = match runs.as_slice() {
            [scenario] if scenario.unscored.as_deref() != reason => {
                Some(format!("its score is withheld for {:?}, not {reason:?}", scenario.unscored))
            }
            [scenario] => differs(scenario, known.checks(name, checks), failing.filter(|_| reason.is_some())),
            others => Some(format!("ran {} times", others.len())),
        };
        complaints.extend(said.map(|said| format!("{name}: {said}")));
    }
    complaints
}

fn differs(scenario: &Scenario, checks: usize, failing: Option<&str>) -> Option<String> {
    let wrong: Vec<_> = scenario.checks.iter().filter(|check| is_wrong(check)).map(told).collect();
    let right = scenario.checks.iter().filter(|check| check.status == Status::Success).count();
    match failing {
        Some(why) if wrong.is_empty() => Some(format!("passes, though it was known to fail: {why}")),
        None if !wrong.is_empty() => Some(wrong.join("; ")),
        None if right != checks => Some(format!("{right} checks succeed, not {checks}")),
        Some(_) | None => None,
    }
}

fn told(check: &Check) -> String {
    let Check { id, status, error, .. } = check;
    format!("{id} is {status:?}: {}", error.as_deref().unwrap_or("no reason given"))
}

/// A warning and a check that was left out count, too: nothing of ours gives the suite a reason.
fn is_wrong(check: &Check) -> bool {
    match check.status {
        Status::Failure | Status::Warning | Status::Skipped => true,
        Status::Success | Status::Info => false,
    }
}

mod proofs {
    //! The verdict must notice what it is for.

    use super::{Check, Known, OURS, SCORED, Scenario, Status, UNSCORED, Value, complaints};

    const WHY: Known =
        Known { failing: &[("server-sse-polling", "the stream cannot be resumed")], fewer: &[] };

    #[test]
    fn what_is_as_it_must_be_passes() {
        assert_eq!(complaints(&perfect(), &OURS), Vec::<String>::new());
    }

    #[test]
    fn a_scenario_that_fails_warns_or_skips_is_noticed() {
        for status in [Status::Failure, Status::Warning, Status::Skipped] {
            let mut found = perfect();
            found[0].checks[0].status = status;
            noticed(&found, &OURS, "server-initialize: ");
        }
    }

    #[test]
    fn a_scenario_with_fewer_checks_or_none_is_noticed() {
        let mut found = perfect();
        found[2].checks.clear();
        noticed(&found, &OURS, "ping: 0 checks succeed, not 2");
    }

    #[test]
    fn a_scenario_that_is_gone_or_new_is_noticed() {
        let mut found = perfect();
        found[2].name = "pong".to_owned();
        noticed(&found, &OURS, "ping: ran 0 times");
        noticed(&found, &OURS, "pong: not known here");
    }

    #[test]
    fn a_score_that_is_withheld_or_given_is_noticed() {
        let mut found = perfect();
        found[2].unscored = Some("pending".to_owned());
        found[32].unscored = None;
        noticed(&found, &OURS, "ping: its score is withheld");
        noticed(&found, &OURS, "server-sse-polling: its score is withheld");
    }

    #[test]
    fn a_known_failure_must_fail_and_can_only_be_without_a_score() {
        let mut found = perfect();
        noticed(&found, &WHY, "server-sse-polling: passes, though it was known to fail: the stream");
        found[32].checks[0].status = Status::Failure;
        assert_eq!(complaints(&found, &WHY), Vec::<String>::new());
        found[2].checks[0].status = Status::Failure;
        noticed(&found, &Known { failing: &[("ping", "because")], fewer: &[] }, "ping: ");
    }

    #[test]
    fn behind_the_gateway_one_scenario_makes_fewer_checks_and_no_other_may() {
        let known = OURS.behind_the_gateway();
        let mut found = perfect();
        noticed(&found, &known, "server-sse-multiple-streams: 2 checks succeed, not 1");
        found[16].checks.pop();
        assert_eq!(complaints(&found, &known), Vec::<String>::new());
        found[4].checks.pop();
        noticed(&found, &known, "tools-list: 2 checks succeed, not 3");
    }

    fn noticed(found: &[Scenario], known: &Known, part: &str) {
        let complaints = complaints(found, known);
        assert!(complaints.iter().any(|complaint| complaint.starts_with(part)), "{part}: {complaints:?}");
    }

    fn perfect() -> Vec<Scenario> {
        let scored = SCORED.iter().map(|&(name, checks)| (name, None, checks));
        let unscored = UNSCORED.iter().map(|&(name, reason, checks)| (name, Some(reason.to_owned()), checks));
        let succeeds =
            || Check { id: "check".to_owned(), status: Status::Success, error: None, details: Value::Null };
        scored
            .chain(unscored)
            .map(|(name, unscored, checks)| {
                let checks = std::iter::repeat_with(succeeds).take(checks).collect();
                Scenario { name: name.to_owned(), unscored, checks }
            })
            .collect()
    }
}
