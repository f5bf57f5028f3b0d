//! Names that say nothing, and the one name that opens a secret.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

const VAGUE: &[&str] =
    &["Context", "Data", "Helper", "Helpers", "Info", "Manager", "Managers", "Util", "Utils"];
const OPENS_SECRETS: &[&str] = &["ExposeSecret", "ExposeSecretMut", "expose_secret", "expose_secret_mut"];

pub(crate) fn complaints(tree: &syn::File, module: &[String]) -> Vec<String> {
    let in_credentials = module.first().is_some_and(|top| top == "credentials");
    let mut names = Names { in_credentials, found: Vec::new() };
    names.visit_file(tree);
    names.found
}

struct Names {
    in_credentials: bool,
    found: Vec<String>,
}

impl Names {
    fn type_name(&mut self, ident: &syn::Ident) {
        let name = ident.to_string();
        if let Some(word) = words(&name).into_iter().find(|word| VAGUE.contains(word)) {
            self.found.push(format!("type `{name}`: `{word}` says nothing; use the field's own term"));
        }
    }

    fn function_name(&mut self, signature: &syn::Signature) {
        let name = signature.ident.to_string();
        if name.starts_with("get_") {
            self.found.push(format!("function `{name}`: leave out `get_`"));
        }
    }

    fn ident(&mut self, ident: &proc_macro2::Ident) {
        if !self.in_credentials && OPENS_SECRETS.iter().any(|name| ident == name) {
            self.found.push(format!("`{ident}`: secrets are opened in `credentials` alone"));
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => self.ident(&ident),
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_ident(&mut self, ident: &'ast proc_macro2::Ident) {
        self.ident(ident);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.type_name(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.type_name(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.type_name(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.type_name(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function_name(&item.sig);
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        // The names in a trait's implementation are the trait's.
        if item.trait_.is_none() {
            for member in &item.items {
                if let syn::ImplItem::Fn(function) = member {
                    self.function_name(&function.sig);
                }
            }
        }
        visit::visit_item_impl(self, item);
    }
}

/// The words of a name in camel case.
fn words(name: &str) -> Vec<&str> {
    let starts: Vec<_> =
        name.char_indices().filter(|(_, letter)| letter.is_uppercase()).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([name.len()]);
    starts.iter().copied().zip(ends).filter_map(|(start, end)| name.get(start..end)).collect()
}
