//! An API server as a user of `kubectl` sees it: requests by path, answers with status, warnings and body.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dws_testbed::{ControlPlane, PlainNamespace};
use http::{Method, Request, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const GROUP_VERSION: &str = "apis/dws.huaweicloud.com/v1alpha1";
/// The content type of server-side apply.
const APPLY: &str = "application/apply-patch+yaml";
const MANAGER: &str = "fieldManager=api-stories";

/// What the API server said.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub warnings: Vec<String>,
    pub body: Value,
}

impl Answer {
    /// The body of an answer that took the request without a warning.
    #[track_caller]
    pub fn accepted(self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.body["message"]);
        assert_eq!(self.warnings, Vec::<String>::new());
        self.body
    }

    /// The message of an answer that refused the request.
    #[track_caller]
    pub fn refused(self) -> String {
        assert!(!self.status.is_success(), "accepted: {}", self.body);
        self.body["message"]
            .as_str()
            .expect("a Status has a message")
            .to_owned()
    }
}

/// The API server, with the CRDs installed, and a namespace for one story.
pub struct Server {
    client: kube::Client,
    namespace: PlainNamespace<'static>,
}

/// A folder of the repository.
pub fn repository(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// The YAML documents of all files in a folder of the repository.
pub fn documents(folder: &str) -> Vec<Value> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(repository(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| serde_saphyr::from_multiple::<Value>(&std::fs::read_to_string(file).unwrap()).unwrap())
        .collect()
}

impl Server {
    /// Connects, installs the CRDs of the repository, waits until they are served and makes a namespace.
    pub async fn connect() -> Self {
        let plane = ControlPlane::shared().await;
        let server = Self {
            client: plane.admin(),
            namespace: PlainNamespace::create(plane, "api").await,
        };
        for crd in documents("crds") {
            server.apply_crd(&crd).await.accepted();
            let plural = crd["spec"]["names"]["plural"].as_str().unwrap();
            server.wait_until_served(&format!("{GROUP_VERSION}/{plural}")).await;
        }
        server
    }

    /// A name that no other story has, for objects without a namespace.
    pub fn unique(&self, name: &str) -> String {
        format!("{}-{name}", self.namespace.name())
    }

    /// Server-side apply of a CRD.
    pub async fn apply_crd(&self, crd: &Value) -> Answer {
        let name = crd["metadata"]["name"].as_str().unwrap();
        let path = format!("apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        self.send_as(APPLY, Method::PATCH, &path, &format!("{MANAGER}&force=true"), crd)
            .await
    }

    async fn wait_until_served(&self, path: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self
            .send(Method::GET, path, "limit=1", &Value::Null)
            .await
            .status
            .is_success()
        {
            assert!(Instant::now() < deadline, "{path} is not served");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The path of an object's collection.
    fn collection(&self, object: &Value) -> String {
        let namespace = self.namespace.name();
        match object["kind"].as_str().unwrap() {
            "Namespace" => "api/v1/namespaces".to_owned(),
            "Deployment" => format!("apis/apps/v1/namespaces/{namespace}/deployments"),
            "Secret" => format!("api/v1/namespaces/{namespace}/secrets"),
            "DwsDataSource" => format!("{GROUP_VERSION}/namespaces/{namespace}/dwsdatasources"),
            "DwsProvider" => format!("{GROUP_VERSION}/namespaces/{namespace}/dwsproviders"),
            "ClusterDwsProvider" => format!("{GROUP_VERSION}/clusterdwsproviders"),
            other => panic!("no story is about the kind {other}"),
        }
    }

    fn path(&self, object: &Value) -> String {
        format!(
            "{}/{}",
            self.collection(object),
            object["metadata"]["name"].as_str().unwrap()
        )
    }

    /// Creates an object; the query may ask for a dry run or for strict validation.
    pub async fn create(&self, object: &Value, query: &str) -> Answer {
        self.send(
            Method::POST,
            &self.collection(object),
            &format!("{MANAGER}&{query}"),
            object,
        )
        .await
    }

    /// What a create of the object would say.
    pub async fn try_create(&self, object: &Value) -> Answer {
        self.create(object, "dryRun=All&fieldValidation=Strict").await
    }

    /// What a server-side apply of the object would say, as `kubectl apply --server-side --dry-run=server` asks.
    pub async fn try_apply(&self, object: &Value) -> Answer {
        let query = format!("{MANAGER}&force=true&dryRun=All&fieldValidation=Strict");
        self.send_as(APPLY, Method::PATCH, &self.path(object), &query, object)
            .await
    }

    /// Merges a patch into an object.
    pub async fn patch(&self, object: &Value, patch: &Value, query: &str) -> Answer {
        self.merge(&self.path(object), patch, query).await
    }

    /// Merges a patch into the status of an object, as the operator does.
    pub async fn patch_status(&self, object: &Value, patch: &Value, query: &str) -> Answer {
        self.merge(&format!("{}/status", self.path(object)), patch, query).await
    }

    async fn merge(&self, path: &str, change: &Value, query: &str) -> Answer {
        let query = format!("{MANAGER}&fieldValidation=Strict&{query}");
        self.send_as("application/merge-patch+json", Method::PATCH, path, &query, change)
            .await
    }

    /// Deletes an object. Only objects without a namespace are in the way of later stories.
    pub async fn delete(&self, object: &Value) -> Answer {
        self.send(Method::DELETE, &self.path(object), "", &json!({})).await
    }

    /// Reads an object.
    pub async fn get(&self, object: &Value) -> Answer {
        self.send(Method::GET, &self.path(object), "", &Value::Null).await
    }

    /// Reads a CRD.
    pub async fn get_crd(&self, crd: &Value) -> Answer {
        let name = crd["metadata"]["name"].as_str().unwrap();
        self.send(
            Method::GET,
            &format!("apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"),
            "",
            &Value::Null,
        )
        .await
    }

    /// Lists the collection of the object's kind.
    pub async fn list(&self, object: &Value, query: &str) -> Answer {
        self.send(Method::GET, &self.collection(object), query, &Value::Null)
            .await
    }

    /// Lists the collection of the object's kind as the table that `kubectl get` prints.
    pub async fn table(&self, object: &Value) -> Answer {
        let request = Request::get(format!("/{}", self.collection(object)))
            .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
            .body(Body::empty());
        self.answer(request.unwrap()).await
    }

    async fn send(&self, method: Method, path: &str, query: &str, body: &Value) -> Answer {
        self.send_as("application/json", method, path, query, body).await
    }

    async fn send_as(&self, content_type: &str, method: Method, path: &str, query: &str, body: &Value) -> Answer {
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string().into_bytes())
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("/{path}?{query}"))
            .header("content-type", content_type)
            .body(body);
        self.answer(request.unwrap()).await
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.client.send(request).await.expect("the API server answers");
        let (parts, body) = response.into_parts();
        let warnings = parts
            .headers
            .get_all("warning")
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        let bytes = body.collect_bytes().await.expect("the answer is complete");
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
        Answer {
            status: parts.status,
            warnings,
            body,
        }
    }
}
