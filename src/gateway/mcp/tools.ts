/**
 * Calls as tools, by the rights of a key, and the agent itself as the tool `turn_send`. A call that a person must decide is asked about in
 * the program, where its person can answer and the key may decide; otherwise the tool answers that it waits, with an id by which
 * `call_result` gives the result later.
 */
import { randomUUID } from 'node:crypto'
import type { ForeignCalls, ForeignEnd, ForeignRun, ForeignTool } from '../../kernel/index.ts'
import {
  type CallId,
  fenced,
  isObject,
  isUuid,
  type Json,
  type JsonObject,
  type Once,
  OxbowError,
  type SessionId,
  truncate,
} from '../../base/index.ts'
import { answerTo, type CallOutcome, isTurn, type PendingApproval, toolName, turnCall } from '../../protocol/index.ts'
import { maxMcpPage, maxMcpWaitS, maxShownInput, mcpWaitMs } from '../limits.ts'
import { type Asks, type Exchange, type Page, pageOf, type Tool, type ToolResult } from './offer.ts'
import { followMessage, sendTurn, type TurnDeps, turnTool } from './turn-tool.ts'

interface ToolDeps extends TurnDeps {
  /** The session of the program's own calls. */
  readonly session: Once<SessionId>
}

interface Tools {
  list(cursor: string): Promise<Page<Tool>>
  call(name: string, input: JsonObject, exchange: Exchange): Promise<ToolResult | Asks>
}

export function createTools(given: Omit<ToolDeps, 'turns'>): Tools {
  const deps: ToolDeps = { ...given, turns: new Map() }
  return {
    list: async (cursor) => pageOf(await listTools(deps), cursor, maxMcpPage),
    async call(name, input, exchange) {
      if (exchange.state !== '') return resume(deps, exchange)
      if (name === resultTool.name) return resultOf(deps, input, exchange)
      return follow(deps, await begin(deps, name, input, exchange), exchange)
    },
  }
}

async function listTools({ foreign }: ToolDeps): Promise<readonly Tool[]> {
  const { calls, programs } = await foreign.tools()
  return [...programs.map((call) => (isTurn(call) ? turnTool : toolOf(call))), ...calls.map(toolOf), resultTool]
}

const resultTool: Tool = {
  name: 'call_result',
  title: 'Result of a call',
  description: 'Waits for a call that was waiting for a person or still running, and returns its result. Name the id that its answer gave.',
  inputSchema: {
    type: 'object',
    properties: {
      call: { type: 'string', description: 'Id of the call.' },
      wait_s: { type: 'integer', minimum: 0, maximum: maxMcpWaitS, default: mcpWaitMs / 1_000, description: 'Seconds to wait at most.' },
    },
    required: ['call'],
    additionalProperties: false,
  },
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
}

function toolOf({ name, summary, input, tier, effect, isOpen }: ForeignTool): Tool {
  return {
    name: toolName(name),
    title: name,
    description: summary,
    inputSchema: input,
    annotations: {
      title: name,
      readOnlyHint: tier === 'read_only',
      destructiveHint: tier !== 'read_only',
      idempotentHint: effect !== 'once',
      openWorldHint: isOpen,
    },
  }
}

/** @throws OxbowError `unknown_call`; whether the key may make the call, the gate decides */
async function begin(deps: ToolDeps, tool: string, input: JsonObject, exchange: Exchange): Promise<ForeignRun> {
  const { kernel, foreign } = deps
  const found = await foreign.find(tool)
  if (found === null)
    throw new OxbowError('unknown_call', `There is no tool ${JSON.stringify(tool.slice(0, 100))}.`, { hint: 'List the tools again.' })
  const { name, right } = found
  const id = randomUUID() as string as CallId
  // A program without the right leaves the refusal behind, and no session.
  const bare = name === turnCall ? { text: typeof input['text'] === 'string' ? input['text'] : '' } : input
  if (!(await foreign.may(right))) return ended(id, name, await kernel.call(name, bare, undefined, id))
  if (name === turnCall) return sendTurn(deps, input, exchange)
  if (found.by === 'model') return foreign.begin({ id, name, input, session: await deps.session() })
  // In the session of the program, which thereby has read what the call tells, not in the one that it is about. Where nothing is told that
  // has labels, it needs none.
  const session = found.quotes ? await deps.session() : await deps.session.made()
  const outcome = await kernel.call(name, input, session ?? undefined, id)
  const shown = await withoutTitles(foreign, outcome)
  return session === null ? ended(id, name, shown) : foreign.reply({ id, name, input, session }, shown)
}

function ended(id: CallId, name: string, outcome: CallOutcome): ForeignRun {
  return { id, name, session: '', next: async () => ({ ended: { outcome, pictures: [] } }), cancel: () => {} }
}

/** Of a list of sessions. A title tells what a session is about: of one that has read what may not leave, it is left out. */
async function withoutTitles(foreign: ForeignCalls, outcome: CallOutcome): Promise<CallOutcome> {
  if (outcome.status !== 'ok' || !Array.isArray(outcome.output)) return outcome
  const sessions = outcome.output as readonly (JsonObject & { readonly id: SessionId })[]
  const shown = await Promise.all(sessions.map(async (one) => ((await foreign.mayLeave(one.id)) ? one : { ...one, title: '' })))
  return { ...outcome, output: shown, text: JSON.stringify(shown) }
}

/** Waits for the call; while a person is asked elsewhere, the program gets an answer that says so. */
async function follow(deps: ToolDeps, run: ForeignRun, exchange: Exchange, seen?: PendingApproval): Promise<ToolResult | Asks> {
  const stop = await showProgress(deps, run, exchange)
  const cancel = (): void => run.cancel()
  exchange.signal.addEventListener('abort', cancel, { once: true })
  try {
    const now = await run.next(exchange.signal, seen)
    if ('ended' in now) return resultFrom(run, now.ended)
    return await ask(deps, run, now.asks, exchange)
  } finally {
    exchange.signal.removeEventListener('abort', cancel)
    stop()
  }
}

async function showProgress({ foreign }: ToolDeps, run: ForeignRun, { progress }: Exchange): Promise<() => void> {
  if (progress === undefined || run.session === '' || isTurn(run)) return () => {}
  // Not the output: what it has read is known, and judged, when the call ends.
  return foreign.onProgress(run.session, run.id, (elapsedMs) => {
    const seconds = Math.round(elapsedMs / 1_000)
    progress(seconds, null, `${run.name}: ${seconds} s`)
  })
}

/** What passes results on to the program is decided in this guest, not by the program that wants them. */
const decidedHere = ({ name, personal }: PendingApproval): boolean => name === 'client.reply' || personal === true

async function ask({ foreign }: ToolDeps, run: ForeignRun, asks: PendingApproval, exchange: Exchange): Promise<ToolResult | Asks> {
  exchange.log('warning', `${asks.name} waits for a person.`)
  if (!exchange.canAsk || decidedHere(asks) || !(await foreign.may('call.decide')) || !(await mayShow(foreign, run)))
    return waiting(run, asks)
  const message = visible(`Oxbow: allow ${asks.name}?\n${asks.reason ?? ''}\nInput: ${truncate(asks.input, maxShownInput)}`)
  const allow = { type: 'boolean', title: 'Allow this call', description: 'It runs once, with exactly this input.', default: false }
  const requestedSchema = { type: 'object', properties: { allow }, required: ['allow'] }
  return { asks: { [answerKey]: { method: 'elicitation/create', params: { mode: 'form', message, requestedSchema } } }, state: run.id }
}

const answerKey = 'allow'

/** What nobody sees is written out, so that the question is what it seems to be. */
function visible(text: string): string {
  return text.replaceAll(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (hidden) => `\\u{${hidden.codePointAt(0)!.toString(16)}}`)
}

/** The input of a program's call is its own; an agent's input may say what the agent has read. */
async function mayShow(foreign: ForeignCalls, { name, session }: ForeignRun): Promise<boolean> {
  return name !== turnCall || (session !== '' && foreign.mayLeave(session))
}

/** The program has asked its person. */
async function resume(deps: ToolDeps, exchange: Exchange): Promise<ToolResult | Asks> {
  const run = await runOf(deps, exchange.state)
  const now = await run.next(exchange.signal)
  if ('ended' in now) return resultFrom(run, now.ended)
  const { asks } = now
  const answer = exchange.answers[answerKey]
  const allow = answerOf(answer)
  if (allow === null || decidedHere(asks)) return waiting(run, asks)
  const decided = await deps.kernel.call('call.decide', { ...answerTo(asks), allow, ...(!allow && { reason: 'declined in the program' }) })
  if (decided.status !== 'ok') return waiting(run, asks, decided.failure.message)
  return decided.output.decided ? follow(deps, run, exchange, asks) : waiting(run, asks, 'Another person must allow it, too.')
}

/** @returns null when the person has decided nothing */
function answerOf(answer: unknown): boolean | null {
  if (!isObject(answer)) return null
  if (answer['action'] === 'decline') return false
  const content = answer['content']
  return answer['action'] === 'accept' && isObject(content) && typeof content['allow'] === 'boolean' ? content['allow'] : null
}

async function runOf(deps: ToolDeps, id: Json | undefined): Promise<ForeignRun> {
  if (typeof id !== 'string' || !isUuid(id))
    throw new OxbowError('bad_input', 'call must be the id of a call.', { hint: 'Use the id that the answer named.' })
  return deps.turns.get(id as CallId) ?? (await deps.foreign.again(id as CallId)) ?? followMessage(deps, id as CallId)
}

async function resultOf(deps: ToolDeps, { call, wait_s: waitS }: JsonObject, exchange: Exchange): Promise<ToolResult | Asks> {
  const run = await runOf(deps, call)
  const waitMs = typeof waitS === 'number' ? Math.min(Math.max(waitS, 0), maxMcpWaitS) * 1_000 : mcpWaitMs
  const enough = AbortSignal.any([exchange.signal, AbortSignal.timeout(waitMs)])
  try {
    const now = await run.next(enough)
    if ('ended' in now) return resultFrom(run, now.ended)
    // It may be decided elsewhere meanwhile.
    if (!exchange.canAsk || !(await deps.foreign.may('call.decide')) || decidedHere(now.asks)) {
      const later = await run.next(enough, now.asks)
      return 'ended' in later ? resultFrom(run, later.ended) : waiting(run, later.asks)
    }
    return await ask(deps, run, now.asks, exchange)
  } catch (error) {
    if (!enough.aborted || exchange.signal.aborted) throw error
    const now = await run.next(AbortSignal.abort()).catch(() => null)
    return now !== null && 'asks' in now ? waiting(run, now.asks) : stillRunning(run)
  }
}

function waiting(run: ForeignRun, { name, call }: PendingApproval, why = ''): ToolResult {
  const text = `Waiting: a person must allow ${name} (\`oxbow approvals\`, id ${call}).${why === '' ? '' : ` ${why}`} It has not run. Ask for its result with call_result {"call":"${run.id}"}.`
  return { content: [{ type: 'text', text }], meta: { 'oxbow/status': 'waiting', 'oxbow/call': run.id } }
}

function stillRunning(run: ForeignRun): ToolResult {
  const text = `${run.name} is still running. Ask for its result with call_result {"call":"${run.id}"}.`
  return { content: [{ type: 'text', text }], meta: { 'oxbow/status': 'running', 'oxbow/call': run.id } }
}

/** As a model of this guest reads it: what others wrote is fenced. */
function resultFrom({ id, name, session }: ForeignRun, { outcome, pictures }: ForeignEnd): ToolResult {
  const text = outcome.labels?.includes('untrusted') === true ? fenced(outcome.text, id) : outcome.text
  const isError = outcome.status !== 'ok' || !outcome.ok
  const images = pictures.map(({ mediaType, data }) => ({
    type: 'image' as const,
    mimeType: mediaType,
    data: Buffer.from(data).toString('base64'),
  }))
  const isMessage = name === turnCall && session !== ''
  const place = isMessage ? [{ type: 'text' as const, text: `Session ${session}: name it in turn_send to go on.` }] : []
  const meta = {
    'oxbow/status': outcome.status,
    'oxbow/call': id,
    ...(isMessage && { 'oxbow/session': session }),
    ...(outcome.status !== 'ok' && { 'oxbow/code': outcome.failure.code }),
  }
  return { content: [{ type: 'text', text }, ...images, ...place], isError, meta }
}
