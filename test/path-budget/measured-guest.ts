/**
 * A guest with a counter: started by `path-budget.test.ts`, so that nothing else runs in its process. It sends the same prompt
 * twice over a real socket; the first turn pays for everything that is started once, the second is counted. Prints the source files
 * in which a function ran between the message and its reply, and how much work that was.
 *
 * Counted is the guest's own process. Beyond a port begins another program: the store's workers, hands, the model endpoint.
 */
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import type { Profiler } from 'node:inspector'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import { startGuest } from '../../src/guest/guest.ts'
import { createIdMaker, type SessionId, systemClock, systemRandom } from '../../src/base/index.ts'
import { protocolVersion, type ServerFrame } from '../../src/protocol/index.ts'
import type { GuestEnvelope } from '../../src/config/index.ts'

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

/** What a prompt costs, between the message and its reply. */
export interface Work {
  /** The file of each function of the product that ran, below `src/`. */
  readonly functions: readonly string[]
  /** Records that the journal got. */
  readonly records: number
  /** Calls of `JSON.stringify`. */
  readonly stringifies: number
  /** Texts and bytes that were searched for secrets. */
  readonly scans: number
  /** Transactions of the database, and the pages that they wrote. */
  readonly commits: number
  readonly pages: number
}

const searches: ReadonlySet<string> = new Set(['hide', 'hideCut', 'hideBytes', 'findUnknown'])

function workIn(scripts: readonly Profiler.ScriptCoverage[]): Pick<Work, 'functions' | 'scans'> {
  const own = scripts.filter(({ url }) => url.startsWith('file:') && fileURLToPath(url.split('?')[0] ?? url).startsWith(source))
  const ran = own.flatMap(({ url, functions }) =>
    functions
      .map(({ functionName: name, ranges }) => ({ url, name, count: ranges[0]?.count ?? 0 }))
      .filter((each) => each.name !== '' && each.count > 0),
  )
  const scans = ran.filter(({ url, name }) => /\/secrets\/(?:secret-search|unknown-secrets)\.ts/.test(url) && searches.has(name))
  return {
    functions: ran.map(({ url }) => fileURLToPath(url.split('?')[0] ?? url).slice(source.length)),
    scans: scans.reduce((sum, { count }) => sum + count, 0),
  }
}

/** @returns a function that ends counting */
function countStringifies(): () => number {
  const { stringify } = JSON
  let count = 0
  JSON.stringify = ((...given: Parameters<typeof stringify>) => {
    count += 1
    return stringify(...given)
  }) as typeof stringify
  return () => {
    JSON.stringify = stringify
    return count
  }
}

/** Of SQLite's log: a header of 32 bytes, then frames of one page each. The last one of a transaction says how large the database is. */
function written(log: Buffer): Pick<Work, 'commits' | 'pages'> {
  const frameBytes = 24 + log.readUInt32BE(8)
  const pages = Math.floor((log.length - 32) / frameBytes)
  const ends = Array.from({ length: pages }, (_, place) => log.readUInt32BE(32 + place * frameBytes + 4))
  return { commits: ends.filter((size) => size > 0).length, pages }
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

// What a start leaves for later, such as a look whether there is anything to recall, is over by then.
await delay(1_000)
await turn('first')
const databases = join(envelope.workspaceRoot, 'internal')
const log = join(
  databases,
  readdirSync(databases).find((name) => name.endsWith('-wal'))!,
)
// And so is what follows a turn: what is learned and what is indexed for recall are written some time after its reply.
for (let still = 0, bytes = -1; still < 3; still = statSync(log).size === bytes ? still + 1 : 0) {
  bytes = statSync(log).size
  await delay(500)
}
const { seq: before } = await guest.head()
const writtenBefore = written(readFileSync(log))
const inspector = new Session()
inspector.connect()
await inspector.post('Profiler.enable')
await inspector.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
const end = countStringifies()
const outcome = await turn('second')
// This program makes two itself: its message, and what it keeps of the outcome.
const stringifies = end() - 2
const { result } = await inspector.post('Profiler.takePreciseCoverage')
const writtenAfter = written(readFileSync(log))
const { seq: after } = await guest.head()
inspector.disconnect()
const work: Work = {
  ...workIn(result),
  stringifies,
  records: after - before,
  commits: writtenAfter.commits - writtenBefore.commits,
  pages: writtenAfter.pages - writtenBefore.pages,
}
process.stdout.write(`${JSON.stringify({ files: filesPassed(result), work, outcome })}\n`)

terminal.close()
await guest.close()
