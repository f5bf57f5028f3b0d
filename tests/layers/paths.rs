//! Every path that a source file names: imports, types, expressions, attributes and the tokens of macros.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// The paths in `tree`, as segments: our own begin with `crate` (`super` and `self` are resolved from `module`),
/// other crates' with their name; a glob import ends in `*`.
pub(crate) fn named_in(tree: &syn::File, module: &[String]) -> Vec<Vec<String>> {
    let mut paths = Paths { module: module.to_vec(), found: Vec::new() };
    paths.visit_file(tree);
    paths.found
}

struct Paths {
    module: Vec<String>,
    found: Vec<Vec<String>>,
}

impl Paths {
    fn add(&mut self, path: Vec<String>) {
        self.found.push(self.absolute(path));
    }

    fn absolute(&self, path: Vec<String>) -> Vec<String> {
        let mut at = self.module.clone();
        let mut rest = path.as_slice();
        match rest.split_first() {
            Some((first, after)) if first == "self" => rest = after,
            Some((first, _)) if first == "super" => {}
            _ => return path,
        }
        while let Some(after) =
            rest.split_first().filter(|(first, _)| *first == "super").map(|(_, after)| after)
        {
            at.pop();
            rest = after;
        }
        ["crate".to_owned()].into_iter().chain(at).chain(rest.iter().cloned()).collect()
    }

    fn add_tree(&mut self, tree: &syn::UseTree, mut above: Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                above.push(path.ident.to_string());
                self.add_tree(&path.tree, above);
            }
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.add_tree(item, above.clone());
                }
            }
            syn::UseTree::Glob(_) => {
                above.push("*".to_owned());
                self.add(above);
            }
            syn::UseTree::Name(name) => self.add_name(&name.ident, above),
            syn::UseTree::Rename(rename) => self.add_name(&rename.ident, above),
        }
    }

    fn add_name(&mut self, name: &syn::Ident, mut above: Vec<String>) {
        if above.is_empty() || name != "self" {
            above.push(name.to_string());
        }
        self.add(above);
    }

    /// Macros are not parsed: whatever looks like `a::b::c` in their tokens counts as a path.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.add_if_path(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.add_if_path(std::mem::take(&mut path));
                    self.add_tokens(group.stream());
                    colons = 0;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.add_if_path(std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.add_if_path(path);
    }

    /// A single name in a macro is a variable, not a crate.
    fn add_if_path(&mut self, path: Vec<String>) {
        if path.len() > 1 {
            self.add(path);
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&item.tree, Vec::new());
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.add(vec![item.ident.to_string()]);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add_if_path(names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.add_tokens(list.tokens.clone());
        visit::visit_meta_list(self, list);
    }
}
