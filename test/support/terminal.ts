/**
 * A bare terminal: a WebSocket that sends frames as they are given, good and bad ones, and keeps all that it is sent. Tests
 * that ask what a wrong terminal is told cannot use the client, which makes no wrong frames.
 */
import { WebSocket } from 'ws'
import { type GuestStatus, protocolVersion, type RecordView, type ServerFrame } from '../../src/protocol/index.ts'
import { inTime } from './patience.ts'
import { type TestWorkspace, tokenOf } from './workspace.ts'

export type Answer = Extract<ServerFrame, { type: 'hello_ack' | 'ack' | 'result' | 'error' | 'snapshot' }>

export interface Terminal extends Disposable {
  readonly status: GuestStatus
  /** All that was received, in order. */
  readonly frames: readonly ServerFrame[]
  /** Sends a frame and resolves with its one answer. Rejects when the connection ends first. */
  ask(type: string, payload: object): Promise<Answer>
  /** @returns the payload of the answer. @throws when it is not of this type. */
  expect<Type extends Answer['type']>(answer: Type, type: string, payload: object): Promise<Extract<Answer, { type: Type }>['payload']>
  /** Resolves with the first frame, also an earlier one, that fits. Rejects when the connection ends first. */
  frame<Found extends ServerFrame>(fits: (frame: ServerFrame) => frame is Found): Promise<Found>
  frame(fits: (frame: ServerFrame) => boolean): Promise<ServerFrame>
  /** Resolves with the first record, also an earlier one, that fits. */
  record(fits: (record: RecordView) => boolean): Promise<RecordView>
  sendRaw(data: string | Buffer): void
  /** Resolves with the close code. */
  readonly closed: Promise<number>
}

/** @throws when the gateway does not let it in; `refusal` of the error holds status and body. */
export async function openTerminal(url: string, workspace: Pick<TestWorkspace, 'root'>): Promise<Terminal> {
  const socket = await openSocket(url, tokenOf(workspace))
  const frames: ServerFrame[] = []
  const watchers = new Set<{ look(frame: ServerFrame): unknown; end(): void }>()
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  void closed.then(() => watchers.forEach((watcher) => watcher.end()))
  socket.on('error', () => {})
  socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as ServerFrame
    frames.push(frame)
    for (const watcher of watchers) watcher.look(frame)
  })
  const frame = (fits: (frame: ServerFrame) => boolean): Promise<ServerFrame> => {
    const found = frames.find(fits)
    if (found !== undefined) return Promise.resolve(found)
    if (socket.readyState === WebSocket.CLOSED) return Promise.reject(new ConnectionEnded())
    const wanted = Promise.withResolvers<ServerFrame>()
    const watcher = {
      look: (candidate: ServerFrame) => fits(candidate) && wanted.resolve(candidate),
      end: () => wanted.reject(new ConnectionEnded()),
    }
    watchers.add(watcher)
    return inTime(wanted.promise, () => `a frame that fits; the last ones: ${lastOf(frames)}`).finally(() => watchers.delete(watcher))
  }
  let asked = 0
  const ask: Terminal['ask'] = (type, payload) => {
    const id = `r${(asked += 1)}`
    socket.send(JSON.stringify({ type, payload: { request_id: id, ...payload } }))
    return frame((candidate) => 'request_id' in candidate.payload && candidate.payload.request_id === id) as Promise<Answer>
  }
  const expect: Terminal['expect'] = async (wanted, type, payload) => {
    const answer = await ask(type, payload)
    if (answer.type !== wanted) throw new Error(`${type} was answered with ${JSON.stringify(answer)}`)
    return answer.payload as never
  }
  const hello = await expect('hello_ack', 'hello', { protocol: protocolVersion, client: 'test' })
  const record: Terminal['record'] = async (fits) => {
    const isThat = (candidate: ServerFrame): boolean => candidate.type === 'record' && fits(candidate.payload.record)
    return ((await frame(isThat)) as Extract<ServerFrame, { type: 'record' }>).payload.record
  }
  return {
    record,
    status: hello.status,
    frames,
    ask,
    expect,
    frame,
    sendRaw: (data) => socket.send(data),
    closed,
    [Symbol.dispose]: () => socket.terminate(),
  }
}

function lastOf(frames: readonly ServerFrame[]): string {
  return frames
    .slice(-shownFrames)
    .map((sent) => JSON.stringify(sent).slice(0, shownChars))
    .join('\n')
}

const shownFrames = 8
const shownChars = 400

/** The guest went, or hung up, while something was waited for. */
export class ConnectionEnded extends Error {
  override readonly name = 'ConnectionEnded'
}

export interface Refusal {
  readonly status: number
  readonly body: string
}

/** @throws ConnectionEnded, or the refusal of the gateway as `cause` of an error. */
export function openSocket(url: string, token: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${token}` } })
  return new Promise((resolve, reject) => {
    socket.once('open', () => {
      socket.off('error', reject)
      resolve(socket)
    })
    socket.once('error', () => reject(new ConnectionEnded()))
    socket.once('unexpected-response', (_, response) => {
      let body = ''
      response.on('data', (bytes: Buffer) => (body += bytes.toString()))
      response.on('close', () => {
        socket.terminate()
        if (!response.complete) return reject(new ConnectionEnded())
        reject(new Error('refused', { cause: { status: response.statusCode ?? 0, body } satisfies Refusal }))
      })
    })
  })
}
