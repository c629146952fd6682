/** When a guest has nothing to do: asked of it by its own API, as any program would. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isObject } from '../../base/index.ts'
import { idleLookPart, maxIdleLookMs, minIdleLookMs, nearMs, restAnswerMs } from './limits.ts'

export interface Reachable {
  readonly url: string
  readonly token: string
}

export interface Rest {
  /** What it has to do, in words; empty: nothing. */
  readonly busy: string
  /** When the next run goes on by itself, unix milliseconds; null: none does. */
  readonly nextAt: number | null
}

/** @param near see `restOf` @returns when it has had nothing to do for so long: when its next run goes on; null when the signal aborts */
export async function untilIdle(
  guest: Reachable,
  idleMs: number,
  signal: AbortSignal,
  near: number = nearMs,
): Promise<Pick<Rest, 'nextAt'> | null> {
  const everyMs = Math.max(minIdleLookMs, Math.min(maxIdleLookMs, idleMs / idleLookPart))
  let since = performance.now()
  while (!signal.aborted) {
    await sleep(everyMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) break
    const { busy, nextAt } = await restOf(guest, near)
    if (busy !== '') since = performance.now()
    else if (performance.now() - since >= idleMs) return { nextAt }
  }
  return null
}

/** Never rejects: a guest that does not say it is busy. @param near a run that is due sooner, in milliseconds, counts as something to do */
export async function restOf(guest: Reachable, near: number = nearMs): Promise<Rest> {
  try {
    const connections = /^oxbow_connections (\d+)$/m.exec(await read(guest, '/metrics'))?.[1]
    if (connections === undefined || connections !== '0') return { busy: `${connections ?? 'unknown'} connections`, nextAt: null }
    return judge(JSON.parse(await read(guest, '/api/v1/now')), near)
  } catch (error) {
    return { busy: `it does not say: ${(error as Error).message}`, nextAt: null }
  }
}

/** @returns titles of the turns that run, but for those that wait for a person; none where the guest does not say */
export async function openTurns(guest: Reachable): Promise<readonly string[]> {
  const now: unknown = await read(guest, '/api/v1/now').then(JSON.parse, () => null)
  if (!isObject(now)) return []
  const listOf = (list: unknown): readonly { readonly session: string; readonly title: string }[] =>
    Array.isArray(list) ? (list as readonly { session: string; title: string }[]) : []
  const asking = new Set(listOf(now['approvals']).map(({ session }) => session))
  return listOf(now['turns'])
    .filter(({ session }) => !asking.has(session))
    .map(({ title }) => title)
}

function judge(now: unknown, near: number): Rest {
  if (!isObject(now)) throw new Error('it answers with something else')
  const { turns, calls, admission, next_at: next, at } = now
  const nextAt = typeof next === 'number' ? next : null
  const lengthOf = (list: unknown): number => (Array.isArray(list) ? list.length : Number.NaN)
  const queued = isObject(admission) ? Number(admission['running']) + lengthOf(admission['queued']) : Number.NaN
  const counts = { turns: lengthOf(turns), calls: lengthOf(calls), runs: queued }
  const busy = Object.entries(counts).filter(([, count]) => count !== 0)
  if (busy.length > 0) return { busy: busy.map(([what, count]) => `${count} ${what}`).join(', '), nextAt }
  return { busy: nextAt !== null && nextAt - Number(at) < near ? 'a run is near' : '', nextAt }
}

function read({ url, token }: Reachable, path: string): Promise<string> {
  const { get } = process.getBuiltinModule('node:http')
  const { host } = new URL(url)
  return new Promise((resolve, reject) => {
    const options = { headers: { authorization: `Bearer ${token}` }, timeout: restAnswerMs, agent: false }
    const request = get(`http://${host}${path}`, options, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        if (text.length > maxAnswerChars) request.destroy(new Error('the answer is too long'))
      })
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(`status ${response.statusCode}`))))
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', reject)
  })
}

/** The page of metrics has some ten thousand. */
const maxAnswerChars: number = 4 * 1024 * 1024
