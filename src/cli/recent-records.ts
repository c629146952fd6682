/** Reads the end of a session's journal, so that following starts there instead of at the beginning. */
import { askOffline, type GuestSetup } from '../runner/index.ts'
import type { Json, SessionId } from '../base/index.ts'
import type { JournalRecord, RecordView } from '../protocol/index.ts'
import { recentRecords } from './limits.ts'

/** @returns the newest records of the session, oldest first. */
export async function readRecent(setup: GuestSetup, session: SessionId): Promise<readonly RecordView[]> {
  const records: RecordView[] = []
  for await (const line of askOffline(setup, { command: 'audit-show', session, limit: recentRecords })) {
    const { body, ...record } = line as JournalRecord
    records.push({ ...record, body: parseBody(body) })
  }
  return records
}

/** @returns the number of the newest record of all sessions, 0 before the first */
export async function journalEnd(setup: GuestSetup): Promise<number> {
  for await (const line of askOffline(setup, { command: 'audit-show', limit: 1 })) return (line as JournalRecord).seq
  return 0
}

function parseBody(body: string): Json {
  try {
    return JSON.parse(body) as Json
  } catch {
    return {}
  }
}
