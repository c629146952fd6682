/**
 * Random series of what happens to a workspace: a person edits, two agents change files by name and by commands, guests stop and start, turns
 * and undos are undone. Every line that anybody writes is like no other, so that it can be said whose is where. Real operations of hands
 * and the real repository; only the sandbox and the turns are played.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileOperations } from '../../src/hands/files/file-operations.ts'
import { openSnapshots } from '../../src/hands/find/snapshot-folder.ts'
import { openArchives } from '../../src/hands/archive/unpack-folder.ts'
import { createPathLocks } from '../../src/hands/files/path-locks.ts'
import { createUploads } from '../../src/hands/transfer/put-file.ts'
import { undoCalls } from '../../src/kernel/versions/undo-calls.ts'
import { createVersioning, type Versioning } from '../../src/kernel/versions/versioning.ts'
import type { CallContext, Caller, Hands, Sandbox } from '../../src/types/index.ts'

const names = ['a.txt', 'b.txt', 'src/c.txt', '.env', 'skipped/d.txt', 'big.txt']
const linesOfAFile = 6
/** Over the limit of a pack. */
const padding = 'x'.repeat(120_000)
const patience = <T>(work: Promise<T>): Promise<T> => work
const signal = new AbortController().signal

interface Series {
  next(below: number): number
}

/** Of Mulberry32. */
export function randomSeries(seed: number): Series {
  let state = seed >>> 0
  return {
    next(below) {
      state = (state + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
      return ((mixed ^ (mixed >>> 14)) >>> 0) % below
    },
  }
}

/** Plays one series. @throws AssertionError for what a person would have lost, or what stayed of an undone turn */
export async function playSeries(seed: number, steps = 14): Promise<void> {
  const random = randomSeries(seed)
  const root = mkdtempSync(join(tmpdir(), 'oxbow-series-'))
  const world = openWorld(root)
  try {
    for (let step = 0; step < steps; step += 1) await playStep(world, random)
    await world.stop()
    world.assertNothingLost()
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}\n${world.told.join('\n')}`, { cause: error })
  } finally {
    await world.stop()
    rmSync(root, { recursive: true, force: true })
  }
}

type World = ReturnType<typeof openWorld>

async function playStep(world: World, random: Series): Promise<void> {
  const name = names[random.next(names.length)]!
  const agent = random.next(2)
  switch (random.next(9)) {
    case 0:
    case 1:
      return world.person(name, random.next(linesOfAFile), random.next(6) === 0)
    case 2:
    case 3:
      return world.edits(agent, name, random.next(linesOfAFile), random.next(6) === 0)
    case 4: {
      const other = names[random.next(names.length)]!
      return world.runs(agent, [name, other], random.next(linesOfAFile), random.next(3) === 0)
    }
    case 5:
      return world.ends(agent)
    case 6:
      return random.next(3) === 0 ? world.restart() : undefined
    default:
      return world.undoes(random)
  }
}

function openWorld(root: string) {
  const shared = join(root, 'shared')
  mkdirSync(shared)
  const folder = join(root, 'versions')
  const told: string[] = []
  let written = 0
  /** Lines of the person that nobody but them has overwritten. */
  const owned = new Set<string>()
  let guest = startGuest(shared, folder)
  const turns: string[] = []
  const open: (string | null)[] = [null, null]
  const real = (name: string): string => join(shared, name)
  const read = (name: string): string | null => (existsSync(real(name)) ? readFileSync(real(name), 'utf8') : null)
  const line = (who: string): string => `${who}-${(written += 1)}.`
  const fresh = (who: string, name: string): string =>
    `${Array.from({ length: linesOfAFile }, () => line(who)).join('\nkept\n')}\n${name === 'big.txt' ? padding : ''}`
  const changed = (name: string, at: number, who: string): string => {
    const now = read(name)
    if (now === null) return fresh(who, name)
    return now
      .split('\n')
      .map((text, i) => (i === at * 2 ? line(who) : text))
      .join('\n')
  }
  const put = (name: string, text: string | null): void => {
    mkdirSync(dirname(real(name)), { recursive: true })
    if (text === null) rmSync(real(name), { force: true })
    else writeFileSync(real(name), text)
  }
  const turnOf = (agent: number): string => {
    let turn = open[agent] ?? null
    if (turn === null) {
      turn = `T${turns.length}x${agent}`
      turns.push(turn)
      open[agent] = turn
    }
    return turn
  }
  const tokens = (text: string | null): readonly string[] => [...(text ?? '').matchAll(/\b[A-Z][\dx]{0,9}-\d+\./g)].map(([token]) => token)
  const stop = async (): Promise<void> => {
    await guest.versioning.settle()
    await guest.versioning.close()
  }
  return {
    told,
    stop,
    person(name: string, at: number, removes: boolean): void {
      for (const token of tokens(read(name))) owned.delete(token)
      put(name, removes ? null : changed(name, at, 'P'))
      for (const token of tokens(read(name))) if (token.startsWith('P-')) owned.add(token)
      told.push(`person ${removes ? 'removes' : 'edits'} ${name}`)
    },
    async edits(agent: number, name: string, at: number, removes: boolean): Promise<void> {
      const turn = turnOf(agent)
      const hands = guest.handsOf(turn)
      told.push(`${turn} ${removes ? 'deletes' : 'writes'} ${name}`)
      const options = { signal, timeoutMs: 10_000 }
      if (removes) await hands.ask('delete', { path: `/shared/${name}`, recursive: false }, options).catch(() => {})
      else await hands.ask('write', { path: `/shared/${name}`, text: changed(name, at, turn), ifHash: undefined }, options)
    },
    /** A command, perhaps beside a change of the other agent. A name that versions leave out is not for commands. */
    async runs(agent: number, files: readonly string[], at: number, beside: boolean): Promise<void> {
      const turn = turnOf(agent)
      const own = files.filter((name) => !name.startsWith('skipped'))
      told.push(`${turn} runs a command on ${own.join(' ')}${beside ? ', the other agent writes b.txt' : ''}`)
      guest.command(async () => {
        for (const [i, name] of own.entries()) put(name, i === 1 && at === 0 ? null : changed(name, at, turn))
        if (beside) await this.edits(1 - agent, 'b.txt', at, false)
      })
      await guest.handsOf(turn).ask('exec', {} as never, { signal, timeoutMs: 10_000 })
    },
    async ends(agent: number): Promise<void> {
      const turn = open[agent] ?? null
      if (turn === null) return
      open[agent] = null
      told.push(`${turn} ends`)
      await guest.end(turn)
    },
    async restart(): Promise<void> {
      for (const agent of [0, 1]) await this.ends(agent)
      await stop()
      told.push('the guest stops and starts')
      guest = startGuest(shared, folder)
    },
    async undoes(random: Series): Promise<void> {
      const ended = turns.filter((turn) => !open.includes(turn))
      if (ended.length === 0) return
      const turn = ended[random.next(ended.length)]!
      const before = new Map(names.map((name) => [name, read(name)]))
      const undone = await guest.undo({ turn, redo: false, apply: true }, `U${turns.length}x${(written += 1)}`)
      told.push(`undo of ${turn}: ${undone === null ? 'refused' : undone.text.replaceAll('\n', ' ')}`)
      if (undone === null) {
        for (const name of names) assert.equal(read(name), before.get(name), `a refused undo changed ${name}`)
        return
      }
      const left = new Set(undone.conflicts.map(({ path }) => path))
      for (const name of names) {
        const now = new Set(tokens(read(name)))
        for (const token of tokens(before.get(name) ?? null)) {
          if (token.startsWith(`${turn}-`))
            assert.ok(!now.has(token) || left.has(`/shared/${name}`), `${token} of the undone turn stays in ${name}`)
          else assert.ok(now.has(token), `the undo of ${turn} took ${token} from ${name}`)
        }
      }
      if (random.next(2) === 0) return
      assert.ok(
        await guest.undo({ turn: undone.undo, redo: false, apply: true }, `R${turns.length}x${(written += 1)}`),
        'the undo is undone',
      )
      told.push(`undo of the undo of ${turn}`)
      for (const name of names) assert.ok(read(name) === before.get(name), `${name} is not as before the undo`)
    },
    assertNothingLost(): void {
      const kept = names.map((name) => read(name) ?? '').join('\n')
      const missing = [...owned].filter((token) => !kept.includes(token))
      if (missing.length === 0) return
      const history = historyOf(folder)
      for (const token of missing) assert.ok(history.includes(token), `${token} of the person is in no version`)
    },
  }
}

/** Everything that a version has. */
function historyOf(folder: string): string {
  const git = (args: readonly string[], input = ''): string =>
    execFileSync('git', ['--git-dir', folder, ...args], { encoding: 'utf8', input, maxBuffer: 1 << 30 })
  const objects = git(['rev-list', '--objects', 'HEAD'])
    .split('\n')
    .map((row) => row.slice(0, 40))
    .join('\n')
  const large = existsSync(join(folder, 'large'))
    ? readdirSync(join(folder, 'large')).map((name) => readFileSync(join(folder, 'large', name), 'utf8'))
    : []
  return [git(['cat-file', '--batch', '--buffer'], objects), ...large].join('\n')
}

interface Undone {
  readonly text: string
  readonly undo: string
  readonly conflicts: readonly { readonly path: string }[]
}

function startGuest(shared: string, folder: string) {
  const roots = [{ virtual: '/shared', real: shared }]
  let command: () => Promise<void> = async () => {}
  const locks = createPathLocks()
  const handlers = {
    ...fileOperations(roots, createUploads(roots), locks),
    ...openSnapshots(roots),
    ...openArchives(roots, locks).ops,
    exec: async () => command(),
  }
  const hands = {
    ask: (op: keyof typeof handlers, input: never) => (handlers[op] as (...args: unknown[]) => Promise<unknown>)(input, signal),
  } as unknown as Hands
  const sandbox = { status: { files: true }, hands: async () => hands } as unknown as Sandbox
  const listeners: ((record: never) => void)[] = []
  const clock = { now: () => Date.now(), monotonicMs: () => performance.now() }
  const store = { records: async () => [], documentCategories: async () => [] }
  const documents = { all: async () => [], put: async () => {} }
  const versioning: Versioning = createVersioning({
    user: 'ada' as never,
    versionsFolder: folder,
    sandbox,
    store: store as never,
    documents: documents as never,
    config: { enabled: true, max_file_mb: 0.1, ignore: ['skipped'] },
    clock,
    background: () => ({
      run: async (_session, _name, input) => {
        const { turn, only_state: onlyState } = input as { turn: string; only_state: boolean }
        await versioning.endTurn(turn, onlyState)
        return null
      },
    }),
    events: { onTurnEnd: (listener) => void listeners.push(listener) },
  })
  const callerOf = (turn: string): Caller =>
    ({
      user: 'ada',
      actor: turn === '' ? 'user:ada' : 'agent:ox',
      rights: new Set(),
      audience: 'model',
      session: 's',
      turn,
      process: '',
    }) as unknown as Caller
  const [, undoCall] = undoCalls({ versioning, documents, restored: async () => {}, store, registry: { find: () => undefined } } as never)
  return {
    versioning,
    command: (work: () => Promise<void>) => void (command = work),
    handsOf: (turn: string) => versioning.changes.hands(hands, callerOf(turn), patience),
    async end(turn: string): Promise<void> {
      for (const listener of listeners) listener({ call: turn } as never)
      await versioning.settle()
    },
    async undo(input: unknown, id: string): Promise<Undone | null> {
      const context = { id, caller: callerOf(''), clock, signal } as unknown as CallContext
      try {
        const { output, text } = await undoCall!.run(input, context)
        return { ...(output as Undone), text: text ?? '' }
      } catch (error) {
        if (error instanceof Error && 'code' in error && (error.code === 'not_found' || error.code === 'tool_failed')) return null
        throw error
      }
    },
  }
}
