//! A real control plane, recording proxies and oracles: the rig on which the stories of dws-operator run.
//!
//! ```text
//!   ControlPlane          etcd + kube-apiserver, CRDs and ClusterRoles installed, an audit log
//!     └ TestNamespace     one a story: ServiceAccount, rights, token
//!         ├ Proxy         between the operator and both of its APIs: records, cuts, delays, answers, holds
//!         ├ Operator      the real binary: start, kill, terminate, pause, restart
//!         ├ Kubectl       what a user sees
//!         └ StatusRecorder, AuditLog, etcd_dump   what really happened; kstatus and Flux's rules judge it
//! ```
//!
//! A story about the end of namespaces starts a `NamespaceController` besides.
//!
//! Everything listens on loopback only, on free ports, and ends with the process that asked for it. A story's functions panic
//! where it cannot go on, and say why.

mod audit;
mod background;
mod check;
mod cleanup;
mod conditions;
mod control_plane;
mod etcd;
mod flux;
mod history;
mod kstatus;
mod kubeconfig;
mod kubectl;
mod lists;
mod manifests;
mod namespace;
mod namespace_controller;
mod operator;
mod pki;
mod programs;
mod proxy;
mod rbac;
mod recorder;
mod supervisor;
mod unread;
pub mod wait;

pub use audit::{AuditLog, Request, count};
pub use check::{Checked, check};
pub use control_plane::{AUDIT_LOG_VARIABLE, ControlPlane, ETCD_VARIABLE, KUBECONFIG_VARIABLE};
pub use etcd::{Entry, etcd_dump, etcd_put};
pub use flux::flux_violations;
pub use history::{History, Version};
pub use kstatus::{Kstatus, kstatus};
pub use kubeconfig::client_config;
pub use kubectl::Kubectl;
pub use namespace::{PlainNamespace, TestNamespace};
pub use namespace_controller::NamespaceController;
pub use operator::{Operator, OperatorBuilder};
pub use programs::kubernetes as kubernetes_program;
pub use proxy::{Action, Api, Call, Fate, Hit, Proxy, Rule, Stage};
pub use rbac::Scope;
pub use recorder::StatusRecorder;
pub use supervisor::serve as supervise;
