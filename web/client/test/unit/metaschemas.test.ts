// The documents are what their specifications call valid, so that any tool for OpenAPI or AsyncAPI can read them.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Ajv, type ValidateFunction } from "ajv";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import messenger from "../../../../components/messenger/openapi.json";
import organizer from "../../../../components/organizer/openapi.json";
import participant from "../../../../components/participant/openapi.json";
import socket from "../../../../sidecar/asyncapi.json";

const require = createRequire(import.meta.url);

/**
 * The official schema of OpenAPI 3.1, whose dynamic references the package has replaced by plain ones, for ajv. It does
 * not check schemas, since OpenAPI allows other dialects. Ours are JSON Schema 2020-12.
 */
function openApi(): ValidateFunction {
  const official = require("@seriousme/openapi-schema-validator/schemas/v3.1/schema.json");
  const schema = { $ref: "https://json-schema.org/draft/2020-12/schema" };
  const ajv = new Ajv2020({ strict: false });
  addFormats(ajv);
  ajv.addFormat("media-range", true);
  return ajv.compile({ ...official, $defs: { ...official.$defs, schema } });
}

/** The official schema of AsyncAPI 3.0, which brings its own copy of JSON Schema. */
function asyncApi(): ValidateFunction {
  const ajv = new Ajv({ strict: false, meta: false });
  addFormats(ajv);
  return ajv.compile(require("@asyncapi/specs/schemas/3.0.0.json"));
}

function check(validate: ValidateFunction, document: object): void {
  assert.ok(validate(document), JSON.stringify(validate.errors, null, 2));
}

/** A copy of a document in which one type is none. */
function withWrongType<T extends { components: { schemas: object } }>(document: T): T {
  const schemas = { ...document.components.schemas, Wrong: { type: "text" } };
  return { ...document, components: { ...document.components, schemas } };
}

test("the documents of the services are valid OpenAPI 3.1, and their types are JSON Schema", () => {
  const validate = openApi();
  for (const document of [organizer, participant, messenger]) check(validate, document);
  assert.ok(!validate({ ...participant, paths: { "/profile": { get: { responses: { 200: {} } } } } }));
  assert.ok(!validate(withWrongType(participant)));
});

test("the document of the socket is valid AsyncAPI 3.0, with its types", () => {
  const validate = asyncApi();
  check(validate, socket);
  assert.ok(!validate({ ...socket, operations: { sendInfo: { action: "say" } } }));
  assert.ok(!validate(withWrongType(socket)));
});
