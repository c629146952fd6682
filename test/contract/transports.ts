/** The five ways to a guest, each as the programs that use it have it, behind one port. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Client as McpClient, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import OpenAI from 'openai'
import { connect } from '../../src/client/index.ts'
import type { Guest } from '../../src/guest/guest.ts'
import type { Kernel } from '../../src/kernel/index.ts'
import { type CallId, isObject, type JsonObject, OxbowError, type SessionId } from '../../src/base/index.ts'
import type { RecordView, SentFile } from '../../src/protocol/index.ts'
import type { TransportName } from './requirements.ts'

export interface Message {
  readonly text: string
  readonly session?: string
  /** The same id is the same message. */
  readonly id?: string
  readonly file?: SentFile
  readonly onText?: (text: string) => void
  /** Called when the turn is known. */
  readonly onStarted?: (session: string) => void
  /** The program leaves. */
  readonly leaving?: AbortSignal
}

export interface Answered {
  readonly session: string
  readonly reply: string
}

/** A program with a key. Every method throws an OxbowError with the code of the failure. */
export interface Terminal {
  say(message: Message): Promise<Answered>
  /** Waits for the reply of a message that was sent before. */
  resume(session: string, id: string): Promise<Answered>
  cancel?(session: string): Promise<void>
  decide?(call: string, allow: boolean): Promise<void>
  /** Records behind the cursor, until now. */
  past?(session: string, cursor: number): Promise<readonly RecordView[]>
  sessions?(limit: number): Promise<readonly string[]>
  close(): Promise<void>
}

export type Transport = (guest: Guest, key: string) => Promise<Terminal>

export const drivers: Readonly<Record<TransportName, Transport>> = {
  websocket: overWebSocket,
  http: overHttp,
  openai: overOpenAi,
  mcp: overMcp,
  'in-process': inProcess,
}

/** An event of a session, of whatever transport. */
interface SessionEvent {
  readonly type: string
  readonly record?: RecordView
  readonly text?: string
}
type Follow = (session: SessionId, cursor: number, listener: (event: SessionEvent) => void) => Promise<() => void>

interface Expected {
  readonly session: SessionId
  readonly turn: string
  readonly cursor: number
}

/** Waits for the end of a turn among the events of its session. @throws OxbowError as the turn failed */
async function ended(follow: Follow, { session, turn, cursor }: Expected, onText?: (text: string) => void): Promise<Answered> {
  const done = Promise.withResolvers<JsonObject>()
  let text = ''
  const show = (piece = ''): void => {
    text += piece
    if (piece !== '') onText?.(piece)
  }
  const stop = await follow(session, cursor, (event) => {
    if (event.type === 'text' || event.type === 'delta' || event.type === 'snapshot') show(event.text)
    const { name, phase, call, body } = event.record ?? {}
    if (!isObject(body) || phase !== 'outcome') return
    // What was written before this follower came.
    if (name === 'model.generate' && text === '') show(textOf(body['message']))
    if (name === 'turn.send' && call === turn) done.resolve(body)
  })
  const body = await done.promise.finally(stop)
  if (typeof body['into'] === 'string') return ended(follow, { session, turn: body['into'], cursor: 0 })
  return replied({ ...body, session })
}

function textOf(message: unknown): string {
  const parts = isObject(message) ? (message['parts'] as readonly { readonly type: string; readonly text?: string }[]) : []
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

async function overWebSocket(guest: Guest, key: string): Promise<Terminal> {
  const client = await connect({ url: guest.url, token: key, client: 'contract', reconnect: false })
  const follow: Follow = async (session, cursor, listener) => {
    const following = await client.follow(session, cursor, listener)
    return () => following.stop()
  }
  return {
    async say({ text, session: given, id, file, onText, onStarted }) {
      const session = (given as SessionId | undefined) ?? (await client.createSession()).id
      const attachments = file === undefined ? {} : { attachments: [file] }
      const sent = await client.sendTurn({ session, text, ...attachments, ...(id !== undefined && { clientId: id as CallId }) })
      onStarted?.(session)
      return ended(follow, { session, turn: sent.turn, cursor: sent.cursor }, onText)
    },
    resume: (session, turn) => ended(follow, { session: session as SessionId, turn, cursor: 0 }),
    cancel: async (session) => void (await client.cancelTurn(session as SessionId)),
    decide: async (call, allow) => void (await client.approve(call as CallId, allow)),
    async past(session, cursor) {
      const records: RecordView[] = []
      ;(await client.follow(session as SessionId, cursor, (event) => void (event.type === 'record' && records.push(event.record)))).stop()
      return records
    },
    sessions: async (limit) => (await client.listSessions(limit)).map(({ id }) => id),
    close: () => client.close(),
  }
}

async function inProcess(guest: Guest, key: string): Promise<Terminal> {
  const kernel: Kernel = key === guest.token ? guest.kernel : await guest.kernel.withKey(key)
  const follow: Follow = (session, cursor, listener) => kernel.follow(session, cursor, listener)
  return {
    async say({ text, session: given, id, file, onText, onStarted }) {
      const session = (given as SessionId | undefined) ?? (await kernel.createSession()).id
      const attachments = file === undefined ? [] : [file]
      const sent = await kernel.sendTurn({ session, text, attachments, clientId: (id ?? randomUUID()) as CallId })
      onStarted?.(session)
      return ended(follow, { session, turn: sent.turn, cursor: sent.cursor }, onText)
    },
    resume: (session, turn) => ended(follow, { session: session as SessionId, turn, cursor: 0 }),
    cancel: async (session) => void (await kernel.cancelTurn(session as SessionId)),
    decide: async (call, allow) => void (await kernel.approve(call as CallId, allow)),
    async past(session, cursor) {
      const records: RecordView[] = []
      ;(await kernel.follow(session as SessionId, cursor, (event) => void (event.type === 'record' && records.push(event.record))))()
      return records
    },
    sessions: async (limit) => (await kernel.listSessions(limit)).map(({ id }) => id),
    close: async () => {},
  }
}

/** @returns the address of the guest over HTTP */
export function originOf({ url }: Guest): string {
  return url.replace('ws:', 'http:').replace('/ws', '')
}

async function overHttp(guest: Guest, key: string): Promise<Terminal> {
  const ask = async (method: string, path: string, body?: object, headers: object = {}): Promise<any> => {
    const response = await fetch(`${originOf(guest)}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
    })
    const answer: any = await response.json()
    if (!response.ok) throw new OxbowError(answer.code, answer.detail, { hint: answer.hint })
    return answer
  }
  const follow: Follow = async (session, cursor, listener) => {
    const stop = new AbortController()
    const headers = { authorization: `Bearer ${key}`, 'last-event-id': String(cursor) }
    const stream = await fetch(`${originOf(guest)}/api/v1/events?session=${session}`, { headers, signal: stop.signal })
    const read = async (): Promise<void> => {
      let rest = ''
      for await (const piece of stream.body!.pipeThrough(new TextDecoderStream())) {
        const blocks = (rest + piece).split('\n\n')
        rest = blocks.pop()!
        for (const block of blocks) {
          const [, type = '', data = 'null'] = /^event: (\w+)\ndata: (.*)$/m.exec(block) ?? []
          listener(type === 'record' ? { type, record: JSON.parse(data) } : { ...JSON.parse(data), type })
        }
      }
    }
    read().catch(() => {})
    return () => stop.abort()
  }
  return {
    async say({ text, session: given, id, file, onText, onStarted }) {
      const session: string = given ?? (await ask('POST', '/sessions', {})).id
      const repeat = { 'idempotency-key': id ?? randomUUID() }
      const message = { text, ...(file !== undefined && { attachments: [file] }) }
      if (onText === undefined && onStarted === undefined)
        return decided(() => ask('POST', `/sessions/${session}/messages`, message, repeat))
      const { turn } = await ask('POST', `/sessions/${session}/messages`, message, { ...repeat, prefer: 'respond-async' })
      onStarted?.(session)
      return ended(follow, { session: session as SessionId, turn, cursor: 0 }, onText)
    },
    // The request is repeated with its key.
    resume: (session, id) => decided(() => ask('POST', `/sessions/${session}/messages`, { text: 'note' }, { 'idempotency-key': id })),
    cancel: async (session) => void (await ask('POST', `/sessions/${session}/cancel`, {})),
    decide: async (call, allow) => void (await ask('POST', `/approvals/${call}`, { allow })),
    async past(session, cursor) {
      const records: RecordView[] = []
      const now = Promise.withResolvers<void>()
      const stop = await follow(session as SessionId, cursor, ({ type, record }) => {
        if (record !== undefined) records.push(record)
        else if (type === 'snapshot') now.resolve()
      })
      await now.promise.finally(stop)
      return records
    },
    sessions: async (limit) => (await ask('GET', `/sessions?limit=${limit}`)).items.map(({ id }: { id: string }) => id),
    close: async () => {},
  }
}

/** Asks again with the same key while the turn waits for a person. */
async function decided(ask: () => Promise<any>): Promise<Answered> {
  for (;;) {
    const body = await ask()
    if (body.status !== 'waiting') return replied(body)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function replied(body: any): Answered {
  if (isObject(body.failure)) throw new OxbowError(body.failure['code'] as 'cancelled', String(body.failure['message']), { hint: '' })
  return { session: body.session, reply: body.reply }
}

/** Responses: a session is the response that is continued. */
async function overOpenAi(guest: Guest, key: string): Promise<Terminal> {
  const client = new OpenAI({ apiKey: key, baseURL: `${originOf(guest)}/v1`, maxRetries: 0 })
  const resume = async (response: string): Promise<Answered> => {
    for (;;) {
      const made = await client.responses.retrieve(response)
      if (made.status === 'completed') return { session: made.id, reply: made.output_text }
      assert.equal(made.status, 'in_progress')
    }
  }
  return {
    resume,
    async say({ text, session, id, file, onText, onStarted, leaving }) {
      const content = [
        { type: 'input_text' as const, text },
        ...(file === undefined || 'pieces' in file
          ? []
          : [{ type: 'input_image' as const, detail: 'auto' as const, image_url: `data:${file.media_type};base64,${file.data}` }]),
      ]
      const request = { model: 'oxbow', input: [{ role: 'user' as const, content }], previous_response_id: session ?? null }
      const options = { ...(leaving && { signal: leaving }), ...(id !== undefined && { headers: { 'idempotency-key': id } }) }
      try {
        if (onText === undefined && onStarted === undefined) {
          const made = await client.responses.create(request, options)
          // It waits for a person.
          return made.status === 'in_progress' ? await resume(made.id) : { session: made.id, reply: made.output_text }
        }
        let last: Answered | null = null
        for await (const event of await client.responses.create({ ...request, stream: true }, options)) {
          if (event.type === 'response.created') onStarted?.(event.response.id)
          if (event.type === 'response.output_text.delta') onText?.(event.delta)
          if (event.type === 'response.completed') last = { session: event.response.id, reply: outputText(event.response) }
          if (event.type === 'response.failed')
            throw new OxbowError((event.response.error?.code as 'cancelled' | undefined) ?? 'cancelled', '', { hint: '' })
        }
        if (last === null) throw new OxbowError('cancelled', 'The stream ended.', { hint: '' })
        return last
      } catch (error) {
        if (error instanceof OpenAI.APIUserAbortError) throw new OxbowError('cancelled', error.message, { hint: '' })
        if (error instanceof OpenAI.APIError) throw new OxbowError(error.code as 'cancelled', error.message, { hint: '' })
        throw error
      }
    },
    close: async () => {},
  }
}

function outputText({ output }: OpenAI.Responses.Response): string {
  const parts = output.flatMap((item) => (item.type === 'message' ? item.content : []))
  return parts.map((part) => (part.type === 'output_text' ? part.text : '')).join('')
}

/** Keys in place of the tokens of guests, which MCP does not take; a guest keeps them over restarts. */
const ownersKeys: string[] = []

async function ownersKey({ kernel }: Guest): Promise<string> {
  for (const key of ownersKeys) if (await kernel.withKey(key).then(Boolean, () => false)) return key
  const made = await kernel.call('key.create', { name: 'contract', rights: ['*'] })
  assert.ok(made.status === 'ok')
  const { key } = made.output as { readonly key: string }
  ownersKeys.push(key)
  return key
}

/** The tools `turn_send` and `call_result`. */
async function overMcp(guest: Guest, given: string): Promise<Terminal> {
  const key = given === guest.token ? await ownersKey(guest) : given
  const client = new McpClient({ name: 'contract', version: '1' })
  const requestInit = { headers: { authorization: `Bearer ${key}` } }
  const typed = async <Result>(work: Promise<Result>): Promise<Result> => {
    try {
      return await work
    } catch (error) {
      const { data, message } = error as { readonly data?: { readonly code?: string; readonly text?: string }; readonly message: string }
      const said = data?.text === undefined ? data : JSON.parse(data.text).error.data
      throw new OxbowError((said?.code as 'cancelled' | undefined) ?? 'cancelled', message, { hint: '' })
    }
  }
  await typed(client.connect(new StreamableHTTPClientTransport(new URL(`${originOf(guest)}/mcp`), { requestInit })))
  const call = async (name: string, input: object, options: object = {}): Promise<any> => {
    const result: any = await typed(client.callTool({ name, arguments: { ...input } }, options))
    const { _meta: meta } = result
    const { 'oxbow/status': status, 'oxbow/call': id, 'oxbow/code': code } = meta
    if (status === 'waiting' || status === 'running') return call('call_result', { call: id }, options)
    if (result.isError === true) throw new OxbowError(code, result.content[0].text, { hint: '' })
    return result
  }
  const answered = ({ content, _meta: meta }: any): Answered => ({ session: meta['oxbow/session'], reply: content[0].text })
  return {
    async say({ text, session, id, file, onText, onStarted, leaving }) {
      const input = { text, ...(session && { session }), ...(id && { id }), ...(file && { attachments: [file] }) }
      const onprogress = ({ message = '' }: { readonly message?: string | undefined }): void => onText?.(message)
      onStarted?.('')
      return answered(await call('turn_send', input, { ...(onText && { onprogress }), ...(leaving && { signal: leaving }) }))
    },
    resume: async (_, id) => answered(await call('call_result', { call: id })),
    sessions: async (limit) => JSON.parse((await call('session_list', { limit })).content[0].text).map(({ id }: { id: string }) => id),
    close: () => client.close(),
  }
}
