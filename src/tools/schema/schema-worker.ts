/**
 * Thread that compiles schemas and checks values against them. Each schema has an instance of ajv of its own, so that no schema reaches
 * another by an id; nothing is fetched.
 */
import { parentPort } from 'node:worker_threads'
import { Ajv, type Options, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import {
  createRecentMap,
  type JsonSchema,
  errorMessage,
  ownValue,
  OxbowError,
  type RecentMap,
  type SchemaProblem,
  type ThreadAnswer,
  type ThreadQuestion,
  toFailure,
  truncate,
} from '../../base/index.ts'
import { keptSchemas, maxSchemaProblems, maxSchemaWordCharacters } from '../limits.ts'
import type { SchemaAnswer, SchemaQuestion } from './schema-checker.ts'

// Unknown keywords and formats are annotations, as the specification has it. Nothing of a schema may call code.
const options: Options = { strict: false, validateFormats: false, allErrors: true, logger: false, addUsedSchema: false }
const dialects = { 'https://json-schema.org/draft/2020-12/schema': Ajv2020, 'http://json-schema.org/draft-07/schema': Ajv } as const

interface Kept {
  readonly compiled: RecentMap<string, ValidateFunction>
  /** What checks the schemas themselves, by dialect. */
  readonly judges: Map<typeof Ajv | typeof Ajv2020, Ajv>
}

/** @throws OxbowError `bad_input` */
function compile({ compiled, judges }: Kept, schema: JsonSchema): ValidateFunction {
  const key = JSON.stringify(schema)
  const known = compiled.get(key)
  if (known !== undefined) return known
  const Dialect = dialectOf(schema)
  const judge = judges.get(Dialect) ?? new Dialect(options)
  judges.set(Dialect, judge)
  if (judge.validateSchema(schema) !== true) {
    const [first] = problemsOf(judge.errors)
    throw badSchema(`${first?.path || 'it'} ${first?.message ?? 'is not a schema'}`)
  }
  try {
    // The schema is judged already; an instance without meta-schemas is made in no time.
    const made = new Dialect({ ...options, meta: false, validateSchema: false, addUsedSchema: true }).compile(schema)
    compiled.put(key, made)
    return made
  } catch (error) {
    const missing = (error as { missingRef?: unknown }).missingRef
    throw badSchema(typeof missing === 'string' ? `$ref ${missing} is not inside the schema` : errorMessage(error))
  }
}

function dialectOf(schema: JsonSchema): typeof Ajv | typeof Ajv2020 {
  if (typeof schema === 'boolean') return Ajv2020
  if (schema['$async'] !== undefined) throw badSchema('$async is not a keyword of JSON Schema')
  const uri = schema['$schema'] ?? 'https://json-schema.org/draft/2020-12/schema'
  if (typeof uri !== 'string') throw badSchema('$schema is not text')
  const name = uri.replace(/#$/, '')
  const found = ownValue(dialects, name as keyof typeof dialects)
  if (found !== undefined) return found
  throw badSchema(`the dialect ${name} is not supported; use https://json-schema.org/draft/2020-12/schema`)
}

function badSchema(why: string): OxbowError {
  return new OxbowError('bad_input', `The schema cannot be used: ${truncate(why, maxSchemaWordCharacters)}.`, {
    hint: 'Use JSON Schema 2020-12 without references to other documents.',
  })
}

function problemsOf(errors: ValidateFunction['errors']): readonly SchemaProblem[] {
  return (errors ?? []).slice(0, maxSchemaProblems).map(({ instancePath, message = 'is not allowed', keyword, params }) => {
    const more =
      keyword === 'additionalProperties' ? `: ${String(params['additionalProperty'])}` : keyword === 'enum' ? enumText(params) : ''
    return { path: truncate(instancePath, maxSchemaWordCharacters), message: truncate(message + more, maxSchemaWordCharacters) }
  })
}

function enumText(params: Record<string, unknown>): string {
  return `: ${JSON.stringify(params['allowedValues'])}`
}

function answer(kept: Kept, question: SchemaQuestion): SchemaAnswer {
  if (question === null) {
    // Part of the start: the first schema that is not true or false compiles what judges schemas, most of a second on a busy machine.
    if (kept.judges.size === 0) compile(kept, {})
    return []
  }
  const validate = compile(kept, question.schema)
  if (question.value === undefined) return []
  return validate(question.value[0]) ? [] : problemsOf(validate.errors)
}

function serve(): void {
  const port = parentPort
  if (port === null) return
  const kept: Kept = { compiled: createRecentMap(keptSchemas), judges: new Map() }
  port.on('message', ([id, question]: ThreadQuestion<SchemaQuestion>) => {
    let reply: ThreadAnswer<SchemaAnswer>
    try {
      reply = [id, null, answer(kept, question)]
    } catch (error) {
      reply = [id, toFailure(error, 'bad_input', 'The schema or the value is too complex.'), []]
    }
    port.postMessage(reply, [])
  })
}

serve()
