/** What went through the proxy by one pass. Connections are counted by host, port and decision. */
import type { Socket } from 'node:net'
import { maxVisitHostCharacters, maxVisitRows } from '../../limits.ts'

/** `failed`: it was let through, and the other side did not answer. */
type VisitDecision = 'reached' | 'refused' | 'failed'

export interface Visit {
  /** As it was asked for, in one spelling where it has one. */
  readonly host: string
  readonly port: number
  readonly decision: VisitDecision
  /** Why it was refused or failed, without addresses; empty when it was reached. */
  readonly reason: string
  readonly connections: number
  /** As the proxy and the other side exchanged them; TLS and headers count. */
  readonly bytesOut: number
  readonly bytesIn: number
}

export interface Visits {
  readonly rows: readonly Visit[]
  /** Connections that found no room in the rows. */
  readonly more: number
}

type Noted = Pick<Visit, 'host' | 'port' | 'decision' | 'reason'>

export interface VisitLog {
  /** What is being looked up or connected to: told as failed until it is decided. @returns called when it is, before `note` */
  begin(asked: Pick<Visit, 'host' | 'port'>): () => void
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

const undecided = 'it had not been reached when this was told'

export function createVisitLog(): VisitLog {
  const rows = new Map<string, Row>()
  /** Not decided yet. */
  const open = new Set<Noted>()
  let more = 0
  const shortened = <Asked extends Pick<Visit, 'host'>>(asked: Asked): Asked => ({
    ...asked,
    host: asked.host.slice(0, maxVisitHostCharacters),
  })
  return {
    begin(asked) {
      const noted: Noted = { ...shortened(asked), decision: 'failed', reason: undecided }
      open.add(noted)
      return () => void open.delete(noted)
    },
    note(visit, upstream) {
      const row = rowOf(rows, shortened(visit))
      if (row === null) more += 1
      else if (upstream !== undefined) countBytes(row, upstream)
    },
    soFar() {
      // The name of one that is not decided may have left already with the question for its address.
      const shown = new Map(rows)
      const unseen = [...open].filter((noted) => rowOf(shown, noted) === null).length
      return { rows: [...shown.values()].map(toVisit), more: more + unseen }
    },
  }
}

/** @returns where it is counted, one more from now on; null where there is no room for another row */
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
