/** A guest that serves: it asks its runner, reports the heads of its journal, and restarts itself. The process around it is the caller's. */
import type { Log } from '../base/index.ts'
import type { OpeningStore } from '../store/index.ts'
import type { GuestEnvelope, GuestReport } from '../config/index.ts'
import type { GuestOptions } from './guest.ts'
import { createHostLink, createHostPort } from './host-link.ts'
import type { LiveConfig } from './live-config.ts'
import { type LastingGuest, startLastingGuest } from './lasting-guest.ts'

/** How often the runner receives the head of the journal, if it has changed. */
const headIntervalMs = 10_000
/** The same for the first record of a new journal: an audit would say that its heads were removed. */
const firstHeadMs = 500

interface ToRunner extends Pick<GuestOptions, 'onSecrets'> {
  /** Absent: nobody reads it. */
  readonly log?: Log
  readonly report: (report: GuestReport) => void
  /** Calls the listener with each line from the runner. */
  readonly onLine: (listener: (line: string) => void) => void
  /** Resolves when no line comes any more; absent: never. */
  readonly ended?: Promise<void>
}

export interface ServingGuest extends Pick<LastingGuest, 'url' | 'lost'> {
  /** Ends the guest and reports its last head. */
  close(): Promise<void>
}

/** @throws as `startGuest` */
export async function serveGuest(
  envelope: GuestEnvelope,
  { report, onLine, ended, onSecrets, log }: ToRunner,
  store: Promise<OpeningStore>,
): Promise<ServingGuest> {
  const recovered = (): void => log?.write('guest', 'info', 'the guest has restarted')
  const link = createHostLink(report, () => void guest.settle().then(() => report({ type: 'settled' })))
  onLine(link.receive)
  void ended?.then(link.end)
  let live: LiveConfig | null = null
  const host = createHostPort({
    link,
    envelope,
    live: () => live,
    log,
    async renew(next, onFailure) {
      if (await guest.renew(next, onFailure)) report({ type: 'renewed' })
    },
  })
  const guest: LastingGuest = await startLastingGuest(envelope, { recovered, onSecrets, host, onConfig: (held) => (live = held) }, store)
  let lastSeq = 0
  const reportHead = async (): Promise<void> => {
    const head = await guest.head().catch(() => null)
    if (head === null || head.seq === lastSeq) return
    lastSeq = head.seq
    report({ type: 'head', ...head })
  }
  const timer = setInterval(() => void reportHead(), headIntervalMs)
  const first = setInterval(() => void reportHead().then(() => lastSeq > 0 && clearInterval(first)), firstHeadMs)
  return {
    url: guest.url,
    lost: guest.lost,
    async close() {
      clearInterval(timer)
      clearInterval(first)
      await reportHead()
      await guest.close()
      // The runner signs what was recorded while it closed, too.
      await reportHead()
    },
  }
}
