/** Answers about this machine that cost seconds to find out and hold until it starts again. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { uptime } from 'node:os'
import { dirname } from 'node:path'

/** @returns what was kept under exactly this question, or what `find` says, which is kept when `lasts` says so. Rejects as `find` does. */
export async function keptAnswer<T>(file: string, question: string, find: () => Promise<T>, lasts: (answer: T) => boolean): Promise<T> {
  const kept = read(file)
  if (kept !== null && kept.question === question) return kept.answer as T
  const answer = await find()
  if (lasts(answer)) write(file, { question, answer })
  return answer
}

/** Another one after each start of the machine. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // Not Linux: the minute of the start, which a clock that is put right may change: then it is found out again.
    return `started ${Math.round((Date.now() / 1000 - uptime()) / 60)}`
  }
}

function read(file: string): { question: unknown; answer: unknown } | null {
  try {
    const kept: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return typeof kept === 'object' && kept !== null && 'question' in kept && 'answer' in kept ? kept : null
  } catch {
    return null
  }
}

/** Where it cannot be kept it is found out again. */
function write(file: string, kept: object): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const draft = `${file}.${process.pid}`
    writeFileSync(draft, JSON.stringify(kept), { mode: 0o600 })
    renameSync(draft, file)
  } catch {
    // Nothing is lost.
  }
}
