import type { SessionInfo } from '../../types/index.ts'
import { plainLine } from './terminal-text.ts'
import { formatTime, shortId, table } from './text-format.ts'

/** Columns of a title: the rest of the line is id, time and turns. */
const titleChars = 48

/** @returns one line a session; the id is as short as it can be and still be told from the others. */
export function sessionTable(listed: readonly SessionInfo[]): string {
  const ids = listed.map((session) => session.id)
  const rows = listed.map((session) => [
    shortId(session.id, ids),
    formatTime(session.active_at),
    `${session.turns} ${session.turns === 1 ? 'turn' : 'turns'}`,
    `${session.busy ? '(busy) ' : ''}${session.archived_at === undefined ? '' : '(put away) '}${session.parent === undefined ? '' : '(fork) '}${plainLine(session.title, titleChars)}`,
  ])
  return table(rows)
}
