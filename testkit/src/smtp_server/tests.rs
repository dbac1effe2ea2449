mod protocol;
mod scripts;
mod security;

/// A recipient, where it does not matter which.
const TO: &str = "to@b.example";
