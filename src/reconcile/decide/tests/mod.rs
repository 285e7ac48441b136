//! The decisions, told as stories and proven in a small world.

mod arbitrary;
mod around;
mod builder;
mod consent;
mod create;
mod delete;
mod drift;
mod failed;
mod gate;
mod hold;
mod import;
mod job;
mod late;
mod observations;
mod observe;
mod proof;
mod properties;
mod proposal;
mod rivals;
mod secrets;
mod site;
mod tampering;
mod tell;
mod unknown;
mod update;
mod world;
