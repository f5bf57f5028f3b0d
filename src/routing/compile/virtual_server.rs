//! What a virtual server shows of everything.

use std::{collections::HashSet, sync::Arc};

use crate::routing::{Item, ObjectName, Primitive, View, VirtualServerSpec, view::Unlisted};

/// The part of `all` that `named` asks for; names that nobody offers are left out.
///
/// Prompts and resources that are not named one by one are those of the servers whose tools it has.
pub(super) fn view(named: &VirtualServerSpec, all: &View) -> View {
    let by_name = |primitive, wanted: &[String]| -> Vec<Arc<Item>> {
        let mut seen = HashSet::new();
        let wanted = wanted.iter().filter(|name| seen.insert(*name));
        wanted.filter_map(|name| all.listing(primitive).item(name)).map(Arc::clone).collect()
    };
    let tools = by_name(Primitive::Tool, &named.tools);
    let with_tools: HashSet<&ObjectName> = tools.iter().map(|tool| &tool.server.name).collect();
    let of_those = |items: &mut dyn Iterator<Item = &Arc<Item>>| -> Vec<Arc<Item>> {
        items.filter(|item| with_tools.contains(&item.server.name)).map(Arc::clone).collect()
    };
    let listed = |primitive| of_those(&mut all.listing(primitive).items().iter());
    let (resources, templates) = match &named.resources {
        None => (listed(Primitive::Resource), of_those(&mut all.templates())),
        Some(wanted) => {
            let wanted: HashSet<&str> = wanted.iter().map(String::as_str).collect();
            let is_wanted = |item: &&Arc<Item>| wanted.contains(&*item.exposed);
            let resources = all.resources.items().iter().filter(is_wanted).map(Arc::clone);
            (resources.collect(), all.templates().filter(is_wanted).map(Arc::clone).collect())
        }
    };
    let prompts = match &named.prompts {
        None => listed(Primitive::Prompt),
        Some(wanted) => by_name(Primitive::Prompt, wanted),
    };
    let items = [&tools, &prompts, &resources, &templates];
    let present: HashSet<&ObjectName> = items.into_iter().flatten().map(|item| &item.server.name).collect();
    let servers = all.servers.iter().filter(|server| present.contains(&server.name)).map(|server| {
        let reads_all = named.resources.is_none() && with_tools.contains(&server.name);
        (Arc::clone(server), if reads_all { Unlisted::Readable } else { Unlisted::Closed })
    });
    let of = |primitive| match primitive {
        Primitive::Tool => tools.clone(),
        Primitive::Prompt => prompts.clone(),
        Primitive::Resource => resources.clone(),
        Primitive::ResourceTemplate => templates.clone(),
    };
    View::new(of, servers)
}
