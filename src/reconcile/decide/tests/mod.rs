//! The decisions, told as stories and proven in a small world.

mod arbitrary;
mod builder;
mod create;
mod delete;
mod drift;
mod failed;
mod gate;
mod import;
mod job;
mod late;
mod observations;
mod observe;
mod proof;
mod properties;
mod rivals;
mod secrets;
mod tampering;
mod tell;
mod unknown;
mod world;
