/** An endpoint on loopback that answers each request as it is told, whatever the protocol, and keeps what it was asked. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  /** With its query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface PlainAnswer {
  /** Unset: 200. */
  readonly status?: number
  /** Go over `content-type`: an event stream for 200, else JSON. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** After the body: the regular end (unset), a dropped connection, or this text again and again until the client goes. */
  readonly after?: 'end' | 'drop' | { readonly repeat: string }
}

export interface PlainEndpoint extends AsyncDisposable {
  /** Scheme, host and port. */
  readonly origin: string
  readonly asked: readonly Asked[]
  /** Resolves when it was asked so often. */
  reached(count: number): Promise<void>
}

/** @param answerTo is told the request and its place, from 0; `nothing`: the connection stays open without a byte */
export async function startEndpoint(answerTo: (asked: Asked, place: number) => PlainAnswer | 'nothing'): Promise<PlainEndpoint> {
  const asked: Asked[] = []
  const waiting: { readonly count: number; readonly resolve: () => void }[] = []
  const choose: Choose = (request) => {
    const place = asked.push(request) - 1
    for (const { count, resolve } of waiting) if (asked.length >= count) resolve()
    return answerTo(request, place)
  }
  const server = process.getBuiltinModule('node:http').createServer((incoming, outgoing) => void answer(incoming, outgoing, choose))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    reached: (count) => new Promise((resolve) => void (asked.length >= count ? resolve() : waiting.push({ count, resolve }))),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

type Choose = (asked: Asked) => PlainAnswer | 'nothing'

async function answer(incoming: IncomingMessage, outgoing: ServerResponse, choose: Choose): Promise<void> {
  const read: Buffer[] = []
  try {
    for await (const piece of incoming) read.push(piece as Buffer)
  } catch {
    return // The client went away before it had asked.
  }
  const asked = { path: incoming.url ?? '', headers: incoming.headers, body: Buffer.concat(read).toString() }
  const chosen = choose(asked)
  if (chosen === 'nothing') return
  const { status = 200, headers, body = '', after = 'end' } = chosen
  outgoing.writeHead(status, { 'content-type': status === 200 ? 'text/event-stream' : 'application/json', ...headers })
  if (after === 'end') return void outgoing.end(body)
  const write = (text: string): Promise<void> => new Promise((resolve) => outgoing.write(text, () => resolve()))
  if (body !== '') await write(body)
  if (after === 'drop') return void outgoing.destroy()
  // Each piece leaves before the next one is made; the client's end of the connection ends it.
  while (!outgoing.destroyed) {
    await write(after.repeat)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
