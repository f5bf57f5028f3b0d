//! A thousand registrations: a change of one writes only what is about it.

use serde_json::json;

use super::world::World;
use crate::controller::object::Kind;

const MANY: usize = 1_000;

fn many() -> World {
    let mut world = World::guide();
    for at in 0..MANY {
        world.server(&format!("team-{}/server-{at}", at % 50), &format!("s{at}_"));
    }
    world.settle_well();
    world
}

#[test]
#[allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "told, not judged: `-- --nocapture scale`"
)]
fn of_a_thousand_registrations_one_change_writes_one_secret_and_one_status() {
    let mut world = many();
    assert_eq!(world.servers().len(), MANY + 1);
    assert_eq!(world.registration("team-7/server-7", "Ready"), "True Ready: 3 tools");
    world.set(Kind::Registration, "team-7/server-7", "/spec/path", json!("/v2/mcp"));
    let config = "apply OwnSecret mcp-system/mcp-gateway-config";
    let status = "status Registration team-7/server-7";
    assert_eq!(world.settle(), [config, status]);
    world.report("pod-1", |_| {});
    assert_eq!(world.settle(), [status]);
    world.set(Kind::Registration, "team-7/server-7", "/spec/state", json!("Disabled"));
    assert_eq!(world.settle(), [config, status]);
    world.delete(Kind::Registration, "team-7/server-7");
    // so many are too many for the filter to name each
    assert_eq!(world.settle(), [config]);
}
