/** Clients of a cluster that write, change, move and delete files through any door, and know what each of them must be in the end. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface FileClientChoice {
  /** Of its folder: no two clients write the same files. */
  readonly name: string
  readonly user: string
  readonly key: string
  /** Those that may answer. */
  readonly doors: () => readonly string[]
  /** Between two files; default: none. */
  readonly pauseMs?: number
}

export interface FileClient {
  readonly told: Told
  readonly state: { readonly acknowledged: number }
  end(): Promise<void>
}

/** Makes a call until it is acknowledged. @returns whether it succeeded */
async function call({ user, key, doors }: FileClientChoice, name: string, input: object): Promise<boolean> {
  const once = crypto.randomUUID()
  let last = ''
  let conflicts = 0
  for (let tries = 0; tries < 600; tries += 1) {
    const all = doors()
    try {
      const response = await fetch(`${all[tries % all.length]}/users/${user}/api/v1/calls/${name}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'idempotency-key': once },
        body: JSON.stringify(input),
        signal: AbortSignal.timeout(35_000),
      })
      const answer = `${response.status} ${await response.text()}`
      if (response.ok) return true
      if (response.status === 429) {
        await sleep(1_000)
        continue
      }
      last = answer
      // One that stays so was lost with its guest.
      if (response.status === 409 && (conflicts += 1) > 50) return false
      // It was under way when its guest was lost: what it has changed is not known, and was not acknowledged.
      if (response.status < 500 && response.status !== 409) return false
    } catch (error) {
      last = String((error as Error).cause ?? error)
    }
    await sleep(100)
  }
  throw new Error(`${name} is never acknowledged: ${last}`)
}

/** What clients were told is kept: content by path; null: deleted, or moved away. A path that a lost call had is not in it. */
export type Told = Map<string, string | null>

/** Writes, changes, moves and deletes files of its own until it is told to end. */
export function keepWriting(choice: FileClientChoice): FileClient {
  const { name, pauseMs = 0 } = choice
  const told: Told = new Map()
  const state = { goesOn: true, acknowledged: 0 }
  const done = (async () => {
    for (let i = 1; state.goesOn; i += 1) {
      const path = `${name}/${i % 3}/file-${i}.txt`
      const text = `${name} ${i} ${'ü\u0001'.repeat(i % 50)}\n`
      if (await call(choice, 'file.write', { path, text })) told.set(path, text)
      else told.delete(path)
      state.acknowledged += 1
      await sleep(pauseMs)
      const before = `${name}/${(i - 2) % 3}/file-${i - 2}.txt`
      const held = told.get(before)
      if (i % 4 === 0 && typeof held === 'string') {
        told.delete(before)
        if (await call(choice, 'file.delete', { path: before })) told.set(before, null)
      } else if (i % 4 === 1 && typeof held === 'string') {
        const to = `${name}/moved/${i}.txt`
        told.delete(before)
        if (await call(choice, 'file.move', { from: before, to })) told.set(before, null).set(to, held)
      } else if (i % 4 === 2 && typeof held === 'string') {
        told.delete(before)
        if (await call(choice, 'file.write', { path: before, text: `again ${text}` })) told.set(before, `again ${text}`)
      }
    }
  })()
  done.catch(() => {})
  return {
    told,
    state,
    async end() {
      state.goesOn = false
      await done
    },
  }
}

/** @returns in words, what was acknowledged and is not as it was told */
export function missing(folder: string, told: Told): readonly string[] {
  return [...told].flatMap(([path, text]) => {
    let found: string | null
    try {
      found = readFileSync(join(folder, path), 'utf8')
    } catch {
      found = null
    }
    return found === text ? [] : [`${path}: ${found === null ? 'is gone' : text === null ? 'is back' : 'has another content'}`]
  })
}
