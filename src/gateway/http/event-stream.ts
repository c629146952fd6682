/**
 * Server-sent events: what happens in the guest (`/events`, as `events.next` gives it), or in one session with its answers as they are
 * written (`?session=`). Each has the id of its record, with which a client continues after a break (`Last-Event-ID`).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Kernel, KernelEvent } from '../../kernel/index.ts'
import { isUuid, type Json, OxbowError, type SessionId } from '../../base/index.ts'
import { maxStreamBytes, retryAfterStopS, streamPingMs } from '../limits.ts'

interface Stream {
  readonly kernel: Kernel
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  /** Aborted when the gateway closes: clients come back by themselves. */
  readonly closing: AbortSignal
}

/** Resolves when the stream ends. @throws OxbowError before the first event */
export async function streamEvents({ kernel, request, response, url, closing }: Stream): Promise<void> {
  const given = request.headers['last-event-id'] ?? url.searchParams.get('after')
  const after = given === null || given === undefined ? null : Number(given)
  if (after !== null && (!Number.isSafeInteger(after) || after < 0))
    throw new OxbowError('bad_input', 'Last-Event-ID must be the id of an event.', { hint: 'Leave it out for what happens from now on.' })
  const session = url.searchParams.get('session')
  const writer = createWriter(response, closing)
  try {
    await (session === null
      ? streamBus(kernel, writer, after, url.searchParams.getAll('kind'))
      : streamSession(kernel, writer, session, after))
  } finally {
    writer.end()
  }
}

interface Writer {
  /** Sends an event; the first one sends the headers. */
  event(kind: string, data: Json, id?: number): void
  /** Sends the headers. */
  open(): void
  readonly closed: AbortSignal
  end(): void
}

function createWriter(response: ServerResponse, closing: AbortSignal): Writer {
  const leaving = new AbortController()
  response.once('close', () => leaving.abort())
  const open = (): void => {
    if (!response.headersSent)
      response
        .writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
        .flushHeaders()
  }
  const write = (text: string): void => {
    open()
    // A reader that is too slow continues with its Last-Event-ID.
    if (response.writableLength > maxStreamBytes) response.destroy()
    else if (!leaving.signal.aborted) response.write(text)
  }
  const leave = (): void => {
    write(`retry: ${retryAfterStopS * 1_000}\n\n`)
    leaving.abort()
    response.end()
  }
  closing.addEventListener('abort', leave, { once: true })
  const ping = setInterval(() => {
    if (response.headersSent) write(':\n\n')
  }, streamPingMs)
  return {
    open,
    event: (kind, data, id) => write(`${id === undefined ? '' : `id: ${id}\n`}event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`),
    closed: leaving.signal,
    end() {
      clearInterval(ping)
      closing.removeEventListener('abort', leave)
      if (response.headersSent) response.end()
    },
  }
}

async function streamBus(kernel: Kernel, writer: Writer, after: number | null, kinds: readonly string[]): Promise<void> {
  let cursor = after
  while (!writer.closed.aborted) {
    const input = { kinds: [...kinds], wait_s: cursor === null ? 0 : busWaitS, ...(cursor !== null && { after: cursor }) }
    const outcome = await kernel.call('events.next', input)
    if (outcome.status !== 'ok') throw new OxbowError(outcome.failure.code, outcome.failure.message, { hint: outcome.failure.hint })
    writer.open()
    for (const event of outcome.output.events) writer.event(event.kind, event, event.seq)
    cursor = outcome.output.cursor
  }
}

/** One wait of `events.next`: a client that has gone is noticed after it. */
const busWaitS = 20

async function streamSession(kernel: Kernel, writer: Writer, session: string, after: number | null): Promise<void> {
  if (!isUuid(session))
    throw new OxbowError('bad_input', 'session must be the id of a session.', { hint: 'GET /api/v1/sessions lists them.' })
  const listener = (event: KernelEvent): void => {
    const { type, ...data } = event
    if (event.type === 'record') writer.event('record', event.record, event.record.seq)
    else writer.event(type, data)
  }
  const stop = await kernel.follow(session as SessionId, after ?? 0, listener, { leaving: writer.closed })
  writer.open()
  try {
    if (!writer.closed.aborted) await new Promise((resolve) => writer.closed.addEventListener('abort', resolve, { once: true }))
  } finally {
    stop()
  }
}
