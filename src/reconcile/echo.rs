//! Keeps a data source's password out of what the cloud says about it later.
//!
//! The answer to the create request itself is redacted by the cloud client, which has the password at hand. A job's `failed_detail` and a
//! list's `fail_reason` come when that request is long over, perhaps to another process. Takes such texts, returns them without the
//! password, or withholds them. It may read the Secret, and never passes the password on.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use secrecy::{ExposeSecret, SecretString};

use super::context::Context;
use super::observe::Pass;
use super::plan::{SecretVersion, View};
use crate::cloud::{Item, Job, credentials, without_secrets};

impl Pass {
    /// Takes the password out of a job's code and detail.
    pub(super) async fn cut_password_from_job(&self, ctx: &Context, job: &mut Job) {
        self.cut_password(ctx, &mut job.failed_detail).await;
        // A code is a word that tells the reader most; only what is none may be withheld.
        if job.failed_code.as_ref().is_some_and(|code| !is_code(code)) {
            self.cut_password(ctx, &mut job.failed_code).await;
        }
    }

    /// Takes the password out of what a list says about the object's data source.
    pub(super) async fn cut_password_from_view(&self, ctx: &Context, view: &mut View) {
        let items: Vec<&mut Item> = match view {
            View::Absent => Vec::new(),
            View::Ours { item, surplus } => std::iter::once(item).chain(surplus).collect(),
            View::Foreign { item } | View::Leaving { item, .. } => vec![item],
        };
        for item in items {
            self.cut_password(ctx, &mut item.fail_reason).await;
        }
    }

    async fn cut_password(&self, ctx: &Context, said: &mut Option<String>) {
        let (Some(user_pwd), Some(text)) = (&self.observation.object.spec.user_pwd, said) else {
            return;
        };
        if text.is_empty() {
            return;
        }
        let name = &user_pwd.secret_key_ref.name;
        let current = self.current_password(ctx, name, &user_pwd.secret_key_ref.key).await;
        let recorded = self.observation.object.status.secret.as_ref();
        let is_known =
            self.sent_password.is_some() || current.as_ref().is_some_and(|(version, _)| Some(version) == recorded);
        let current = current.map(|(_, password)| password);
        *text = if is_known {
            let known = self.sent_password.iter().chain(&current);
            without_secrets(text, known.map(ExposeSecret::expose_secret))
        } else {
            format!(
                "The cloud's words are withheld: they may repeat the password, and Secret {name} is not as it was when the password was sent. See the console."
            )
        };
    }

    async fn current_password(&self, ctx: &Context, name: &str, key: &str) -> Option<(SecretVersion, SecretString)> {
        let secrets = ctx.kubernetes.within::<Secret>(&self.member.namespace);
        let secret = ctx.kubernetes.call(secrets.get_opt(name)).await.ok()??;
        let version = SecretVersion {
            uid: secret.uid()?,
            resource_version: secret.resource_version()?,
        };
        let password = credentials::value(&secret.data?, key).ok()?;
        Some((version, password))
    }
}

/// Whether it looks like a code of the cloud, such as `CreateExtDataSourceTask-fail:DWS.0114`.
fn is_code(text: &str) -> bool {
    text.rsplit_once(':')
        .map_or(text, |(_, code)| code)
        .split_once('.')
        .is_some_and(|(product, number)| {
            product.chars().all(|c| c.is_ascii_uppercase()) && number.chars().all(|c| c.is_ascii_digit())
        })
}
