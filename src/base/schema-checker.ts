/** The port to what checks JSON Schemas, and values against them. Schemas and values of others are hostile input to both. */
import { once } from './cache.ts'
import type { Json, JsonObject } from './text.ts'

/** A JSON Schema: of dialect 2020-12, or of the one that its `$schema` names. */
export type JsonSchema = JsonObject | boolean

export interface SchemaProblem {
  /** JSON pointer into the value; empty: the whole value. */
  readonly path: string
  readonly message: string
}

export interface SchemaChecker {
  /**
   * Resolves if values can be checked against the schema.
   * @throws OxbowError `bad_input`: what is wrong with it; `limit_reached`: it is too large or too deep; `timeout`: it takes too long
   */
  check(schema: JsonSchema): Promise<void>
  /**
   * @returns how the value violates the schema; empty: it matches
   * @throws OxbowError as `check` does, also `timeout` where a pattern of the schema runs away, and `limit_reached` for a huge value
   */
  validate(schema: JsonSchema, value: Json): Promise<readonly SchemaProblem[]>
  /** Ends its thread. Never throws. */
  close(): Promise<void>
}

/** @returns the problems as lines that a model or a person can act on */
export function problemLines(problems: readonly SchemaProblem[]): string {
  return problems.map(({ path, message }) => `- ${path === '' ? 'the value' : path} ${message}`).join('\n')
}

/** @param make creates the checker, with the first question @returns one that costs nothing until then */
export function lazySchemaChecker(make: () => Promise<SchemaChecker>): SchemaChecker {
  const made = once(make)
  return {
    check: async (schema) => (await made()).check(schema),
    validate: async (schema, value) => (await made()).validate(schema, value),
    async close() {
      const checker = await made.made()?.catch(() => null)
      await checker?.close()
    },
  }
}
