/**
 * A generated series of operations over eight spaces, in which each thing that is put has a word of its own. Whatever a space answers, and
 * whatever its model is sent, has only words that are in it.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { assertNever } from '../../src/base/index.ts'
import { moveFiles, sharedAs } from '../../src/runner/index.ts'
import { seed } from '../support/scale.ts'
import { type OpenSpace, openSpaces, person, type Spaces } from './spaces-fixture.ts'

const ok = /^\{"status":"ok"/

const names = ['taxes', 'garden', 'site', 'club', 'family', 'work', 'trip']

/** All that is put says this. Questions have the word alone, so what a journal keeps of them is no leak. */
const canaryPattern = /canary[a-z]{12}(?= lives here)/g

function canaryOf(n: number): string {
  const letters = Array.from({ length: 12 }, (_, at) => String.fromCharCode(97 + ((Math.floor(n / 26 ** (at % 5)) + at * 7) % 26))).join('')
  return `canary${letters}`
}

const reads: readonly (readonly [string, (canary: string, session: string) => object])[] = [
  ['memory.search', (canary) => ({ query: canary, include_conversation: true })],
  ['memory.search', () => ({ query: 'what lives here?', include_conversation: true })],
  ['memory.export', () => ({})],
  ['space.pack', () => ({})],
  ['session.list', () => ({})],
  ['session.records', (_canary, session) => ({ session })],
  ['audit.query', () => ({})],
  ['events.next', () => ({ after: 0 })],
  ['schedule.search', () => ({})],
  ['state.list', () => ({ category: 'project' })],
  ['file.list', () => ({ path: '/shared' })],
  ['file.search', (canary) => ({ path: '/shared', pattern: canary })],
  ['file.read', () => ({ path: '/shared/same.txt' })],
  ['file.read', () => ({ path: '/shared/link/same.txt' })],
]

const puts = ['note', 'file', 'state', 'schedule', 'session', 'say'] as const
const moves = ['move', 'moveFile', 'export', 'share', 'unshare'] as const

const operation = fc.record({
  space: fc.nat({ max: names.length }),
  other: fc.nat({ max: names.length }),
  what: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...puts) },
    { weight: 2, arbitrary: fc.constantFrom(...moves) },
    { weight: 5, arbitrary: fc.nat({ max: reads.length - 1 }) },
  ),
})

type Put = (typeof puts)[number]
/** A note that a space has a copy of. */
type Share = { readonly copy: string; readonly canary: string; readonly to: number }
type Found = { readonly id: string; readonly canary: string; at: number }

/** Throws where a text has a word that is not in the space. @param taken words that were shared with it */
function assertOwn(text: string, { name }: OpenSpace, held: ReadonlySet<string>, what: string, taken?: ReadonlySet<string>): void {
  const foreign = [...new Set(text.match(canaryPattern))].filter((word) => !held.has(word) || taken?.has(word) === true)
  assert.deepEqual(foreign, [], `${what} of ${name} shows what is in another space`)
}

async function putIn(space: OpenSpace, what: Put, canary: string): Promise<string> {
  const says = `The ${canary} lives here.`
  switch (what) {
    case 'note':
      return space.ask('memory.save', { content: says, tags: [] })
    case 'file':
      // Two spaces have one path, too.
      assert.match(await space.ask('file.write', { path: '/shared/same.txt', text: says }), ok)
      return space.ask('file.write', { path: `/shared/${canary} lives here.txt`, text: says })
    case 'state':
      return space.ask('state.save', { category: 'project', name: canary, data: { says } })
    case 'schedule':
      return space.ask('schedule.create', {
        name: canary,
        goal: says,
        cadence: { type: 'cron', expression: '0 7 1 1 *', time_zone: 'UTC' },
      })
    case 'session':
      return space.ask('session.create', { title: `${canary} lives here` })
    case 'say':
      await space.say(`My ${canary} lives here. What did I tell you about my canaries?`)
      return '{"status":"ok"'
    default:
      return assertNever(what)
  }
}

/** What a series has done. */
interface Did {
  readonly notes: Found[]
  readonly files: Found[]
  readonly shares: Share[]
  readonly held: readonly Set<string>[]
  /** What each space was shown, and is not any more. */
  readonly taken: readonly Set<string>[]
  moved: number
  unshared: number
}

/** What crosses from one space into another. */
function deedsBetween({ spaces, home }: Spaces, did: Did) {
  const { notes, files, shares, held, taken } = did
  const workspace = (at: number): string => (spaces[at]!.name === 'default' ? person : `${person}~${spaces[at]!.name}`)
  const move = async (from: number, to: number, what: 'move' | 'moveFile'): Promise<void> => {
    const found = (what === 'move' ? notes : files).find(({ at }) => at === from)
    if (found === undefined || from === to) return
    held[to]!.add(found.canary)
    taken[to]!.delete(found.canary)
    found.at = to
    did.moved += 1
    if (what === 'moveFile') return moveFiles(home, { from: workspace(from), to: workspace(to), files: [[found.id, found.id]] })
    const { output } = JSON.parse(await spaces[from]!.ask('space.pack', { ids: [found.id] })) as { output: { lines: string[] } }
    assert.match(await spaces[to]!.ask('space.place', { lines: output.lines }), ok)
    assert.match(await spaces[from]!.ask('space.clear', { ids: [found.id] }), ok)
  }
  const share = async (from: number, to: number): Promise<void> => {
    const found = notes.find(({ at, canary }) => at === from && !held[to]!.has(canary))
    if (found === undefined || from === to) return
    const name = spaces[from]!.name
    const copy = sharedAs(name, found.id)
    const { output } = JSON.parse(await spaces[from]!.ask('space.pack', { ids: [found.id] })) as { output: { lines: string[] } }
    held[to]!.add(found.canary)
    shares.push({ copy, canary: found.canary, to })
    assert.match(await spaces[to]!.ask('space.place', { lines: output.lines, shared: { space: name, as: [[found.id, copy]] } }), ok)
  }
  const unshare = async (at: number): Promise<void> => {
    const index = shares.findIndex(({ to }) => to === at)
    if (index === -1) return
    const [{ copy, canary }] = shares.splice(index, 1) as [Share]
    await takeAway(spaces[at]!, copy)
    // The note itself may have been moved there meanwhile.
    if (!notes.some((note) => note.canary === canary && note.at === at)) taken[at]!.add(canary)
    did.unshared += 1
  }
  return { move, share, unshare }
}

/** @param store of the configuration of all spaces */
export async function runSeries(t: TestContext, count: number, store: object = {}): Promise<void> {
  await using opened = await openSpaces(names, count, store)
  const { spaces, model } = opened
  const held: readonly Set<string>[] = spaces.map(() => new Set())
  // A link from one space into another, as a person may have left it.
  for (const [at, { shared }] of spaces.entries()) symlinkSync(spaces[(at + 1) % spaces.length]!.shared, join(shared, 'link'))
  const did: Did = { notes: [], files: [], shares: [], held, taken: spaces.map(() => new Set()), moved: 0, unshared: 0 }
  const { notes, files, taken } = did
  const { move, share, unshare } = deedsBetween(opened, did)
  const answered = new Set<number>()
  let [seen, shown] = [0, 0]
  for (const [n, { space, other, what }] of fc.sample(operation, { numRuns: count, seed }).entries()) {
    const [one, words, canary] = [spaces[space]!, held[space]!, canaryOf(n)]
    if (typeof what === 'number') {
      const [call, input] = reads[what]!
      const wanted = [...held[other]!][n % Math.max(1, held[other]!.size)] ?? canary
      const answer = await one.ask(call, input(wanted, one.session))
      if (ok.test(answer)) answered.add(what)
      if (answer.match(canaryPattern) !== null) shown += 1
      assertOwn(answer, one, words, call, taken[space])
    } else if (what === 'export')
      assertOwn(await one.ask('session.export', { session: one.session }), one, words, 'an exported session', taken[space])
    else if (what === 'move' || what === 'moveFile') await move(space, other, what)
    else if (what === 'share') await share(space, other)
    else if (what === 'unshare') await unshare(space)
    else {
      words.add(canary)
      const answer = await putIn(one, what, canary)
      // There may be 100 schedules.
      assert.match(answer, what === 'schedule' ? /^\{"status":"ok"|limit_reached/ : ok)
      if (what === 'note') notes.push({ id: /note-[0-9a-f]{16}/.exec(answer)![0], canary, at: space })
      if (what === 'file') files.push({ id: `/shared/${canary} lives here.txt`, canary, at: space })
      for (const request of model.requests.slice(seen)) assertOwn(JSON.stringify(request), one, words, 'a prompt', taken[space])
      seen = model.requests.length
    }
  }
  // A link into another space leads nowhere; all else answers.
  assert.deepEqual(
    [...answered].sort((a, b) => a - b),
    reads.slice(0, -1).map((_, at) => at),
  )
  assert.ok(shown > count / 12, `reads show words of their own space (${shown})`)
  for (const [at, one] of spaces.entries()) assertOnDisk(one, held[at]!)
  t.diagnostic(
    `${count} operations, ${shown} answers with words of their own space, ${did.moved} moves, ${did.unshared} shares taken away, ${seen} prompts`,
  )
}

/** As `space unshare` does it. */
async function takeAway(one: OpenSpace, copy: string): Promise<void> {
  const { output } = JSON.parse(await one.ask('space.derived', { memories: [copy] })) as {
    output: { sessions: { id: string }[]; memories: string[]; files: string[] }
  }
  assert.match(await one.ask('space.clear', { ids: [copy, ...output.memories] }), ok)
  for (const path of output.files) await one.ask('file.delete', { path, recursive: true })
  if (output.sessions.some(({ id }) => id === one.session)) await one.begin()
  for (const { id } of output.sessions) assert.match(await one.ask('session.delete', { session: id }), ok)
}

/** Databases, logs and files. */
function assertOnDisk(one: OpenSpace, held: ReadonlySet<string>): void {
  for (const folder of ['internal', 'shared', 'logs', 'tmp'].map((name) => join(one.shared, '..', name)))
    for (const path of readdirSync(folder).map((name) => join(folder, name)))
      if (statSync(path).isFile()) assertOwn(readFileSync(path, 'latin1'), one, held, path)
}
