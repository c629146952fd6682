/**
 * Passes tell the proxy which command a request belongs to. Each command gets one in the proxy address of its environment
 * (`http://oxbow:PASS@127.0.0.1:8118`), and programs send it with every request like any proxy password. Traffic with a pass is
 * counted for its command alone, by host, port and decision, and reaches only the hosts that the command was called with. A pass
 * does not isolate two commands of one sandbox: they share a uid, and one can read the other's environment.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { OxbowError } from '../../base/index.ts'
import { maxVisitHostCharacters, maxVisitRows } from '../limits.ts'
import { type Admit, type EgressRule, parseHosts, parseTarget, refused } from './egress-policy.ts'

export interface ProxyDeps {
  readonly admit: Admit
  /** Null when traffic is not counted. */
  readonly log: VisitLog | null
  /** @param cut called when the pass ends @returns forgets it; to be called when a connection has ended before */
  hold(cut: () => void): () => void
}

export interface EgressPass {
  /** Lower-case hex. */
  readonly token: string
  /** Its traffic until now. */
  soFar(): Promise<Visits>
  /** Revokes the pass, and ends its connections. */
  end(): Promise<Visits>
}

export interface Passes {
  /** @param hosts as in `egress.allow`, and only to narrow what the policy lets through; empty: all of that. @throws OxbowError `bad_input` */
  issue(hosts: readonly string[]): EgressPass
  /** @throws OxbowError `unauthenticated` for a request without a valid pass, once one was issued */
  holderOf(request: IncomingMessage): ProxyDeps
  /** For those who are not to use every pass. */
  some(): SomePasses
}

/** Passes that only count once they were named, for as long as they are valid. Without one nothing is let through. */
interface SomePasses extends Pick<Passes, 'holderOf'> {
  name(token: string): void
}

/** @param admit checks all requests; those before the first pass are not counted */
export function createPasses(admit: Admit): Passes {
  const holders = new Map<string, ProxyDeps>()
  let strict = false
  return {
    issue(hosts) {
      const log = createVisitLog()
      const rules = parseHosts(hosts)
      const token = randomBytes(16).toString('hex')
      strict = true
      const held = new Set<() => void>()
      let isOver = false
      const hold = (cut: () => void): (() => void) => {
        if (isOver) cut()
        else held.add(cut)
        return () => void held.delete(cut)
      }
      holders.set(token, { log, admit: rules.length === 0 ? admit : narrowed(admit, rules), hold })
      return {
        token,
        soFar: () => Promise.resolve(log.soFar()),
        end() {
          holders.delete(token)
          isOver = true
          const visits = log.soFar()
          for (const cut of held) cut()
          return Promise.resolve(visits)
        },
      }
    },
    holderOf(request) {
      const holder = holders.get(tokenOf(request))
      if (holder !== undefined) return holder
      if (!strict) return { admit, log: null, hold: () => () => undefined }
      throw noPass()
    },
    some() {
      const named = new Set<string>()
      return {
        name(token) {
          const holder = named.has(token) ? undefined : holders.get(token)
          if (holder === undefined) return
          named.add(token)
          holder.hold(() => void named.delete(token))
        },
        holderOf(request) {
          const token = tokenOf(request)
          const holder = named.has(token) ? holders.get(token) : undefined
          if (holder !== undefined) return holder
          throw noPass()
        },
      }
    },
  }
}

function tokenOf({ headers }: IncomingMessage): string {
  const [, sent = ''] = /^basic +([a-z0-9+/=]{1,200})$/i.exec(headers['proxy-authorization'] ?? '') ?? []
  return Buffer.from(sent, 'base64')
    .toString('latin1')
    .replace(/^oxbow:/, '')
}

/** Of a request that has none, and of what a pass that has ended still has under way. */
export function noPass(): OxbowError {
  return new OxbowError('unauthenticated', 'The request has no pass, or the pass of a command that has ended.', {
    hint: 'Use the proxy as http_proxy names it, with its password.',
  })
}

function narrowed(admit: Admit, rules: readonly EgressRule[]): Admit {
  return async (text, signal) => {
    const { host, port } = parseTarget(text)
    const named = rules.some((rule) => (rule.port === null || rule.port === port) && (rule.fitsName(host) || rule.fitsAddress(host)))
    if (!named) throw refused(host, port, 'it is not among the hosts that this command was called with')
    return admit(text, signal)
  }
}

/** `failed`: admitted, but the other side did not respond. */
type VisitDecision = 'reached' | 'refused' | 'failed'

export interface Visit {
  /** As requested, normalized if possible. */
  readonly host: string
  readonly port: number
  readonly decision: VisitDecision
  /** Why it was refused or failed, without addresses; empty when it was reached. */
  readonly reason: string
  readonly connections: number
  /** Bytes between the proxy and the other side, including TLS and headers. */
  readonly bytesOut: number
  readonly bytesIn: number
}

export interface Visits {
  readonly rows: readonly Visit[]
  /** Connections beyond the maximum number of rows. */
  readonly more: number
}

type Noted = Pick<Visit, 'host' | 'port' | 'decision' | 'reason'>

interface VisitLog {
  /** Records an attempt, which counts as failed until it is decided. @returns a function to call then, before `note` */
  begin(target: Pick<Visit, 'host' | 'port'>): () => void
  /** @param upstream the connection to the other side, whose bytes are counted until it closes */
  note(visit: Noted, upstream?: Socket): void
  soFar(): Visits
}

interface Row {
  readonly noted: Noted
  connections: number
  closedOut: number
  closedIn: number
  readonly live: Set<Socket>
}

const undecided = 'it had not been reached at the time of this report'

function createVisitLog(): VisitLog {
  const rows = new Map<string, Row>()
  /** Undecided. */
  const open = new Set<Noted>()
  let more = 0
  const shortened = <Target extends Pick<Visit, 'host'>>(target: Target): Target => ({
    ...target,
    host: target.host.slice(0, maxVisitHostCharacters),
  })
  return {
    begin(target) {
      const noted: Noted = { ...shortened(target), decision: 'failed', reason: undecided }
      open.add(noted)
      return () => void open.delete(noted)
    },
    note(visit, upstream) {
      const row = rowOf(rows, shortened(visit))
      if (row === null) more += 1
      else if (upstream !== undefined) countBytes(row, upstream)
    },
    soFar() {
      // The name of an undecided attempt may already have left in a DNS query.
      const shown = new Map(rows)
      const unseen = [...open].filter((noted) => rowOf(shown, noted) === null).length
      return { rows: [...shown.values()].map(toVisit), more: more + unseen }
    },
  }
}

/** Counts one more. @returns its row; null if the table is full */
function rowOf(rows: Map<string, Row>, noted: Noted): Row | null {
  const key = JSON.stringify([noted.host, noted.port, noted.decision, noted.reason])
  const row = rows.get(key) ?? { noted, connections: 0, closedOut: 0, closedIn: 0, live: new Set() }
  if (rows.size >= maxVisitRows && !rows.has(key)) return null
  rows.set(key, row)
  row.connections += 1
  return row
}

function countBytes(row: Row, upstream: Socket): void {
  row.live.add(upstream)
  upstream.once('close', () => {
    row.live.delete(upstream)
    row.closedOut += upstream.bytesWritten
    row.closedIn += upstream.bytesRead
  })
}

function toVisit({ noted, connections, closedOut, closedIn, live }: Row): Visit {
  const sum = (start: number, of: (socket: Socket) => number): number => [...live].reduce((total, one) => total + of(one), start)
  const bytesOut = sum(closedOut, (socket) => socket.bytesWritten)
  const bytesIn = sum(closedIn, (socket) => socket.bytesRead)
  return { ...noted, connections, bytesOut, bytesIn }
}
