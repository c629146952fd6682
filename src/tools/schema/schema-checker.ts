/**
 * Checks JSON Schemas and values by ajv, in a thread: a schema of somebody else may hold a pattern that runs for hours. Questions are
 * answered one at a time, so that the one that takes too long is known; it ends the thread, and the next one starts another.
 *
 * What can be refused without ajv is refused here, by a walk that ends at its limits: neither a cycle nor 10 MB of schema are copied.
 */
import type { Worker } from 'node:worker_threads'
import {
  createIdleThread,
  type IdleThread,
  type Json,
  type JsonSchema,
  ownValue,
  OxbowError,
  type SchemaChecker,
  type SchemaProblem,
} from '../../base/index.ts'
import {
  maxCheckedValueBytes,
  maxCheckedValueDepth,
  maxSchemaBytes,
  maxSchemaDepth,
  maxSchemaQuestions,
  schemaCheckMs,
  schemaIdleMs,
  schemaMemoryMb,
  schemaStartMs,
} from '../limits.ts'

/** What the thread is asked: to load ajv; to compile a schema; to check a value against one. */
export type SchemaQuestion = null | { readonly schema: JsonSchema; readonly value?: readonly [Json] }
export type SchemaAnswer = readonly SchemaProblem[]

type Thread = IdleThread<SchemaQuestion, SchemaAnswer>

export interface SchemaBounds {
  readonly checkMs: number
  readonly idleMs: number
}

/** Checks values in a thread, which ends after a second: a hostile pattern costs one answer. */
export function createSchemaChecker({ checkMs = schemaCheckMs, idleMs = schemaIdleMs }: Partial<SchemaBounds> = {}): SchemaChecker {
  let thread: Thread | null = null
  let isClosed = false
  let waiting = 0
  let before: Promise<unknown> = Promise.resolve()

  const closed = (): OxbowError => new OxbowError('cancelled', 'The guest is stopping.', { hint: 'Try again after its start.' })
  const answer = async (question: SchemaQuestion): Promise<SchemaAnswer> => {
    if (isClosed) throw closed()
    const asked = (thread ??= createIdleThread({ idleMs, start: startWorker, lost, closed }))
    try {
      // To start takes longer than any check may.
      await within(schemaStartMs, asked.ask(null))
      return await within(checkMs, asked.ask(question))
    } catch (error) {
      if (error !== tooSlow) throw error
      thread = null
      await asked.close()
      throw new OxbowError('timeout', `The check against the schema took more than ${checkMs / 1_000} s and was ended.`, {
        hint: 'Simplify the schema: patterns with nested repetitions such as (a+)+ run away.',
      })
    }
  }
  const ask = async (question: SchemaQuestion): Promise<SchemaAnswer> => {
    if (waiting >= maxSchemaQuestions)
      throw new OxbowError('limit_reached', `${maxSchemaQuestions} checks against schemas wait.`, { hint: 'Try again later.' })
    waiting++
    const answered = before.then(() => answer(question))
    before = answered.catch(() => {})
    return answered.finally(() => waiting--)
  }
  return {
    async check(schema) {
      refuseLarge('schema', schema, maxSchemaBytes, maxSchemaDepth)
      await ask({ schema })
    },
    async validate(schema, value) {
      refuseLarge('schema', schema, maxSchemaBytes, maxSchemaDepth)
      refuseLarge('value', value, maxCheckedValueBytes, maxCheckedValueDepth)
      return ask({ schema, value: [value] })
    },
    async close() {
      isClosed = true
      await thread?.close()
    },
  }
}

const tooSlow = Symbol('too slow')

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(tooSlow), ms)
  promise.catch(() => {})
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

function lost(why: string, cause: unknown): OxbowError {
  return new OxbowError('limit_reached', `The check against the schema failed: ${why}.`, {
    hint: 'The schema or the value may need too much memory. Use smaller ones.',
    cause,
  })
}

function startWorker(): Worker {
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  // The worker's file is next to this one: schema-worker.ts in the sources, schema-worker.js in the bundle.
  const file = import.meta.url.endsWith('.ts') ? './schema-worker.ts' : './schema-worker.js'
  return new Worker(new URL(file, import.meta.url), {
    env: {},
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: schemaMemoryMb, maxYoungGenerationSizeMb: schemaMemoryMb / 8 },
  })
}

/** @throws OxbowError `limit_reached` if it is larger as JSON or deeper, and `bad_input` if it is not JSON */
function refuseLarge(what: 'schema' | 'value', json: unknown, maxBytes: number, maxDepth: number): void {
  let left = maxBytes
  const visit = (value: unknown, depth: number): void => {
    if (depth > maxDepth)
      throw new OxbowError('limit_reached', `The ${what} is more than ${maxDepth} levels deep, or refers to itself.`, {
        hint: 'Use a flatter one.',
      })
    if (typeof value === 'string') left -= Buffer.byteLength(value) + 2
    else if (typeof value === 'object' && value !== null) {
      left -= 2
      for (const key in value) {
        left -= Array.isArray(value) ? 1 : Buffer.byteLength(key) + 4
        visit(ownValue(value as Record<string, unknown>, key), depth + 1)
      }
    } else if (typeof value === 'number' || typeof value === 'boolean' || value === null) left -= String(value).length
    else throw new OxbowError('bad_input', `The ${what} has a part of type ${typeof value}.`, { hint: 'Use what JSON can hold.' })
    if (left < 0)
      throw new OxbowError('limit_reached', `The ${what} is larger than ${maxBytes / 1024} KiB.`, { hint: 'Use a smaller one.' })
  }
  visit(json, 0)
}
