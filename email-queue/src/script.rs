//! The Lua scripts, as `build.rs` makes them of the `.lua` files.

/// A Lua script as Redis runs it: what it uses of the files in `lua/`, and the script itself.
#[derive(Debug)]
pub(crate) struct Script {
    /// As its file is called.
    pub(crate) name: &'static str,
    /// How [`EVALSHA`](https://redis.io/docs/latest/commands/evalsha/) names it.
    pub(crate) sha1: &'static str,
    pub(crate) source: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/scripts.rs"));

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const USERS: &str = include_str!("../../deploy/redis/users.acl");

    /// Those that the API calls; the worker calls the others.
    const OF_API: [&str; 26] = [
        "stats",
        "workers",
        "paused",
        "pause",
        "resume",
        "enqueue",
        "make_room",
        "move_key",
        "cancel",
        "reschedule",
        "retry",
        "discard",
        "retry_matching",
        "discard_matching",
        "move_to_lane",
        "move_matching",
        "list",
        "search",
        "read",
        "ready",
        "throttle",
        "secret",
        "series",
        "timeline",
        "why",
        "held",
    ];

    /// Words of the scripts that are arguments of commands, or texts of errors.
    const NO_COMMANDS: [&str; 6] = ["LIMIT", "COUNT", "WITHSCORES", "KEEPTTL", "WRONGTYPE", "ERR"];

    /// What an ACL permits a user, by name.
    fn permitted(user: &str) -> BTreeSet<String> {
        let line = USERS.lines().find(|line| line.starts_with(&format!("user {user} "))).unwrap();
        line.split(' ').filter_map(|rule| rule.strip_prefix('+')).map(str::to_owned).collect()
    }

    /// The commands in a script: upper-case words in quotes.
    fn commands(script: &Script) -> impl Iterator<Item = String> {
        let words = script.source.split('\'').skip(1).step_by(2);
        let is_word = |word: &&str| word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase());
        words.filter(is_word).filter(|word| !NO_COMMANDS.contains(word)).map(str::to_lowercase)
    }

    #[test]
    fn the_users_of_the_recipe_may_run_what_the_scripts_use_and_no_more() {
        // What they send as plain commands, of their own and for the trait `Redis`.
        let both = ["ping", "eval", "evalsha", "get", "pttl"];
        let worker = [
            "time",
            "brpop",
            "client|id",
            "client|unblock",
            "cluster|slots",
            "config|get",
            "info",
            "mget",
            "set",
            "hset",
            "del",
            "type",
        ];
        for (user, is_of_api, plain) in
            [("email-queue-api", true, &["wait"][..]), ("email-queue-worker", false, &worker[..])]
        {
            let scripts = ALL.iter().filter(|script| OF_API.contains(&script.name) == is_of_api);
            let used: BTreeSet<String> = scripts
                .flat_map(|script| commands(script))
                .chain(both.iter().chain(plain).map(|&c| c.to_owned()))
                .collect();
            assert_eq!(permitted(user), used, "{user}");
        }
        assert_eq!(permitted("email-queue-producer"), BTreeSet::from(["lpush".to_owned()]));
    }
}
