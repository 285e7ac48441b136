//! The bodies of create and update requests, checked by the documented rules.
//!
//! Takes the bytes of a body, returns its fields or the refusal that the cloud would send. Fields that no document names
//! are ignored. Never repeats a value in an error text.

use serde_json::{Map, Value};

use crate::error_body::Refusal;
use crate::source::TYPES;

/// The largest length of a description, in characters.
const MAX_DESCRIPTION: usize = 256;
/// Characters that a description may not contain.
const BANNED_IN_DESCRIPTION: &str = "!<>'=&";
/// The smallest length of a password, in characters.
const MIN_PASSWORD: usize = 8;

/// A valid create request.
#[derive(Clone)]
pub(crate) struct CreateRequest {
    pub(crate) type_: String,
    pub(crate) name: String,
    pub(crate) user_name: String,
    pub(crate) password: Option<String>,
    pub(crate) data_source_id: Option<String>,
    pub(crate) connect_info: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) reboot: bool,
}

/// A valid update request.
#[derive(Clone, Debug)]
pub(crate) struct UpdateRequest {
    pub(crate) agency: Option<String>,
    pub(crate) reboot: bool,
}

impl CreateRequest {
    /// Reads and checks a body. With an empty list of databases, every database exists.
    pub(crate) fn parse(body: &[u8], databases: &[String]) -> Result<Self, Refusal> {
        let fields = object(body)?;
        let type_ = required(&fields, "type")?;
        if !TYPES.contains(&type_.as_str()) {
            return Err(invalid("type"));
        }
        let name = required(&fields, "data_source_name")?;
        if !is_word(&name, 1, 64) {
            return Err(invalid("data_source_name"));
        }
        let user_name = required(&fields, "user_name")?;
        if !is_user_name(&user_name) {
            return Err(if type_ == "OBS" {
                invalid_agency()
            } else {
                invalid_user_name()
            });
        }
        let password = text(&fields, "user_pwd")?;
        if password
            .as_ref()
            .is_some_and(|password| password.chars().count() < MIN_PASSWORD)
        {
            return Err(Refusal::new(400, "DWS.5199", "Invalid password."));
        }
        let connect_info = text(&fields, "connect_info")?;
        let data_source_id = text(&fields, "data_source_id")?;
        match type_.as_str() {
            "MRS" if password.is_none() => return Err(invalid("user_pwd")),
            "MRS" if data_source_id.is_none() => return Err(invalid("data_source_id")),
            "OBS" => match &connect_info {
                None => return Err(invalid("connect_info")),
                Some(database) if !databases.is_empty() && !databases.contains(database) => {
                    return Err(Refusal::new(400, "DWS.5172", "The database does not exist."));
                }
                Some(_) => {}
            },
            _ => {}
        }
        let description = text(&fields, "description")?;
        if description.as_ref().is_some_and(|text| {
            text.chars().count() > MAX_DESCRIPTION || text.chars().any(|c| BANNED_IN_DESCRIPTION.contains(c))
        }) {
            return Err(invalid("description"));
        }
        let reboot = flag(&fields, "reboot")?;
        Ok(Self {
            type_,
            name,
            user_name,
            password,
            data_source_id,
            connect_info,
            description,
            reboot,
        })
    }
}

impl UpdateRequest {
    /// Reads and checks a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let fields = object(body)?;
        let Some(Value::Object(reconfigure)) = fields.get("reconfigure") else {
            return Err(invalid("reconfigure"));
        };
        let agency = text(reconfigure, "agency")?;
        if agency.as_ref().is_some_and(|agency| !is_user_name(agency)) {
            return Err(invalid_agency());
        }
        Ok(Self {
            agency,
            reboot: flag(reconfigure, "reboot")?,
        })
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.is_empty() {
        return Err(Refusal::new(400, "DWS.0006", "The request is empty."));
    }
    serde_json::from_slice(body).map_err(|_| Refusal::new(400, "DWS.0001", "The request body is not a JSON object."))
}

fn required(fields: &Map<String, Value>, key: &str) -> Result<String, Refusal> {
    text(fields, key)?.ok_or_else(|| invalid(key))
}

fn text(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, Refusal> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(invalid(key)),
    }
}

fn flag(fields: &Map<String, Value>, key: &str) -> Result<bool, Refusal> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(invalid(key)),
    }
}

fn is_user_name(text: &str) -> bool {
    is_word(text, 3, 20)
}

fn is_word(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn invalid(key: &str) -> Refusal {
    Refusal::new(400, "DWS.0001", &format!("Invalid parameter: {key}."))
}

fn invalid_user_name() -> Refusal {
    Refusal::new(400, "DWS.5198", "Invalid user name.")
}

fn invalid_agency() -> Refusal {
    Refusal::new(400, "DWS.5130", "Invalid agency name.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn obs() -> Value {
        json!({"type": "OBS", "data_source_name": "source1", "user_name": "DWSAccessOBS", "connect_info": "gaussdb"})
    }

    fn mrs() -> Value {
        json!({"type": "MRS", "data_source_name": "s", "user_name": "abc", "user_pwd": "12345678", "data_source_id": "m"})
    }

    fn with(mut body: Value, key: &str, value: Value) -> Value {
        body[key] = value;
        body
    }

    fn code(body: &Value) -> String {
        match CreateRequest::parse(body.to_string().as_bytes(), &["gaussdb".to_owned()]) {
            Ok(_) => "accepted".to_owned(),
            Err(refusal) => format!("{} {}", refusal.status, refusal.code),
        }
    }

    #[test]
    fn create_bodies_are_checked_by_the_documented_rules() {
        let accepted = [
            obs(),
            mrs(),
            with(obs(), "description", json!("x".repeat(256))),
            with(obs(), "description", json!("数".repeat(256))),
            with(obs(), "data_source_name", json!("x".repeat(64))),
            with(obs(), "reboot", json!(true)),
            with(obs(), "unheard_of", json!(1)),
            json!({"type": "LAKE_FORMATION", "data_source_name": "l", "user_name": "abc"}),
        ];
        for body in accepted {
            assert_eq!(code(&body), "accepted", "{body}");
        }
        let refused = [
            (with(obs(), "type", json!("obs")), "400 DWS.0001"),
            (with(obs(), "type", json!(null)), "400 DWS.0001"),
            (with(obs(), "data_source_name", json!("")), "400 DWS.0001"),
            (with(obs(), "data_source_name", json!("a-b")), "400 DWS.0001"),
            (with(obs(), "data_source_name", json!("x".repeat(65))), "400 DWS.0001"),
            (with(obs(), "user_name", json!("ab")), "400 DWS.5130"),
            (with(obs(), "user_name", json!(7)), "400 DWS.0001"),
            (with(mrs(), "user_name", json!("x".repeat(21))), "400 DWS.5198"),
            (with(mrs(), "user_pwd", json!("1234567")), "400 DWS.5199"),
            (with(mrs(), "user_pwd", json!(null)), "400 DWS.0001"),
            (with(mrs(), "data_source_id", json!(null)), "400 DWS.0001"),
            (with(obs(), "connect_info", json!(null)), "400 DWS.0001"),
            (with(obs(), "connect_info", json!("other")), "400 DWS.5172"),
            (with(obs(), "description", json!("x".repeat(257))), "400 DWS.0001"),
            (with(obs(), "description", json!("why!")), "400 DWS.0001"),
            (with(obs(), "reboot", json!("yes")), "400 DWS.0001"),
            (json!([]), "400 DWS.0001"),
        ];
        for (body, expected) in refused {
            assert_eq!(code(&body), expected, "{body}");
        }
        assert_eq!(CreateRequest::parse(b"", &[]).err().unwrap().code, "DWS.0006");
    }

    #[test]
    fn update_bodies_need_reconfigure_and_ignore_what_they_do_not_know() {
        let parse = |body: Value| UpdateRequest::parse(body.to_string().as_bytes());
        assert_eq!(
            parse(json!({"reconfigure": {"agency": "agency1"}}))
                .unwrap()
                .agency
                .unwrap(),
            "agency1"
        );
        assert!(parse(json!({"reconfigure": {"reboot": true}})).unwrap().reboot);
        assert!(
            parse(json!({"reconfigure": {"user_name": "ignored"}}))
                .unwrap()
                .agency
                .is_none()
        );
        assert_eq!(parse(json!({"agency": "agency1"})).unwrap_err().code, "DWS.0001");
        assert_eq!(
            parse(json!({"reconfigure": {"agency": "a"}})).unwrap_err().code,
            "DWS.5130"
        );
    }
}
