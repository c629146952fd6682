import type { JournalRecord, RecordView } from '../../protocol/index.ts'

/** @returns the record with its body as a value */
export function viewOf(stored: JournalRecord): RecordView {
  const { body, previous: _, hash: __, ...record } = stored
  return { ...record, body: JSON.parse(body) as RecordView['body'] }
}
