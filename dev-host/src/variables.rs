//! Application variables and the `{{ name }}` templates that use them.
//!
//! Values come from the command line, else from `SPIN_VARIABLE_<NAME>` in the environment, else from the manifest. They
//! are fixed when the host starts. A value may be a secret: none is ever in an error or a log.

use std::collections::BTreeMap;

use thiserror::Error;
use wasmtime::component::{Accessor, HasData};

use crate::{bindings, manifest};

/// The values of the application's variables.
#[derive(Default)]
pub(crate) struct Variables {
    values: BTreeMap<String, String>,
}

/// The variables that one component can read: `fermyon:spin/variables`.
#[derive(Default)]
pub(crate) struct ComponentVariables {
    values: BTreeMap<String, String>,
}

impl bindings::variables::Host for &ComponentVariables {
    async fn get(&mut self, name: String) -> Result<String, bindings::variables::Error> {
        check_name(&name).map_err(|error| bindings::variables::Error::InvalidName(error.to_string()))?;
        self.values.get(&name).cloned().ok_or(bindings::variables::Error::Undefined(name))
    }
}

impl bindings::variables_wasip3::Host for &ComponentVariables {}

impl<T: Send + 'static> bindings::variables_wasip3::HostWithStore<T> for HasComponentVariables {
    async fn get(host: &Accessor<T, Self>, name: String) -> Result<String, bindings::variables_wasip3::Error> {
        use bindings::variables_wasip3::Error;
        check_name(&name).map_err(|error| Error::InvalidName(error.to_string()))?;
        let value = host.with(|mut host| host.get().values.get(&name).cloned());
        value.ok_or(Error::Undefined(name))
    }
}

/// For the linker: a [`ComponentVariables`] implements the interface.
pub(crate) struct HasComponentVariables;

impl HasData for HasComponentVariables {
    type Data<'a> = &'a ComponentVariables;
}

/// An error in a variable, its name or its use.
#[derive(Debug, Error, PartialEq)]
pub(crate) enum VariableError {
    /// A name that Spin does not allow.
    #[error("{name:?} is not a variable name: {reason}")]
    InvalidName {
        /// The name.
        name: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// A name that the manifest does not declare.
    #[error("unknown variable `{name}`: the manifest declares {declared}")]
    Unknown {
        /// The name.
        name: String,
        /// The names it could have been.
        declared: String,
    },
    /// `{{` without `}}`.
    #[error("unmatched '{{{{' in a template")]
    UnmatchedBraces,
}

impl Variables {
    /// Finds the value of every variable that the manifest declares.
    ///
    /// `given` comes from the command line, the last of several wins; `environment` looks up an environment variable.
    pub(crate) fn resolve(
        declared: &BTreeMap<String, manifest::Variable>,
        given: &[(String, String)],
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, VariableError> {
        if let Some((name, _)) = given.iter().find(|(name, _)| !declared.contains_key(name)) {
            return Err(unknown(name, declared.keys()));
        }
        let mut values = BTreeMap::new();
        for (name, variable) in declared {
            check_name(name)?;
            let value = given
                .iter()
                .rev()
                .find_map(|(given, value)| (given == name).then(|| value.clone()))
                .or_else(|| environment(&format!("SPIN_VARIABLE_{}", name.to_uppercase())))
                .unwrap_or_else(|| variable.default.clone());
            values.insert(name.clone(), value);
        }
        Ok(Self { values })
    }

    /// The variables of one component, from its table in the manifest.
    pub(crate) fn of_component(&self, table: &BTreeMap<String, String>) -> Result<ComponentVariables, VariableError> {
        let values = table
            .iter()
            .map(|(name, template)| {
                check_name(name)?;
                Ok((name.clone(), self.expand(template)?))
            })
            .collect::<Result<_, _>>()?;
        Ok(ComponentVariables { values })
    }

    /// Replaces each `{{ name }}` in `template` by the variable's value.
    pub(crate) fn expand(&self, template: &str) -> Result<String, VariableError> {
        let mut expanded = String::new();
        let mut rest = template;
        while let Some((literal, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or(VariableError::UnmatchedBraces)?;
            let name = name.trim();
            let value = self.values.get(name).ok_or_else(|| unknown(name, self.values.keys()))?;
            expanded.push_str(literal);
            expanded.push_str(value);
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

/// Checks a variable's name by Spin's rules: `[a-z][a-z0-9]*(_[a-z0-9]+)*`.
fn check_name(name: &str) -> Result<(), VariableError> {
    let reason = if name.is_empty() {
        "must not be empty"
    } else if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        "only lower-case letters, digits and underscores are allowed"
    } else if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        "must start with a letter"
    } else if name.ends_with('_') {
        "must end with a letter or a digit"
    } else if name.contains("__") {
        "must not contain two underscores in a row"
    } else {
        return Ok(());
    };
    Err(VariableError::InvalidName { name: name.to_owned(), reason })
}

fn unknown<'a>(name: &str, declared: impl Iterator<Item = &'a String>) -> VariableError {
    let declared = declared.map(String::as_str).collect::<Vec<_>>().join(", ");
    let declared = if declared.is_empty() { "none".to_owned() } else { declared };
    VariableError::Unknown { name: name.to_owned(), declared }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> BTreeMap<String, manifest::Variable> {
        let variables = [("queue", "emails"), ("redis_url", "redis://127.0.0.1")];
        variables.map(|(name, default)| (name.to_owned(), manifest::Variable { default: default.to_owned() })).into()
    }

    fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_flag_wins_over_the_environment_and_the_environment_over_the_default() {
        let environment = |name: &str| match name {
            "SPIN_VARIABLE_REDIS_URL" => Some("redis://environment".to_owned()),
            "SPIN_VARIABLE_QUEUE" => Some("from-environment".to_owned()),
            _ => None,
        };
        let flags = given(&[("redis_url", "redis://first"), ("redis_url", "redis://last")]);

        let variables = Variables::resolve(&declared(), &flags, environment).unwrap();
        assert_eq!(variables.expand("{{ redis_url }} {{queue}}").unwrap(), "redis://last from-environment");

        let variables = Variables::resolve(&declared(), &given(&[("redis_url", "x")]), |_| None).unwrap();
        assert_eq!(variables.expand("{{ queue }}").unwrap(), "emails");
    }

    #[test]
    fn an_unknown_flag_is_refused_without_showing_its_value() {
        let error = Variables::resolve(&declared(), &given(&[("redis", "redis://:secret@h")]), |_| None).err().unwrap();
        assert_eq!(error.to_string(), "unknown variable `redis`: the manifest declares queue, redis_url");
    }

    #[test]
    fn templates_are_expanded_in_place_and_values_are_not_expanded_again() {
        let variables = Variables {
            values: BTreeMap::from([
                ("host".to_owned(), "localhost".to_owned()),
                ("braces".to_owned(), "{{ host }}".to_owned()),
            ]),
        };
        assert_eq!(variables.expand("").unwrap(), "");
        assert_eq!(variables.expand("literal } {").unwrap(), "literal } {");
        assert_eq!(variables.expand("redis://{{ host }}:{{host}}/").unwrap(), "redis://localhost:localhost/");
        assert_eq!(variables.expand("{{ braces }}").unwrap(), "{{ host }}");
    }

    #[test]
    fn faulty_templates_are_refused() {
        let variables = Variables::default();
        assert_eq!(variables.expand("{{ host"), Err(VariableError::UnmatchedBraces));
        assert_eq!(
            variables.expand("{{ host }}").unwrap_err().to_string(),
            "unknown variable `host`: the manifest declares none"
        );
    }

    #[test]
    fn names_follow_the_rules_of_spin() {
        for name in ["a", "abc", "a1b2c3", "a_1", "a_1_b_3"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "aX", "1bc", "_x", "x.y", "x_", "a__b", "x-y", "é"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
