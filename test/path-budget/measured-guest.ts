/**
 * A guest with a counter: started by `path-budget.test.ts`, so that nothing else runs in its process. It sends the same prompt
 * some times over a real socket; the first turn pays for everything that is started once, the others are counted. Prints the source files
 * in which a function ran between the message and its reply, and how much work that was.
 *
 * In the background, what was said is indexed and learned, and what is held for some seconds is read again: in some turn or other, as the
 * machine is fast or slow. A turn passes what ran in each of them, and does what the least of them did.
 *
 * Counted is the guest's own process. Beyond a port begins another program: the store's workers, hands, the model endpoint.
 */
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
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

/** A function of the product that ran: its file below `src/`, its name and place, which no other has, and how often. */
interface Ran {
  readonly file: string
  readonly name: string
  readonly id: string
  readonly count: number
}

/** Module bodies do not count: loading a file is not passing it. */
function ranIn(scripts: readonly Profiler.ScriptCoverage[]): readonly Ran[] {
  return scripts.flatMap(({ url, functions }) => {
    const path = url.startsWith('file:') ? fileURLToPath(url.split('?')[0] ?? url) : ''
    if (!path.startsWith(source)) return []
    return functions
      .map(({ functionName: name, ranges: [whole] }) => ({
        file: path.slice(source.length),
        name,
        id: `${url} ${name} ${whole?.startOffset ?? 0}`,
        count: whole?.count ?? 0,
      }))
      .filter(({ name: own, count }) => own !== '' && count > 0)
  })
}

const scansIn = (ran: readonly Ran[]): number =>
  ran
    .filter(({ file, name }) => /^secrets\/(?:secret-search|unknown-secrets)\.ts$/.test(file) && searches.has(name))
    .reduce((sum, { count }) => sum + count, 0)

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
const inspector = new Session()
inspector.connect()
await inspector.post('Profiler.enable')
await inspector.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })

interface Counted extends Omit<Work, 'functions'> {
  readonly ran: readonly Ran[]
  readonly outcome: string
}

async function countedTurn(text: string): Promise<Counted> {
  const { seq } = await guest.head()
  const { commits, pages } = written(readFileSync(log))
  // What ran until now is taken off.
  await inspector.post('Profiler.takePreciseCoverage')
  const end = countStringifies()
  const outcome = await turn(text)
  // This program makes two itself: its message, and what it keeps of the outcome.
  const stringifies = end() - 2
  const ran = ranIn((await inspector.post('Profiler.takePreciseCoverage')).result)
  const after = written(readFileSync(log))
  const records = (await guest.head()).seq - seq
  return { ran, outcome, stringifies, scans: scansIn(ran), records, commits: after.commits - commits, pages: after.pages - pages }
}

const turns: Counted[] = []
for (const text of ['second', 'third', 'fourth', 'fifth', 'sixth']) turns.push(await countedTurn(text))
inspector.disconnect()
const least = (pick: (each: Counted) => number): number => Math.min(...turns.map(pick))
const [first, ...others] = turns.map(({ ran }) => ran)
const always = first!.filter(({ id }) => others.every((ran) => ran.some((each) => each.id === id)))
const work: Work = {
  functions: always.map(({ file }) => file),
  stringifies: least(({ stringifies }) => stringifies),
  scans: least(({ scans }) => scans),
  records: least(({ records }) => records),
  commits: least(({ commits }) => commits),
  pages: least(({ pages }) => pages),
}
process.stdout.write(`${JSON.stringify({ files: [...new Set(work.functions)].sort(), work, outcome: turns.at(-1)!.outcome })}\n`)

terminal.close()
await guest.close()
