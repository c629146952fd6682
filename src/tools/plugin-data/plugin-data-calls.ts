/**
 * `store.read` and `store.change`: the data of plugins in the user's store, in the words of elizaOS. Each plugin has its own, and in it each
 * agent with a character of its own; what another keeps is not there. The gate enforces the plugin; which of its agents it works for, the host
 * says, since one process holds them all. `store.embed` makes vectors for it, by the embedder of memory. Plugins alone make these calls.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type Json, OxbowError } from '../../base/index.ts'
import { type Call, type Caller, defineCall, jsonSchema } from '../../protocol/index.ts'

/** Where the data is kept. */
export interface PluginData {
  readonly reads: readonly string[]
  readonly changes: readonly string[]
  /** @throws OxbowError `bad_input`, or as the store does */
  ask(request: { readonly scope: string; readonly method: string; readonly args: readonly Json[] }): Promise<Json>
  /** One vector for each text. @throws OxbowError `bad_config` without an embedder */
  embed(texts: readonly string[]): Promise<readonly Float32Array[]>
}

type DataInput = z.infer<ReturnType<typeof inputOf>>

const dataOutput = z.strictObject({ value: jsonSchema() })

type DataOutput = z.infer<typeof dataOutput>

const timeoutMs = 30_000
const maxArguments = 5
const maxTexts = 64
const maxCharacters = 100_000

export function pluginDataCalls(data: PluginData): readonly Call[] {
  const common = (methods: readonly string[]) => ({
    input: inputOf(methods),
    output: dataOutput,
    // As for all calls of the runtime; no list of rights has it, and plugins have it for calls that are theirs.
    right: 'turn.run',
    audience: ['runtime'] as const,
    forPlugins: true as const,
    timeoutMs,
    recordInput: ({ method, args, agent }: DataInput) => ({ method, ...(agent !== '' && { agent }), ...measureOf(args) }),
    recordOutput: ({ value }: DataOutput) => measureOf(value),
    async run({ method, args, agent }: DataInput, { caller }: { readonly caller: Caller }) {
      return { output: { value: await data.ask({ scope: scopeOf(caller, agent), method, args }) } }
    },
  })
  const read = defineCall({
    name: 'store.read',
    summary: 'Reads what a plugin has kept.',
    ...common(data.reads),
    example: { method: 'getMemories', args: [{ tableName: 'messages', count: 10 }], agent: '' },
    tier: 'read_only',
    effect: 'none',
    // A plugin keeps what it has read anywhere.
    labels: { adds: ['untrusted'], sink: false },
  })
  const change = defineCall({
    name: 'store.change',
    summary: 'Changes what a plugin keeps.',
    ...common(data.changes),
    example: { method: 'setCache', args: ['key', { seen: 3 }], agent: '' },
    tier: 'read_only',
    effect: 'idempotent',
    labels: { adds: [], sink: false },
  })
  return [read, change, embedCall(data)]
}

const embedOutput = z.strictObject({ vectors: z.array(z.string()).readonly().describe('Little-endian 32-bit floats, in base64.') })

function embedCall(data: PluginData): Call {
  return defineCall({
    name: 'store.embed',
    summary: 'Computes a vector for each text of a plugin, by the embedder of memory.',
    input: z.strictObject({ texts: z.array(z.string().max(maxCharacters)).min(1).max(maxTexts).describe('The texts.') }),
    output: embedOutput,
    example: { texts: ['The sea is blue.'] },
    tier: 'read_only',
    right: 'turn.run',
    effect: 'idempotent',
    audience: ['runtime'],
    forPlugins: true,
    // The embedder may be a model of a provider.
    labels: { adds: [], sink: true },
    timeoutMs,
    recordInput: ({ texts }) => ({ texts: texts.length, ...measureOf(texts) }),
    recordOutput: ({ vectors }) => ({ vectors: vectors.length }),
    async run({ texts }) {
      const vectors = await data.embed(texts)
      return { output: { vectors: vectors.map((vector) => Buffer.from(Float32Array.from(vector).buffer).toString('base64')) } }
    },
  })
}

function inputOf(methods: readonly string[]) {
  return z.strictObject({
    method: z.enum(methods).describe('Of the database interface of elizaOS.'),
    args: z.array(jsonSchema()).max(maxArguments).describe('Its arguments.'),
    agent: z.string().max(100).default('').describe('Whose data, of agents with a character of their own; empty: what all others share.'),
  })
}

/** @throws OxbowError `bad_input` for a caller that is no plugin */
function scopeOf({ actor }: Caller, agent: string): string {
  if (actor.startsWith('plugin:')) return agent === '' ? actor : `${actor}@${agent}`
  throw new OxbowError('bad_input', 'Only plugins keep data here.', { hint: 'Use memory.note for what an agent should remember.' })
}

/** The journal has what was kept by size and hash: the data itself can be forgotten. */
function measureOf(value: Json): { readonly bytes: number; readonly hash: string } {
  const text = JSON.stringify(value)
  return { bytes: Buffer.byteLength(text), hash: createHash('sha256').update(text).digest('hex') }
}
