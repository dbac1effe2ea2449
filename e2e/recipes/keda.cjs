// Checks objects of KEDA against its schemas: `node keda.cjs NODE_MODULES < OBJECTS.json`, a list. A field that the schemas do not
// know is wrong too. They pass over such a field, so what they read is watched.

const { readFileSync } = require("node:fs");
const { resolve } = require("node:path");

/** The object, and the paths of what is read of it. */
function watched(value, path, read) {
  if (value === null || typeof value !== "object") return value;
  return new Proxy(value, {
    get(target, key) {
      const at = `${path}.${String(key)}`;
      read.add(at);
      return watched(Reflect.get(target, key), at, read);
    },
  });
}

/** The paths of all fields. */
function paths(value, path) {
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, field]) => [`${path}.${key}`, ...paths(field, `${path}.${key}`)]);
}

for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const [group, version] = object.apiVersion.split("/");
  if (group !== "keda.sh" || version !== "v1alpha1") throw new Error(`no schema of ${object.apiVersion}`);
  // By its path: the package offers its models, which read all fields, and not its schemas.
  const schemas = resolve(process.argv[2], "@kubernetes-models/keda/_schemas");
  const { validate } = require(`${schemas}/KedaShV1alpha1${object.kind}.js`);
  const read = new Set();
  if (!validate(watched(object, "", read))) throw new Error(`${object.kind}: ${JSON.stringify(validate.errors)}`);
  // The labels and so on are those of Kubernetes.
  const unknown = paths(object, "").filter((path) => !read.has(path) && !path.startsWith(".metadata."));
  if (unknown.length > 0) throw new Error(`${object.kind} has fields that no schema knows: ${unknown}`);
}
