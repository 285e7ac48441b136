//! dws-operator: external data sources of Huawei Cloud GaussDB(DWS) as Kubernetes objects.
//!
//! ```text
//!            Kubernetes                                      Huawei Cloud
//!                │ objects                                        │ lists, jobs
//!   watch ───────┘        ┌───────────────────────────────────────┘
//!     │                   │
//!     └──► observe ───────┴──► decide ──► act ──► one write, to the cloud or to metadata
//!             ▲               (pure)  └─► report ──► one status patch, events
//!             └────────────────────────────┘ until the plan is to wait
//! ```
//!
//! [`api`] holds the objects, [`cloud`] the HTTP APIs, [`reconcile`] the flow above, [`runtime`] what any operator needs,
//! [`check`] the command that says what is wrong with an install.

pub mod api;
pub mod check;
pub mod cloud;
pub mod reconcile;
pub mod runtime;
