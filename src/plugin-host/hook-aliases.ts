/**
 * Hooks of other programs, by the names and with the signatures that their documentation gives: `docs/hooks.md` has the table. A handler that was
 * written for one of them runs unchanged; what it changes in place, returns or throws becomes the verdict that means the same.
 */
import { answerOf } from './hook-answer.ts'
import { type Json, type JsonObject, errorMessage } from '../base/index.ts'
import type { HookAlias, HookPlace, HookStep, HookValues, PluginHookResult } from '../protocol/index.ts'

/** What a handler can reach in addition to the value. */
interface AliasRuntime {
  readonly signal: AbortSignal
  log(...values: readonly unknown[]): void
}

type AliasHandler = (first: never, second: never) => unknown

type Answer = Promise<PluginHookResult>

/** What a hook of one of their names does at our steps. */
export type AliasSteps = { readonly [Step in HookStep]?: (value: HookValues[Step], runtime: AliasRuntime) => Answer }

/** @returns an alias with state of its own, for one handler */
type Alias = (handler: AliasHandler) => AliasSteps

type Aliases = Readonly<Record<HookAlias, Alias>>

const pass: PluginHookResult = { verdict: 'pass', value: null, reason: '' }
const change = (value: Json): PluginHookResult => ({ verdict: 'change', value, reason: '' })
const refuse = (reason: string): PluginHookResult => ({ verdict: 'refuse', value: null, reason })

function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const toolOf = (name: string): string => name.replaceAll('.', '_')
/** What a handler may change in place. */
const copyOf = (input: JsonObject): JsonObject => structuredClone(input)

async function call(handler: AliasHandler, first: unknown, second: unknown): Promise<unknown> {
  return handler(first as never, second as never)
}

/** For handlers that only observe: what they return means nothing. */
async function observe(handler: AliasHandler, first: unknown, second: unknown): Answer {
  await call(handler, first, second)
  return pass
}

const openClawAnswer = { params: 'object', block: 'boolean', blockReason: 'string', requireApproval: 'object' } as const

/** OpenClaw: `api.on(name, (event, ctx) => …)`. */
const openClaw: Pick<Aliases, 'before_tool_call' | 'after_tool_call' | 'message_received' | 'agent_end' | 'session_start'> = {
  before_tool_call: (handler) => ({
    async 'call.before'(value) {
      const event = { toolName: toolOf(value.name), params: copyOf(value.input), toolCallId: value.call, runId: value.turn }
      const answer = answerOf(await call(handler, event, toolContext(value)), openClawAnswer)
      if (answer['block'] === true) return refuse(textOf(answer['blockReason']))
      const { params, requireApproval } = answer
      const input = params === undefined ? null : ({ input: params } as const)
      if (requireApproval === undefined) return input === null ? pass : change(input)
      const { title, description } = objectOf(requireApproval)
      return { verdict: 'approve', value: input, reason: [textOf(title), textOf(description)].filter((one) => one !== '').join(': ') }
    },
  }),
  after_tool_call: (handler) => ({
    'call.after': (value) => {
      const { text, ok, call: toolCallId, turn: runId, duration_ms: durationMs } = value
      const event = {
        toolName: toolOf(value.name),
        params: copyOf(value.input),
        toolCallId,
        runId,
        durationMs,
        ...(ok ? { result: text } : { error: text }),
      }
      return observe(handler, event, toolContext(value))
    },
  }),
  message_received: (handler) => ({
    'message.received': (value) => {
      const { from, text: content, id: messageId, session: sessionKey, turn: runId } = value
      const event = { from, content, timestamp: Date.now(), messageId, senderId: from, sessionKey, runId, metadata: {} }
      return observe(handler, event, {
        ...agentContext(value),
        channelId: 'oxbow',
        conversationId: value.session,
        messageId,
        senderId: from,
      })
    },
  }),
  agent_end: (handler) => ({
    'turn.ended': (value) => {
      const success = value.status === 'ok'
      const messages = value.reply === '' ? [] : [{ role: 'assistant', content: value.reply }]
      const event = {
        messages,
        success,
        durationMs: value.duration_ms,
        runId: value.turn,
        ...(!success && { error: value.reply || value.status }),
      }
      return observe(handler, event, agentContext(value))
    },
  }),
  session_start: (handler) => ({
    'message.received': async (value) =>
      value.first ? observe(handler, { sessionId: value.session, sessionKey: value.session }, agentContext(value)) : pass,
  }),
}

function agentContext({ agent, session, turn }: HookPlace): JsonObject {
  return { agentId: agent, sessionId: session, sessionKey: session, runId: turn }
}

function toolContext({
  agent,
  session,
  turn,
  name,
  call: toolCallId,
}: HookPlace & Pick<HookValues['call.before'], 'name' | 'call'>): JsonObject {
  return { agentId: agent, sessionId: session, sessionKey: session, runId: turn, toolName: toolOf(name), toolCallId }
}

/** opencode: `"name": async (input, output) => …`, which changes `output` in place and throws to refuse. */
const opencode: Pick<Aliases, 'tool.execute.before' | 'tool.execute.after' | 'chat.params' | 'session.idle'> = {
  'tool.execute.before': (handler) => ({
    async 'call.before'({ name, session: sessionID, call: callID, input }) {
      const output = { args: copyOf(input) }
      try {
        await call(handler, { tool: toolOf(name), sessionID, callID }, output)
      } catch (error) {
        return refuse(errorMessage(error))
      }
      return change({ input: output.args })
    },
  }),
  'tool.execute.after': (handler) => ({
    async 'call.after'({ name, session: sessionID, call: callID, input, text }) {
      const output = { title: toolOf(name), output: text, metadata: {} }
      await call(handler, { tool: toolOf(name), sessionID, callID, args: copyOf(input) }, output)
      return output.output === text ? pass : change({ text: output.output })
    },
  }),
  'chat.params': (handler) => ({
    async 'model.before'({ session: sessionID, agent, model, text, role, temperature, top_p: topP, max_output_tokens: most }) {
      const [providerID = '', ...id] = model.split('/')
      const input = {
        sessionID,
        agent,
        model: { id: id.join('/'), providerID },
        provider: { id: providerID },
        message: { role, sessionID, parts: [{ type: 'text', text }] },
      }
      const output = { temperature: temperature ?? undefined, topP: topP ?? undefined, topK: undefined, maxOutputTokens: most, options: {} }
      await call(handler, input, output)
      const { temperature: t, topP: p, maxOutputTokens: m } = output as Readonly<Record<string, unknown>>
      const changed = {
        ...(typeof t === 'number' && { temperature: t }),
        ...(typeof p === 'number' && { top_p: p }),
        ...(typeof m === 'number' && { max_output_tokens: m }),
      }
      return Object.keys(changed).length === 0 ? pass : change(changed)
    },
  }),
  'session.idle': (handler) => ({
    'turn.ended': ({ session }) => observe(handler, { event: { type: 'session.idle', properties: { sessionID: session } } }, {}),
  }),
}

/** pi: `pi.on(name, async (event, ctx) => …)`; `event.input` is changed in place. Its turns are one answer of the model and its tool calls. */
const pi: Pick<Aliases, 'tool_call' | 'tool_result' | 'turn_start' | 'turn_end'> = {
  tool_call: (handler) => ({
    async 'call.before'({ name, call: toolCallId, input }, runtime) {
      const event = { type: 'tool_call', toolName: toolOf(name), toolCallId, input: copyOf(input) }
      const answer = answerOf(await call(handler, event, piContext(runtime)), { block: 'boolean', reason: 'string' })
      return answer['block'] === true ? refuse(textOf(answer['reason'])) : change({ input: event.input })
    },
  }),
  tool_result: (handler) => ({
    async 'call.after'({ name, call: toolCallId, input, text, ok }, runtime) {
      const content = [{ type: 'text', text }]
      const event = { type: 'tool_result', toolName: toolOf(name), toolCallId, input: copyOf(input), content, details: {}, isError: !ok }
      const fields = { content: 'list', details: 'any', isError: 'boolean' } as const
      const { content: next, isError } = answerOf(await call(handler, event, piContext(runtime)), fields)
      const changed = { ...(Array.isArray(next) && { text: joined(next) }), ...(typeof isError === 'boolean' && { ok: !isError }) }
      return Object.keys(changed).length === 0 ? pass : change(changed)
    },
  }),
  turn_start: (handler) => {
    const turns = createPiTurns()
    return {
      'model.before': ({ turn }, runtime) =>
        observe(handler, { type: 'turn_start', turnIndex: turns.next(turn), timestamp: Date.now() }, piContext(runtime)),
    }
  },
  turn_end: turnEnd,
}

function joined(content: readonly unknown[]): string {
  return content
    .map((part) => textOf(objectOf(part)['text']))
    .filter((text) => text !== '')
    .join('\n')
}

/** An answer whose tool calls have not all ended. */
interface OpenAnswer {
  readonly generation: string
  readonly turnIndex: number
  readonly message: JsonObject
  readonly results: Json[]
  left: number
}

/** Its calls have ended, or the next answer or the end of the turn shows that some were refused. */
function turnEnd(handler: AliasHandler): AliasSteps {
  const turns = createPiTurns()
  const open = new Map<string, OpenAnswer>()
  const end = async (turn: string, runtime: AliasRuntime): Answer => {
    const answer = open.get(turn)
    if (answer === undefined) return pass
    open.delete(turn)
    const { turnIndex, message, results: toolResults } = answer
    return observe(handler, { type: 'turn_end', turnIndex, message, toolResults }, piContext(runtime))
  }
  return {
    'model.before': ({ turn }, runtime) => end(turn, runtime),
    'turn.ended': ({ turn }, runtime) => end(turn, runtime),
    async 'model.after'({ turn, call: generation, text, calls }, runtime) {
      const parts = calls.map(({ id, name, arguments: args }) => ({ type: 'toolCall', id, name, arguments: args }))
      const message = { role: 'assistant', content: [{ type: 'text', text }, ...parts] }
      if (open.size >= maxTurns) open.delete(open.keys().next().value!)
      open.set(turn, { generation, turnIndex: turns.next(turn), message, results: [], left: calls.length })
      return calls.length === 0 ? end(turn, runtime) : pass
    },
    async 'call.after'({ turn, call: toolCallId, name, text, ok }, runtime) {
      const answer = open.get(turn)
      if (answer === undefined || !toolCallId.startsWith(`${answer.generation}.`)) return pass
      answer.results.push({ role: 'toolResult', toolCallId, toolName: toolOf(name), content: [{ type: 'text', text }], isError: !ok })
      answer.left -= 1
      return answer.left === 0 ? end(turn, runtime) : pass
    },
  }
}

/** Turns whose numbers are kept; older turns' numbers begin again. */
const maxTurns = 256

function createPiTurns() {
  const numbers = new Map<string, number>()
  return {
    next(turn: string): number {
      const index = (numbers.get(turn) ?? -1) + 1
      numbers.delete(turn)
      if (numbers.size >= maxTurns) numbers.delete(numbers.keys().next().value!)
      numbers.set(turn, index)
      return index
    },
  }
}

/** There is no terminal: a handler that wants a person to decide returns `requireApproval`, or uses a hook of Oxbow's own. */
function piContext({ signal, log }: AliasRuntime): object {
  const ui = {
    notify: (text: string) => log(text),
    confirm: async () => false,
    select: async () => undefined,
    input: async () => undefined,
    setStatus() {},
  }
  return { cwd: '/shared', hasUI: false, signal, ui, isIdle: () => false, abort() {} }
}

export const hookAliases: Aliases = { ...openClaw, ...opencode, ...pi }
