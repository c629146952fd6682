/**
 * What went through the proxy while somebody watched. Connections are counted by host, port and decision; whoever watches gets
 * what was begun between start and end of the watch, as the proxy serves whole sandboxes and not single commands.
 */
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

export interface VisitWatch {
  /** What was begun since the start of the watch. It goes on until `end`. */
  soFar(): Visits
  end(): Visits
}

type Noted = Pick<Visit, 'host' | 'port' | 'decision' | 'reason'>

export interface VisitLog {
  /** What is being looked up or connected to: told as failed until it is decided. @returns called when it is, before `note` */
  begin(asked: Pick<Visit, 'host' | 'port'>): () => void
  /** @param upstream the connection to the other side, whose bytes are counted until it closes */
  note(visit: Noted, upstream?: Socket): void
  watch(): VisitWatch
}

interface Row {
  readonly noted: Noted
  connections: number
  closedOut: number
  closedIn: number
  readonly live: Set<Socket>
}

interface Table {
  readonly rows: Map<string, Row>
  /** Not decided yet. */
  readonly open: Set<Noted>
  more: number
}

const undecided = 'it had not been reached when this was told'

export function createVisitLog(): VisitLog {
  const tables = new Set<Table>()
  return {
    begin({ host, port }) {
      const noted = { host: host.slice(0, maxVisitHostCharacters), port, decision: 'failed', reason: undecided } as const
      const begunIn = [...tables]
      for (const table of begunIn) table.open.add(noted)
      return () => begunIn.forEach((table) => table.open.delete(noted))
    },
    note(visit, upstream) {
      const noted = { ...visit, host: visit.host.slice(0, maxVisitHostCharacters) }
      for (const table of tables) addTo(table, noted, upstream)
    },
    watch() {
      const table: Table = { rows: new Map(), open: new Set(), more: 0 }
      tables.add(table)
      const soFar = (): Visits => {
        // Its name may have left already with the question for its address.
        const shown: Table = { ...table, rows: new Map(table.rows) }
        for (const noted of table.open) addTo(shown, noted, undefined)
        return { rows: [...shown.rows.values()].map(toVisit), more: shown.more }
      }
      return {
        soFar,
        end() {
          tables.delete(table)
          return soFar()
        },
      }
    },
  }
}

function addTo(table: Table, noted: Noted, upstream: Socket | undefined): void {
  const key = JSON.stringify([noted.host, noted.port, noted.decision, noted.reason])
  const row = table.rows.get(key) ?? { noted, connections: 0, closedOut: 0, closedIn: 0, live: new Set() }
  if (table.rows.size >= maxVisitRows && !table.rows.has(key)) {
    table.more += 1
    return
  }
  table.rows.set(key, row)
  row.connections += 1
  if (upstream === undefined) return
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
