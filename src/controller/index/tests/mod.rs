//! The index as its users see it: objects in, conditions and writes out.

mod attachments;
mod backends;
mod claims;
mod extensions;
mod guide;
mod hosts;
mod listeners;
mod owned;
mod references;
mod reports;
mod scale;
mod secrets;
mod virtual_servers;
mod world;
