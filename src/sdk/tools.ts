/**
 * Tools of the embedding program. Each becomes a call of the guest: the gate judges every use, and the journal has it. What a tool does not say
 * of itself is taken at its strictest: it has effects outside (`privileged`, which asks) and is never repeated (`once`).
 */
import { errorMessage, isObject, isOxbowError, type Json, type JsonObject, OxbowError } from '../base/index.ts'
import type { AppTool } from '../config/index.ts'
import type { Effect, Tier } from '../protocol/index.ts'

/** A schema of zod 4, ArkType, Valibot and others; see https://standardschema.dev. It also says itself as JSON Schema. */
export interface InputSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly jsonSchema: { readonly input: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown> }
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[] }

export interface ToolContext {
  /** Aborted when the turn is cancelled, the time is up, or the guest ends. */
  readonly signal: AbortSignal
  /** The session whose model uses the tool. */
  readonly session: string
  /** Id of the call in the journal; the same one again only for a tool that is `idempotent`. */
  readonly call: string
}

export interface Tool<Input = any> {
  /** For the model: what it does, and when to use it. */
  readonly description: string
  /** Absent: no input. A plain object is taken as a JSON Schema of an object, and `run` gets what fits it. */
  readonly input?: InputSchema<Input> | JsonObject
  /**
   * What the policy goes by: `read_only` runs, `side_effecting` changes something of yours and runs, `privileged` asks. `[approval]` of the
   * configuration can be stricter. Default: `privileged`.
   */
  readonly tier?: Tier
  /** After a crash: `none` and `idempotent` run again, `once` does not and is reported as unknown. Default: `once`. */
  readonly effect?: Effect
  /** What its results may contain, for the rules about data. Default: `['untrusted']`. */
  readonly returns?: readonly ('untrusted' | 'private')[]
  /** Its input may leave this machine. Default: true. */
  readonly sends?: boolean
  /** Default: 120 000. */
  readonly timeoutMs?: number
  /** @returns what the model reads: a text, or JSON. What it throws, the model reads as a failure. */
  run(input: Input, context: ToolContext): unknown
}

/** @returns the tool as it is, with the type of its input taken from its schema */
export function tool<Input>(described: Omit<Tool<Input>, 'input'> & { readonly input: InputSchema<Input> }): Tool<Input>
export function tool(described: Omit<Tool<JsonObject>, 'input'> & { readonly input?: JsonObject }): Tool<JsonObject>
export function tool(described: Tool): Tool {
  return described
}

const namePattern = /^[a-z][a-z0-9_]{0,47}$/i
const usualTimeoutMs = 120_000
const maxTools = 200
const noInput: JsonObject = { type: 'object', properties: {}, additionalProperties: false }

/** @throws OxbowError `bad_input` that names the tool */
export function describeTools(tools: Readonly<Record<string, Tool>>): readonly AppTool[] {
  const all = Object.entries(tools)
  if (all.length > maxTools) throw wrong(`There are ${all.length} tools; ${maxTools} are allowed.`, 'Leave some out.')
  return all.map(([name, described]): AppTool => {
    if (!namePattern.test(name))
      throw wrong(
        `${JSON.stringify(name)} cannot be the name of a tool.`,
        'Use up to 48 letters, digits and underscores, beginning with a letter.',
      )
    if (typeof described.run !== 'function' || typeof described.description !== 'string' || described.description.trim() === '')
      throw wrong(`The tool ${name} lacks its description or its function.`, 'Give it `description` and `run`.')
    return {
      name,
      description: described.description,
      parameters: parametersOf(name, described.input),
      tier: described.tier ?? 'privileged',
      effect: described.effect ?? 'once',
      adds: described.returns ?? ['untrusted'],
      sink: described.sends ?? true,
      timeoutMs: described.timeoutMs ?? usualTimeoutMs,
    }
  })
}

function parametersOf(name: string, input: Tool['input']): JsonObject {
  if (input === undefined) return noInput
  const schema: JsonObject = isStandard(input) ? jsonSchemaOf(name, input) : (input as JsonObject)
  if (schema['type'] !== 'object')
    throw wrong(`The input of the tool ${name} is not an object.`, 'Put its values into the fields of an object.')
  const { $schema: _, ...parameters } = schema
  return parameters
}

function jsonSchemaOf(name: string, schema: InputSchema): JsonObject {
  const { jsonSchema, vendor } = schema['~standard']
  if (typeof jsonSchema?.input !== 'function')
    throw wrong(
      `The schema of the tool ${name} cannot say itself as JSON Schema: ${vendor}.`,
      'Use zod 4.2 or newer, or give a JSON Schema.',
    )
  return jsonSchema.input({ target: 'draft-2020-12' }) as JsonObject
}

const isStandard = (input: InputSchema | JsonObject): input is InputSchema => '~standard' in input

/** @throws OxbowError `bad_input` for an input that does not fit, `tool_failed` for what the tool throws */
export async function runTool(name: string, described: Tool, input: JsonObject, context: ToolContext): Promise<Json> {
  const given = await checkedInput(name, described.input, input)
  try {
    return jsonOf(await described.run(given, context))
  } catch (error) {
    if (isOxbowError(error)) throw error
    throw new OxbowError('tool_failed', errorMessage(error), { hint: `The tool ${name} failed.`, cause: error })
  }
}

async function checkedInput(name: string, schema: Tool['input'], input: JsonObject): Promise<unknown> {
  if (schema === undefined || !isStandard(schema)) return input
  const result = await schema['~standard'].validate(input)
  if (result.issues === undefined) return result.value
  const lines = result.issues.map(({ message, path = [] }) => `- ${pathText(path)}${message}`).join('\n')
  throw new OxbowError('bad_input', `The input does not fit the tool ${name}:\n${lines}`, {
    hint: 'Correct it and call again; nothing was done.',
  })
}

function pathText(path: readonly unknown[]): string {
  const keys = path.map((part) => String(isObject(part) ? part['key'] : part))
  return keys.length === 0 ? '' : `${keys.join('.')}: `
}

/** @returns what is left of a value as JSON; null for nothing */
function jsonOf(value: unknown): Json {
  const text = JSON.stringify(value) as string | undefined
  return text === undefined ? null : (JSON.parse(text) as Json)
}

function wrong(message: string, hint: string): OxbowError {
  return new OxbowError('bad_input', message, { hint })
}
