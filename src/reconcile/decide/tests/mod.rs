//! The decisions, told as stories and proven in a small world.

mod arbitrary;
mod builder;
mod create;
mod observations;
mod properties;
mod tell;
mod unknown;
mod world;
