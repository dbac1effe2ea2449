//! Whether another program uses keys of the queue for something else.

use email_queue::query::wrong_types;

use super::finding::Finding;
use crate::context::Context;

/// Names each key that has a wrong type. None where the user of Redis may not ask: what fails by such a key is found all the same.
pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    for shard in context.shards.all() {
        let Ok(wrong) = wrong_types(&context.redis, &context.shards.queue(shard)).await else { break };
        findings.extend(wrong.into_iter().map(|wrong| {
            let what = format!("{} is a {}, and the queue needs a {} there", wrong.key, wrong.found, wrong.expected);
            let way_out = format!(
                "rename or delete it, and give what wrote it another name; or give the queue another one: keys that begin with {} are \
                 the queue's",
                context.shards.first().name()
            );
            Finding::fault("wrong-type", what, way_out)
        }));
    }
    findings
}
