//! What must be found: each scenario by name, with the number of checks that succeed in it.

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

/// How `found` differs from what must be found; `failing` are those without a score that are known to fail, and why.
pub(crate) fn complaints(found: &[Scenario], failing: &[(&str, &str)]) -> Vec<String> {
    let scored = SCORED.iter().map(|&(name, checks)| (name, None, checks));
    let unscored = UNSCORED.iter().map(|&(name, reason, checks)| (name, Some(reason), checks));
    let wanted: Vec<_> = scored.chain(unscored).collect();
    let new = found.iter().filter(|scenario| wanted.iter().all(|(name, ..)| *name != scenario.name));
    let mut complaints: Vec<_> = new.map(|scenario| format!("{}: not known here", scenario.name)).collect();
    for (name, reason, checks) in wanted {
        let known = failing.iter().find(|(failing, _)| *failing == name).map(|(_, why)| *why);
        let runs: Vec<_> = found.iter().filter(|scenario| scenario.name == name).collect();
        let said = match runs.as_slice() {
            [scenario] if scenario.unscored.as_deref() != reason => {
                Some(format!("its score is withheld for {:?}, not {reason:?}", scenario.unscored))
            }
            [scenario] => differs(scenario, checks, known.filter(|_| reason.is_some())),
            others => Some(format!("ran {} times", others.len())),
        };
        complaints.extend(said.map(|said| format!("{name}: {said}")));
    }
    complaints
}

fn differs(scenario: &Scenario, checks: usize, known: Option<&str>) -> Option<String> {
    let wrong: Vec<_> = scenario.checks.iter().filter(|check| is_wrong(check)).map(told).collect();
    let right = scenario.checks.iter().filter(|check| check.status == Status::Success).count();
    match known {
        Some(why) if wrong.is_empty() => Some(format!("passes, though it was known to fail: {why}")),
        None if !wrong.is_empty() => Some(wrong.join("; ")),
        None if right != checks => Some(format!("{right} checks succeed, not {checks}")),
        Some(_) | None => None,
    }
}

fn told(check: &Check) -> String {
    let Check { id, status, error } = check;
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

    use super::{Check, SCORED, Scenario, Status, UNSCORED, complaints};

    const WHY: [(&str, &str); 1] = [("server-sse-polling", "the stream cannot be resumed")];

    #[test]
    fn what_is_as_it_must_be_passes() {
        assert_eq!(complaints(&perfect(), &[]), Vec::<String>::new());
    }

    #[test]
    fn a_scenario_that_fails_warns_or_skips_is_noticed() {
        for status in [Status::Failure, Status::Warning, Status::Skipped] {
            let mut found = perfect();
            found[0].checks[0].status = status;
            noticed(&found, &[], "server-initialize: ");
        }
    }

    #[test]
    fn a_scenario_with_fewer_checks_or_none_is_noticed() {
        let mut found = perfect();
        found[2].checks.clear();
        noticed(&found, &[], "ping: 0 checks succeed, not 2");
    }

    #[test]
    fn a_scenario_that_is_gone_or_new_is_noticed() {
        let mut found = perfect();
        found[2].name = "pong".to_owned();
        noticed(&found, &[], "ping: ran 0 times");
        noticed(&found, &[], "pong: not known here");
    }

    #[test]
    fn a_score_that_is_withheld_or_given_is_noticed() {
        let mut found = perfect();
        found[2].unscored = Some("pending".to_owned());
        found[32].unscored = None;
        noticed(&found, &[], "ping: its score is withheld");
        noticed(&found, &[], "server-sse-polling: its score is withheld");
    }

    #[test]
    fn a_known_failure_must_fail_and_can_only_be_without_a_score() {
        let mut found = perfect();
        noticed(&found, &WHY, "server-sse-polling: passes, though it was known to fail: the stream");
        found[32].checks[0].status = Status::Failure;
        assert_eq!(complaints(&found, &WHY), Vec::<String>::new());
        found[2].checks[0].status = Status::Failure;
        noticed(&found, &[WHY[0], ("ping", "because")], "ping: ");
    }

    fn noticed(found: &[Scenario], failing: &[(&str, &str)], part: &str) {
        let complaints = complaints(found, failing);
        assert!(complaints.iter().any(|complaint| complaint.starts_with(part)), "{part}: {complaints:?}");
    }

    fn perfect() -> Vec<Scenario> {
        let scored = SCORED.iter().map(|&(name, checks)| (name, None, checks));
        let unscored = UNSCORED.iter().map(|&(name, reason, checks)| (name, Some(reason.to_owned()), checks));
        let succeeds = || Check { id: "check".to_owned(), status: Status::Success, error: None };
        scored
            .chain(unscored)
            .map(|(name, unscored, checks)| {
                let checks = std::iter::repeat_with(succeeds).take(checks).collect();
                Scenario { name: name.to_owned(), unscored, checks }
            })
            .collect()
    }
}
