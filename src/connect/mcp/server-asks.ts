/**
 * What a server asks while one of its calls runs: an answer of the person (elicitation), or of a model (sampling). Each is a call through
 * the gate, `server.elicit` or `server.sample`, in the session of the call that runs, and waits until the person has decided. The person
 * answers a form by approving the call with another `answer`.
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import {
  type Failure,
  isObject,
  type Json,
  type JsonObject,
  nestsDeeper,
  OxbowError,
  type SchemaChecker,
  toError,
  truncate,
} from '../../base/index.ts'
import { type Call, type CallContext, defineCall, jsonObjectSchema, elicitCall } from '../../protocol/index.ts'
import { visible } from './definitions.ts'
import { maxAskedChars, maxFormFields, maxSampledTokens, maxSamplingChars, maxSchemaDepth } from './limits.ts'

/** A call of a server that runs: what the server asks, it asks for this one. */
export interface Asker {
  readonly session: string
  readonly call: CallContext['call']
}

export interface ServerAsks {
  /** @param params of `elicitation/create` @returns its result */
  elicit(params: JsonObject): Promise<JsonObject>
  /** @param params of `sampling/createMessage` @returns its result @throws OxbowError */
  sample(params: JsonObject): Promise<JsonObject>
}

/** The actor of what a server asks of models: budgets of this name apply. */
const programOf = (server: string): `program:${string}` => `program:mcp.${server}`

/** @param running calls of the server, the newest last */
export function createServerAsks(server: string, running: () => readonly Asker[]): ServerAsks {
  const ask = async (name: string, input: JsonObject): Promise<Awaited<ReturnType<CallContext['call']>>> => {
    const askers = running()
    const asker = askers.at(-1)
    // The protocol does not tell for which call a server asks; a person would decide for the wrong conversation.
    if (asker === undefined || askers.some(({ session }) => session !== asker.session)) throw noAsker(server)
    return asker.call(programOf(server), name, input)
  }
  return {
    async elicit(params) {
      const { mode, message, requestedSchema, url } = params
      const isLink = mode === 'url'
      const schema = isObject(requestedSchema) ? requestedSchema : {}
      const outcome = await ask('server.elicit', {
        server,
        mode: isLink ? 'url' : 'form',
        message: visible(textOf(message)).slice(0, maxAskedChars),
        ...(isLink ? { url: textOf(url) } : { schema, answer: defaultsOf(schema) }),
      })
      if (outcome.status === 'ok') return isLink ? { action: 'accept' } : { action: 'accept', content: (outcome.output as Elicited).answer }
      return { action: outcome.status === 'refused' && outcome.failure.code === 'denied' ? 'decline' : 'cancel' }
    },
    async sample(params) {
      const { systemPrompt, maxTokens, messages, tools } = params
      if (tools !== undefined) throw new OxbowError('denied', 'A model that a server asks has no tools.', { hint: 'Ask without tools.' })
      const outcome = await ask('server.sample', {
        server,
        system: textOf(systemPrompt),
        messages: (Array.isArray(messages) ? messages : []).map(messageOf),
        max_tokens: Math.min(typeof maxTokens === 'number' && maxTokens >= 1 ? Math.floor(maxTokens) : maxSampledTokens, maxSampledTokens),
      })
      if (outcome.status !== 'ok') {
        const { code, message, hint } = outcome.failure
        throw new OxbowError(code, message, { hint })
      }
      const { text } = outcome.output as Sampled
      return { role: 'assistant', content: { type: 'text', text }, model: 'oxbow', stopReason: 'endTurn' }
    },
  }
}

function noAsker(server: string): OxbowError {
  return new OxbowError('denied', `${server} asks, but it cannot be told for which call.`, {
    hint: 'Ask only while calls of one session run.',
  })
}

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '')

function messageOf(value: Json): JsonObject {
  const { role, content } = isObject(value) ? value : {}
  const parts = Array.isArray(content) ? content : [content]
  const texts = parts.map((part) => (isObject(part) && part['type'] === 'text' ? textOf(part['text']) : null))
  if (texts.includes(null))
    throw new OxbowError('bad_input', 'Only text can be asked of a model.', { hint: 'Leave pictures and sound out.' })
  return { role: role === 'assistant' ? 'assistant' : 'user', text: texts.join('\n') }
}

function defaultsOf({ properties }: JsonObject): JsonObject {
  const fields = isObject(properties) ? Object.entries(properties) : []
  return Object.fromEntries(
    fields.flatMap(([name, field]) => (isObject(field) && field['default'] !== undefined ? [[name, field['default']]] : [])),
  )
}

export interface AskCallDeps {
  readonly schemas: SchemaChecker
  /** @returns the text with secrets replaced by handles */
  readonly conceal: (text: string) => string
  /** Tokens a day that the server may use of models; 0: none. */
  readonly samplingTokens: (server: string) => number
  readonly limit: (of: AskedBy, scope: `program:${string}`, limits: { readonly tokens: number }) => Promise<void>
}

type AskedBy = { readonly caller: CallContext['caller']; readonly call: CallContext['id']; readonly name: string }

export function askCalls(deps: AskCallDeps): readonly Call[] {
  return [formCall(deps), sampleCall(deps)]
}

const shared = {
  tier: 'side_effecting',
  // A process has this right whatever its configuration says.
  right: 'turn.run',
  audience: ['runtime'],
  labels: { adds: [], sink: false },
} as const satisfies Partial<Call>

type ElicitInput = z.infer<typeof elicitInput>

const elicited = z.strictObject({ answer: jsonObjectSchema() })

type Elicited = z.infer<typeof elicited>

const anyObject = z.custom<JsonObject>((value) => isObject(value) && !nestsDeeper(value, maxSchemaDepth), 'must be an object')

const elicitInput = z
  .strictObject({
    server: z.string().describe('The server that asks.'),
    mode: z.enum(['form', 'url']).describe('`form`: an answer of the form in `schema`; `url`: that the person opens an address.'),
    message: z.string().describe('Its words, which may be untrue.'),
    schema: anyObject.describe('JSON Schema of the answer.').optional(),
    answer: anyObject.describe('The answer: defaults of the server until the person writes another.').optional(),
    url: z.string().max(2_000).describe('The address. Oxbow does not open it.').optional(),
  })
  .superRefine(({ mode, message, schema, url }, context) => {
    const problem = mode === 'url' ? linkProblem(url ?? '') : formProblem(message, schema ?? {})
    if (problem !== '') context.addIssue(problem)
  })

function formCall({ schemas, conceal }: AskCallDeps): Call {
  const unfit = async ({ answer = {}, ...form }: ElicitInput, asked: ElicitInput): Promise<Failure | null> => {
    if (!isDeepStrictEqual({ ...form, answer }, { ...asked, answer }))
      return {
        code: 'bad_input',
        message: 'The question is the server’s: only `answer` can be changed.',
        hint: 'Send the input as it is, with `answer`.',
      }
    const { mode, schema = {} } = asked
    if (mode === 'url') return null
    const problems = await schemas.validate(schema, answer)
    const why = problems.map(({ path, message }) => `${path === '' ? 'it' : path.slice(1)} ${message}`).join('; ')
    const hint = 'Write the answer in `answer`, e.g. by `oxbow approvals approve ID --answer field=value`, or deny the call.'
    if (why !== '') return { code: 'bad_input', message: `The answer does not fit the form: ${visible(truncate(why, maxWhyChars))}.`, hint }
    const text = JSON.stringify(answer)
    if (conceal(text) === text) return null
    return {
      code: 'denied',
      message: 'The answer has a secret, which no form of a server gets.',
      hint: 'Give the server its secrets by `env` or `headers` of its settings.',
    }
  }
  return defineCall({
    ...shared,
    name: elicitCall,
    summary: 'Asks the person for an answer that a server wants, or to open an address.',
    input: elicitInput,
    output: elicited,
    example: {
      server: 'tickets',
      mode: 'form',
      message: 'Which project?',
      schema: { type: 'object', properties: { project: { type: 'string' } }, required: ['project'] },
      answer: { project: 'oxbow' },
    },
    effect: 'none',
    asks: ({ server, mode, url = '' }) =>
      mode === 'form'
        ? `the server ${server} asks you; \`answer\` is sent to it, and its words may be untrue`
        : `the server ${server} wants you to open an address at ${URL.parse(url)?.host ?? ''} in your browser; Oxbow does not open it`,
    timeoutMs: 10_000,
    unfit,
    async run(input) {
      const failure = await unfit(input, input)
      if (failure !== null) throw toError(failure)
      return { output: { answer: input.mode === 'url' ? {} : (input.answer ?? {}) } }
    },
  })
}

/** Names and values in it are the server's. */
const maxWhyChars = 500

/** Of names and titles of fields. */
const secretField =
  /pass(?:word|phrase|wd|code)|secret|token|credential|api[-_ ]?key|private[-_ ]?key|access[-_ ]?key|\bpin\b|\bcvv\b|\botp\b|card[-_ ]?number/i
/** Of sentences, where single words mean other things, too. */
const secretMessage =
  /password|passphrase|passcode|api[-_ ]key|(?:secret|private|access)[-_ ]key|(?:access|auth\w*|api|bearer|refresh) token|one[- ]time (?:code|password)|credit card/i

/** @returns why the form is not shown; empty if it is */
function formProblem(message: string, { type, properties }: JsonObject): string {
  const fields = isObject(properties) ? Object.entries(properties) : null
  if (type !== 'object' || fields === null || fields.length > maxFormFields)
    return `schema must be an object with at most ${maxFormFields} fields`
  const nested = fields.find(([, field]) => !isObject(field) || field['type'] === 'object')
  if (nested !== undefined) return `the field ${nested[0]} must be a simple value`
  const asked = fields.find(([name, field]) => {
    const { title, description, format } = field as JsonObject
    const words = name.replaceAll(/([a-z])([A-Z])/g, '$1_$2').replaceAll('_', ' ')
    const isNamed = [name, words, title].some((text) => secretField.test(textOf(text)))
    return format === 'password' || isNamed || secretMessage.test(textOf(description))
  })
  if (asked !== undefined) return `the field ${asked[0]} asks for a secret, which no form may`
  return secretMessage.test(message) ? 'the message asks for a secret, which no form may' : ''
}

function linkProblem(url: string): string {
  const parsed = URL.parse(url)
  if (parsed?.protocol !== 'https:') return 'url must be an https address'
  return parsed.username !== '' || parsed.password !== '' || visible(url) !== url ? 'url must show where it leads' : ''
}

const sampled = z.strictObject({ text: z.string() })

type Sampled = z.infer<typeof sampled>

const sampleInput = z
  .strictObject({
    server: z.string().describe('The server that asks, and that gets the reply.'),
    system: z.string().describe('Its instructions to the model.'),
    messages: z
      .array(z.strictObject({ role: z.enum(['user', 'assistant']), text: z.string() }))
      .min(1)
      .max(100)
      .describe('What it asks, and what was said before.'),
    max_tokens: z.int().min(1).max(maxSampledTokens).describe('Length of the reply.'),
  })
  .refine(({ messages }) => messages.at(-1)?.role === 'user', 'the last message must be one of the user')
  .refine((input) => JSON.stringify(input).length <= maxSamplingChars, `it has more than ${maxSamplingChars} characters`)

function sampleCall({ samplingTokens, limit }: AskCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'server.sample',
    summary: 'Asks a model what a server wants to know, without tools and within the budget of that server.',
    input: sampleInput,
    output: sampled,
    example: { server: 'tickets', system: '', messages: [{ role: 'user', text: 'Summarize this ticket: …' }], max_tokens: 500 },
    effect: 'idempotent',
    asks: ({ server }) => `the server ${server} asks a model, at your cost, and gets the reply`,
    timeoutMs: 4 * 60_000,
    async run({ server, system, messages, max_tokens: maxTokens }, { id, caller, call }) {
      const tokens = samplingTokens(server)
      if (tokens === 0)
        throw new OxbowError('denied', `${server} may not ask models.`, { hint: 'Allow it by sampling_tokens in its settings.' })
      await limit({ caller, call: id, name: 'server.sample' }, programOf(server), { tokens })
      const { text } = messages.at(-1)!
      const asked = { model: '', system, text, earlier: messages.slice(0, -1), max_tokens: maxTokens }
      const outcome = await call(programOf(server), 'model.complete', asked)
      if (outcome.status === 'ok') return { output: { text: (outcome.output as Sampled).text } }
      const { code, message, hint } = outcome.failure
      throw new OxbowError(code, message, { hint })
    },
  })
}
