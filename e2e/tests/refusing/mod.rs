//! An API of which every refusal must leave its Redis as empty as it was.

use e2e::Api;
use serde_json::json;
use testkit::RedisServer;

pub(crate) struct Refusing {
    pub(crate) api: Api,
    redis: RedisServer,
}

impl Refusing {
    pub(crate) async fn start(variables: &[(&str, &str)]) -> Self {
        let redis = RedisServer::builder().without_persistence().start();
        let api = Api::start_with(&redis.url(), variables).await;
        Self { api, redis }
    }

    /// The API has stored nothing, and still works.
    pub(crate) async fn assert_untouched(&self) {
        let keys: usize = redis::cmd("DBSIZE").query(&mut self.redis.connection()).unwrap();
        assert_eq!(keys, 0, "a refused request left something behind");
        self.api.accept(&json!({"from": "a@b.example", "to": "a@b.example", "message": "hi"})).await;
    }
}
