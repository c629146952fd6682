/**
 * What every Model must do, whatever is behind it. An implementation hands in a request for each situation; where it cannot
 * be brought into one it says why, and the case is shown as skipped with that reason.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { GenerateRequest, Model, ModelEvent, SentRequest } from '../protocol/index.ts'
import { userMessage } from '../protocol/index.ts'

export interface ContractSubject {
  readonly model: Model
  /** Leads to a plain answer. */
  readonly text: GenerateRequest
  /** Leads to at least one tool call. */
  readonly toolCall: GenerateRequest | { readonly cannot: string }
  /** Fails after some text. */
  readonly failure: GenerateRequest | { readonly cannot: string }
  /** Says something and then never ends by itself. */
  readonly endless: GenerateRequest | { readonly cannot: string }
  close(): Promise<void>
}

export function requestOf(text: string, more: Partial<GenerateRequest> = {}): GenerateRequest {
  return { model: 'test', system: 'Be brief.', messages: [userMessage(text)], tools: [], maxOutputTokens: 100, ...more }
}

/** @returns all events of one generation, in order. */
export async function collect(model: Model, request: GenerateRequest, signal?: AbortSignal): Promise<ModelEvent[]> {
  const events: ModelEvent[] = []
  for await (const batch of model.generate(request, signal ?? new AbortController().signal)) events.push(...batch)
  return events
}

export function textOfEvents(events: readonly ModelEvent[]): string {
  return events.map((event) => (event.type === 'text' ? event.text : '')).join('')
}

export function describeModelContract(name: string, make: () => Promise<ContractSubject>): void {
  const check = (title: string, pick: (subject: ContractSubject) => GenerateRequest | { cannot: string }, run: Check): void => {
    void it(title, async (test) => {
      const subject = await make()
      try {
        const request = pick(subject)
        if ('cannot' in request) test.skip(request.cannot)
        else await run(subject.model, request)
      } finally {
        await subject.close()
      }
    })
  }
  void describe(`${name} keeps the model contract`, () => {
    check('an answer is text and then exactly one finish, in batches that are never empty', (s) => s.text, plainAnswer)
    check('tool calls come whole, and the finish says so', (s) => s.toolCall, wholeToolCalls)
    check('a failure is the last event and names a code and a hint', (s) => s.failure, failureIsLast)
    check('an abort ends a running answer with cancelled', (s) => s.endless, abortEnds)
    check('an abort before the start gives cancelled and nothing else', (s) => s.text, abortBefore)
    check('a reader may leave in the middle', (s) => s.endless, leaveEarly)
    check('two generations at once do not mix', (s) => s.text, twoAtOnce)
  })
}

type Check = (model: Model, request: GenerateRequest) => Promise<void>

/** Exactly one terminal event, at the end. */
function assertEndsOnce(events: readonly ModelEvent[]): ModelEvent {
  const places = events.flatMap((event, place) => (event.type === 'finish' || event.type === 'error' ? [place] : []))
  assert.deepEqual(places, [events.length - 1])
  return events.at(-1)!
}

const plainAnswer: Check = async (model, request) => {
  const events: ModelEvent[] = []
  for await (const batch of model.generate(request, new AbortController().signal)) {
    assert.notEqual(batch.length, 0)
    events.push(...batch)
  }
  const last = assertEndsOnce(events)
  assert.equal(last.type === 'finish' && last.reason, 'stop')
  assert.notEqual(textOfEvents(events), '')
}

const wholeToolCalls: Check = async (model, request) => {
  const events = await collect(model, request)
  const last = assertEndsOnce(events)
  assert.equal(last.type === 'finish' && last.reason, 'tool_calls')
  const calls = events.flatMap((event) => (event.type === 'tool_call' ? [event.call] : []))
  assert.notEqual(calls.length, 0)
  for (const call of calls) {
    assert.match(call.name, /^\w+$/)
    assert.notEqual(call.id, '')
    assert.equal(typeof JSON.parse(call.arguments), 'object')
  }
}

const failureIsLast: Check = async (model, request) => {
  const events = await collect(model, request)
  const last = assertEndsOnce(events)
  assert.ok(last.type === 'error', 'the last event is an error')
  assert.match(last.failure.code, /^model_/)
  assert.notEqual(last.failure.hint, '')
  assert.equal(
    events.some((event) => event.type === 'tool_call'),
    false,
  )
}

const abortEnds: Check = async (model, request) => {
  const control = new AbortController()
  const events: ModelEvent[] = []
  for await (const batch of model.generate(request, control.signal)) {
    events.push(...batch)
    control.abort()
  }
  const last = assertEndsOnce(events)
  assert.equal(last.type === 'error' && last.failure.code, 'cancelled')
}

const abortBefore: Check = async (model, request) => {
  const events = await collect(model, request, AbortSignal.abort())
  assert.equal(events.length, 1)
  const last = assertEndsOnce(events)
  assert.equal(last.type === 'error' && last.failure.code, 'cancelled')
}

const leaveEarly: Check = async (model, request) => {
  let batches = 0
  for await (const batch of model.generate(request, new AbortController().signal)) {
    batches += batch.length > 0 ? 1 : 0
    break
  }
  assert.equal(batches, 1)
}

const twoAtOnce: Check = async (model, request) => {
  const alone = await collect(model, request)
  const both = await Promise.all([collect(model, request), collect(model, request)])
  assert.deepEqual(both.map(textOfEvents), [textOfEvents(alone), textOfEvents(alone)])
}

export interface RawExchange extends SentRequest {
  readonly status: number
  readonly response: Buffer
}

/** @returns an `onExchange` that passes on each exchange when it is over */
export function collectExchanges(took: (exchange: RawExchange) => void): NonNullable<GenerateRequest['onExchange']> {
  return (sent) => {
    const pieces: Uint8Array[] = []
    return { take: (bytes) => void pieces.push(bytes), end: (status) => took({ ...sent, status, response: Buffer.concat(pieces) }) }
  }
}
