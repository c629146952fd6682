/** Gives records of the journal to those who read along: logs and telemetry. Loaded with the first that does. */
import type { RecordView } from '../protocol/index.ts'
import type { Core } from '../kernel/index.ts'

/** A turn does not wait for those who read along: they get what was recorded so far, some times a second. */
const readMs = 200
/** What waits is held with all its texts, which many turns at once would make old to the garbage collector. */
const mostWaiting = 64

/**
 * @param read gets them in the order of the journal, after their commit; what it throws is lost
 * @param early records that came before
 * @returns gives it the rest, and ends
 */
export function followRecords(
  watchers: Core['events']['watchers'],
  isOf: (record: RecordView) => boolean,
  read: (records: readonly RecordView[]) => void,
  early: readonly RecordView[] = [],
): () => void {
  let waiting: RecordView[] = []
  let timer: NodeJS.Timeout | undefined
  const give = (): void => {
    clearTimeout(timer)
    timer = undefined
    const records = waiting
    waiting = []
    try {
      if (records.length > 0) read(records)
    } catch {
      // The journal has them.
    }
  }
  const watch = (record: RecordView): void => {
    if (!isOf(record)) return
    waiting.push(record)
    if (waiting.length < mostWaiting) timer ??= setTimeout(give, readMs).unref()
    else give()
  }
  early.forEach(watch)
  watchers.add(watch)
  return () => {
    watchers.delete(watch)
    give()
  }
}
