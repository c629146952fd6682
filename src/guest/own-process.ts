/** A guest in the process of the program that starts it: the same pipes as with a process of its own, without the process. */
import { toFailure } from '../base/index.ts'
import type { GuestEnvelope, GuestReport } from '../config/index.ts'
import { openGuestStore, withStoredSecrets } from './guest-store.ts'
import { serveGuest } from './serving.ts'

export interface GuestHere {
  readonly lines: AsyncIterable<unknown>
  /** Resolves when it has ended. */
  readonly gone: Promise<{ readonly exitCode: number; readonly signal: null }>
  send(line: object): void
  stop(): Promise<void>
}

/** Its start and its failures are reports, as a process's are. */
export function guestHere(envelope: GuestEnvelope): GuestHere {
  const waiting: GuestReport[] = []
  let wake = (): void => {}
  let isOver = false
  const report = (each: GuestReport): void => {
    waiting.push(each)
    wake()
  }
  const stopping = Promise.withResolvers<void>()
  let listener = (_line: string): void => {}
  const run = async (): Promise<number> => {
    const known = await withStoredSecrets(envelope)
    const guest = await serveGuest(known, { report, onLine: (listen) => void (listener = listen) }, openGuestStore(known))
    report({ type: 'ready', url: guest.url, pid: process.pid })
    const lost = await Promise.race([stopping.promise, guest.lost.then((error) => ({ error }))])
    await guest.close()
    if (lost !== undefined) throw lost.error
    return 0
  }
  const gone = run()
    .catch((error: unknown) => {
      report({ type: 'fatal', ...toFailure(error, 'internal_failure', 'This is a bug in Oxbow.') })
      return 1
    })
    .then((exitCode) => {
      isOver = true
      wake()
      return { exitCode, signal: null }
    })
  return {
    gone,
    send: (line) => listener(JSON.stringify(line)),
    async stop() {
      stopping.resolve()
      await gone
    },
    lines: {
      async *[Symbol.asyncIterator]() {
        for (;;) {
          yield* waiting.splice(0)
          if (isOver && waiting.length === 0) return
          if (waiting.length === 0) await new Promise<void>((resolve) => (wake = resolve))
        }
      },
    },
  }
}
