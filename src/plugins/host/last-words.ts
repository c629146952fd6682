/** What the log of a host that ended while it started says about why: of a crash, its error with the place in the plugin. */
import { once } from 'node:events'
import type { ServerProcess } from '../../protocol/index.ts'

/** The processes have ended, so that what they wrote is in the pipe already. */
const lastBytesMs = 1_000
const maxWordsChars = 500

/** Resolves when everything that an ended host wrote has been read. */
export async function allWritten({ errors }: Pick<ServerProcess, 'errors'>): Promise<void> {
  if (errors.readableEnded || errors.destroyed) return
  await once(errors, 'close', { signal: AbortSignal.timeout(lastBytesMs) }).catch(() => {})
}

/** @param log hostile text @returns one sentence; empty: it has written nothing */
export function lastWords(log: string): string {
  const lines = log
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => !/^Waiting for the debugger to disconnect|^Node\.js v\d/.test(line))
  const stuck = lines.findLastIndex((line) => stuckLine.test(line))
  const thrown = lines.findLastIndex((line) => /^(?:Uncaught )?\w*Error\b.*:/.test(line))
  // The host says where it stood before an error that nobody caught.
  const place = placeNear(lines, thrown) || (stuck < thrown ? (stuckLine.exec(lines[stuck] ?? '')?.[1] ?? '') : '')
  const last = lines.findLast((line) => line !== '')
  const words =
    stuck > thrown ? lines[stuck] : place === '' ? last && `It last wrote: ${lines[thrown] ?? last}` : `${place}: ${lines[thrown]}`
  return (words ?? '').slice(0, maxWordsChars)
}

/** As `start-watch.ts` of the host writes it. */
const stuckLine = /^(\S+:\d+): the code (?:does not come back|waits here)/

/** Node prints the place of a syntax error above it, and of other errors below. */
function placeNear(lines: readonly string[], thrown: number): string {
  if (thrown === -1) return ''
  const near = [...lines.slice(thrown + 1), ...lines.slice(Math.max(0, thrown - maxLinesAbove), thrown)]
  return near.flatMap((line) => /\/opt\/server\/([^\s():]+:\d+)/.exec(line)?.[1] ?? [])[0] ?? ''
}

const maxLinesAbove = 5
