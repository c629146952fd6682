/**
 * What a change of versions says, as a file: the daemon ends in the middle of it, and tells its events from here when it comes back, in order
 * and each once.
 */
import { appendFileSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseObject, writeWhole } from '../../base/index.ts'
import type { HostEvents } from '../daemon/host-events.ts'
import { readText } from '../file-owner.ts'
import type { Home } from '../home.ts'
import { progressPollMs } from './limits.ts'
import { versionsFolder } from './versions.ts'

export interface Progress {
  /** Unix milliseconds; later than of every line before. */
  readonly at: number
  readonly text: string
}

function progressFile(home: Pick<Home, 'root'>): string {
  return join(versionsFolder(home), 'progress.jsonl')
}

/** Begins the file anew. @returns adds a line; never throws: a full disk stops the change where it matters, and not here */
export function openProgress(home: Pick<Home, 'root'>, now: () => number): (text: string) => void {
  const file = progressFile(home)
  let last = readProgress(home).at(-1)?.at ?? 0
  const tried = (write: () => void): void => {
    try {
      write()
    } catch {
      // The change goes on.
    }
  }
  tried(() => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeWhole(file, '')
  })
  return (text) => {
    last = Math.max(last + 1, now())
    const line = `${JSON.stringify({ at: last, text } satisfies Progress)}\n`
    tried(() => appendFileSync(file, line, { mode: 0o600 }))
  }
}

/** @returns the lines of the newest change, but for a torn one */
export function readProgress(home: Pick<Home, 'root'>): readonly Progress[] {
  return (readText(progressFile(home)) ?? '').split('\n').flatMap((line) => {
    const value = parseObject(line)
    return typeof value?.['at'] === 'number' && typeof value['text'] === 'string' ? [{ at: value['at'], text: value['text'] }] : []
  })
}

/** The kind of those events. */
export const changeEvent = 'version_change'

/** Tells them as events of the host, whoever has begun the change: what was said before, and what is said until the process ends. */
export function followChanges(home: Pick<Home, 'root'>, events: Pick<HostEvents, 'note' | 'newest'>): void {
  const file = progressFile(home)
  let seen = ''
  const look = (): void => {
    const found = statSync(file, { throwIfNoEntry: false })
    const now = found === undefined ? '' : `${found.ino} ${found.size}`
    if (now === seen) return
    seen = now
    const last = events.newest(changeEvent)?.at ?? 0
    for (const { at, text } of readProgress(home)) if (at > last) events.note(changeEvent, '', text, at)
  }
  look()
  setInterval(look, progressPollMs).unref()
}
