/**
 * A guest with a counter: started by `path-budget.test.ts`, so that nothing else runs in its process. It sends the same prompt
 * twice over a real socket; the first turn pays for everything that is started once, the second is counted. Prints the source files
 * in which a function ran between the message and its reply.
 *
 * Counted is the guest's own process. Beyond a port begins another program: the store's workers, hands, the model endpoint.
 */
import { once } from 'node:events'
import { Session } from 'node:inspector/promises'
import type { Profiler } from 'node:inspector'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import { startGuest } from '../../src/guest/guest.ts'
import {
  createIdMaker,
  type GuestEnvelope,
  protocolVersion,
  type ServerFrame,
  type SessionId,
  systemClock,
  systemRandom,
} from '../../src/types/index.ts'

const source = fileURLToPath(new URL('../../src/', import.meta.url))
const newId = createIdMaker(systemClock, systemRandom)

/** @returns paths below `src/`, sorted. Module bodies do not count: loading a file is not passing it. */
function filesPassed(scripts: readonly Profiler.ScriptCoverage[]): readonly string[] {
  const ran = scripts.filter(
    ({ url, functions }) =>
      url.startsWith('file:') && functions.some(({ functionName, ranges }) => functionName !== '' && (ranges[0]?.count ?? 0) > 0),
  )
  const paths = ran.map(({ url }) => fileURLToPath(url.split('?')[0] ?? url))
  return [...new Set(paths.filter((path) => path.startsWith(source)).map((path) => path.slice(source.length)))].sort()
}

/** Speaks the gateway's frames, and no more of them than a turn needs. */
async function openTerminal(url: string, token: string) {
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${token}` } })
  const listeners = new Set<(frame: ServerFrame) => void>()
  socket.on('message', (data) => {
    const frame = JSON.parse((data as Buffer).toString()) as ServerFrame
    for (const listener of listeners) listener(frame)
  })
  await once(socket, 'open')
  const until = <Found>(pick: (frame: ServerFrame) => Found | undefined): Promise<Found> =>
    new Promise((resolve, reject) => {
      const listener = (frame: ServerFrame): void => {
        if (frame.type === 'error') reject(new Error(JSON.stringify(frame.payload)))
        const found = pick(frame)
        if (found === undefined) return
        listeners.delete(listener)
        resolve(found)
      }
      listeners.add(listener)
    })
  const send = (type: string, payload: object): void => socket.send(JSON.stringify({ type, payload: { request_id: newId(), ...payload } }))
  return { send, until, close: () => socket.close() }
}

const envelope = JSON.parse(process.argv[2] ?? '') as GuestEnvelope
const guest = await startGuest(envelope)
const terminal = await openTerminal(guest.url, guest.token)

terminal.send('hello', { protocol: protocolVersion, client: 'path-budget' })
await terminal.until((frame) => (frame.type === 'hello_ack' ? frame : undefined))
terminal.send('create_session', {})
const session = await terminal.until((frame) => (frame.type === 'result' ? (frame.payload.result as { id: SessionId }).id : undefined))
terminal.send('subscribe', { session, cursor: 0 })
await terminal.until((frame) => (frame.type === 'snapshot' ? frame : undefined))

/** @returns the journal's text of the turn's outcome, which names the reply. */
async function turn(text: string): Promise<string> {
  const reply = terminal.until((frame) => {
    const record = frame.type === 'record' ? frame.payload.record : undefined
    return record?.name === 'turn.send' && record.phase === 'outcome' ? JSON.stringify(record.body) : undefined
  })
  terminal.send('send_turn', { session, client_id: newId(), text })
  return reply
}

await turn('first')
const inspector = new Session()
inspector.connect()
await inspector.post('Profiler.enable')
await inspector.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
const outcome = await turn('second')
const { result } = await inspector.post('Profiler.takePreciseCoverage')
inspector.disconnect()
process.stdout.write(`${JSON.stringify({ files: filesPassed(result), outcome })}\n`)

terminal.close()
await guest.close()
