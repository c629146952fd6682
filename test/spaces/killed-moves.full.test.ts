/** `oxbow space` as a person runs it: a move that is killed anywhere is whole or as before; a share ends with all that came from it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { program } from '../support/built.ts'
import { longSeries, seed } from '../support/scale.ts'
import { openCli } from './spaces-fixture.ts'

const cli = openCli()
after(cli.remove)
const { env, oxbow, ran, root, sharedOf } = cli

/** What of the three things is in a space: a note, a session and a folder. */
function thingsIn(space: string): readonly string[] {
  const found: string[] = []
  if (ran('memory', 'search', 'heron', '--space', space).includes('grey heron lives')) found.push('note')
  if (ran('sessions', '--space', space).includes('hello there')) found.push('session')
  if (existsSync(join(sharedOf(space), 'docs', 'a.txt'))) found.push('folder')
  return found
}

/** How far the move is that is under way; empty: no move is under way. */
function phaseIn(open: string): string {
  const [id] = existsSync(open) ? readdirSync(open) : []
  try {
    return (JSON.parse(readFileSync(join(open, id ?? '', 'move.json'), 'utf8')) as { phase: string }).phase
  } catch {
    // Over between two looks.
    return ''
  }
}

const all = ['note', 'session', 'folder']

const open = join(root, 'runner', 'spaces', 'moves', 'open')
const kills = (count: number) =>
  fc.sample(fc.record({ phase: fc.constantFrom('placing', 'clearing'), delay: fc.oneof(fc.nat(40), fc.nat(400)) }), {
    numRuns: count,
    seed,
  })

interface Ends {
  whole: number
  before: number
  late: number
}

/** Puts the three things into a space. @returns the id of the note */
function fill(space: string): string {
  const [note] = /note-[0-9a-f]+/.exec(ran('memory', 'add', 'The grey heron lives at the pond.', '--space', space))!
  ran('run', 'hello there', '--space', space)
  mkdirSync(join(sharedOf(space), 'docs'))
  writeFileSync(join(sharedOf(space), 'docs', 'a.txt'), 'a')
  return note
}

/**
 * Kills a verb that moves all of the three things between two spaces, again and again, in both directions.
 * @param argsOf of the verb @param ready before a space is looked into
 */
async function series(
  spaces: readonly [string, string],
  argsOf: (from: string, to: string) => readonly string[],
  count: number,
  ready: (space: string) => boolean = () => false,
): Promise<Ends> {
  let [from, to] = spaces as [string, string]
  const ends: Ends = { whole: 0, before: 0, late: 0 }
  for (const { phase, delay } of kills(count)) {
    const args = argsOf(from, to)
    const child = spawn(process.execPath, [program, ...args], { env, cwd: root, stdio: 'ignore' })
    const over = new Promise<number | null>((resolve) => child.once('close', resolve))
    while (child.exitCode === null && phaseIn(open) !== phase) await sleep(5)
    await sleep(delay)
    child.kill('SIGKILL')
    if ((await over) === 0) ends.late += 1
    const isOver = ready(from)
    const [there, here] = [thingsIn(from), thingsIn(to)]
    const found = `killed ${delay} ms after ${phase}: ${from} has ${there.join()}, ${to} has ${here.join()}`
    assert.deepEqual([...there, ...here].toSorted(), all.toSorted(), found)
    assert.ok(there.length === 0 || here.length === 0, found)
    assert.deepEqual(existsSync(open) ? readdirSync(open) : [], [])
    // Only a merge that is whole has archived its space.
    if (args[1] === 'merge') assert.equal(isOver, here.length > 0, found)
    if (here.length > 0) [from, to] = [to, from]
    ends[here.length > 0 ? 'whole' : 'before'] += 1
  }
  for (const space of spaces) assert.match(ran('audit', 'verify', '--space', space), /verifies/)
  return ends
}

const diagnosticOf = ({ whole, before, late }: Ends): string =>
  `${whole + before} kills: ${whole} whole, ${before} as before, ${late} over already`

const halfOfAll = longSeries(150)

test('a move that is killed anywhere is whole or as before, and the next verb says which', { timeout: 3_600_000 }, async (t) => {
  ran('space', 'new', 'taxes')
  const note = fill('default')
  const sessionIn = (space: string): string =>
    (JSON.parse(ran('sessions', '--space', space, '--json').split('\n')[0]!) as { id: string }).id
  // The session has another id after each move.
  const args = (from: string, to: string): readonly string[] => [
    'space',
    'move',
    note,
    '/shared/docs',
    sessionIn(from),
    '--from',
    from,
    '--to',
    to,
    '--yes',
  ]
  t.diagnostic(diagnosticOf(await series(['default', 'taxes'], args, halfOfAll)))
})

test('a merge that is killed anywhere is whole, with its space archived, or as before', { timeout: 3_600_000 }, async (t) => {
  for (const space of ['left', 'right']) ran('space', 'new', space)
  fill('left')
  /** Brings a space back that was archived. */
  const ready = (space: string): boolean => {
    const isArchived = ran('space', 'list', '--json').includes(
      `"space":"${space}","user":"default~${space}","in_use":false,"archived":true`,
    )
    if (isArchived) ran('space', 'restore', space)
    return isArchived
  }
  const args = (from: string, to: string): readonly string[] => ['space', 'merge', from, '--to', to, '--yes']
  t.diagnostic(diagnosticOf(await series(['left', 'right'], args, halfOfAll, ready)))
})

test('a guest that starts again by itself settles a move that was cut off before it opens', { timeout: 600_000 }, async () => {
  ran('space', 'new', 'served')
  const [note] = /note-[0-9a-f]+/.exec(ran('memory', 'add', 'The kingfisher is at the weir.', '--space', 'default'))!
  const pid = (): number => (JSON.parse(ran('start', '--space', 'served', '--json')) as { pid: number }).pid
  const before = pid()
  const child = spawn(process.execPath, [program, 'space', 'move', note, '--from', 'default', '--to', 'served', '--yes'], {
    env,
    cwd: root,
    stdio: 'ignore',
  })
  const over = new Promise((resolve) => child.once('close', resolve))
  while (child.exitCode === null && phaseIn(open) === '') await sleep(1)
  child.kill('SIGKILL')
  await over
  assert.equal(readdirSync(open).length, 1, 'it is cut off')
  // Nobody types anything: the server starts the guest again.
  process.kill(before, 'SIGKILL')
  while (readdirSync(open).length > 0) await sleep(50)
  assert.notEqual(pid(), before)
  const found = ['default', 'served'].filter((space) => ran('memory', 'search', 'kingfisher', '--space', space).includes('at the weir'))
  assert.equal(found.length, 1, `the note is in ${found.join()}`)
  ran('stop', '--space', 'served')
})

test('merge moves everything and archives, undo brings it back; a name that is taken is kept', () => {
  ran('space', 'new', 'old')
  ran('memory', 'add', 'The black swan is in the old space.', '--space', 'old')
  for (const space of ['old', 'default']) writeFileSync(join(sharedOf(space), 'same.txt'), space)
  assert.match(ran('space', 'merge', 'old', '--to', 'default', '--dry-run'), /Would move 1 memory.*from-old\/same\.txt.*archive old/)
  ran('space', 'merge', 'old', '--to', 'default', '--yes')
  assert.equal(readFileSync(join(sharedOf('default'), 'same.txt'), 'utf8'), 'default')
  assert.equal(readFileSync(join(sharedOf('default'), 'from-old', 'same.txt'), 'utf8'), 'old')
  assert.match(ran('memory', 'search', 'swan'), /black swan/)
  assert.match(oxbow('run', 'hello', '--space', 'old').err, /is archived/)
  ran('space', 'undo', '--yes')
  assert.doesNotMatch(ran('memory', 'search', 'swan'), /black swan/)
  assert.match(ran('memory', 'search', 'swan', '--space', 'old'), /black swan/)
  assert.equal(readFileSync(join(sharedOf('old'), 'same.txt'), 'utf8'), 'old')
})

test('a shared folder is read, not changed; what is read is private, and goes with it', () => {
  ran('space', 'new', 'reader')
  mkdirSync(join(sharedOf('default'), 'figures'))
  writeFileSync(join(sharedOf('default'), 'figures', 'f.txt'), 'figure 4711\n')
  ran('space', 'share', '/shared/figures', '--from', 'default', '--to', 'reader')
  const { session } = JSON.parse(ran('run', 'read figures/f.txt', '--space', 'reader', '--json')) as { session: string }
  assert.match(ran('sessions', 'show', session, '--space', 'reader'), /figure 4711/)
  assert.match(ran('flow', 'why', session, '--space', 'reader'), /private and untrusted {2}from \/shared\/figures\/f\.txt/)
  assert.notEqual(oxbow('call', 'file.write', '{"path":"/shared/figures/g.txt","text":"x"}', '--space', 'reader').exit, 0)
  ran('run', 'write copy.txt: 4711', '--session', session, '--space', 'reader')
  const preview = JSON.parse(ran('space', 'unshare', 'figures', '--to', 'reader', '--dry-run', '--json')) as {
    target: { sessions: readonly { id: string }[]; files: readonly string[] }
  }
  assert.deepEqual(
    preview.target.sessions.map(({ id }) => id),
    [session],
  )
  assert.deepEqual(preview.target.files, ['/shared/copy.txt'])
  ran('space', 'unshare', 'figures', '--to', 'reader', '--yes')
  assert.equal(existsSync(join(sharedOf('reader'), 'copy.txt')), false)
  assert.notEqual(oxbow('sessions', 'show', session, '--space', 'reader').exit, 0)
  assert.notEqual(oxbow('call', 'file.read', '{"path":"/shared/figures/f.txt"}', '--space', 'reader').exit, 0)
})

test('what another space may write is private where it is read, also once it is taken away', () => {
  ran('space', 'new', 'writer')
  mkdirSync(join(sharedOf('default'), 'both'), { mode: 0o777 })
  chmodSync(join(sharedOf('default'), 'both'), 0o777)
  ran('space', 'share', 'both', '--from', 'default', '--to', 'writer', '--write')
  ran('call', 'file.write', '{"path":"/shared/both/from-writer.txt","text":"figure 4712"}', '--space', 'writer')
  ran('space', 'unshare', 'both', '--to', 'writer', '--yes')
  const { session } = JSON.parse(ran('run', 'read both/from-writer.txt', '--json')) as { session: string }
  assert.match(ran('sessions', 'show', session), /figure 4712/)
  assert.match(ran('flow', 'why', session), /private and untrusted {2}from \/shared\/both\/from-writer\.txt/)
})

test('a link into another space is followed by nothing: not by files of agents, a move, nor a share', () => {
  ran('space', 'new', 'linked')
  writeFileSync(join(sharedOf('default'), 'secret.txt'), 'the secret')
  symlinkSync(sharedOf('default'), join(sharedOf('linked'), 'way'))
  assert.doesNotMatch(oxbow('call', 'file.read', '{"path":"/shared/way/secret.txt"}', '--space', 'linked').out, /the secret/)
  assert.match(oxbow('space', 'move', '/shared/way/secret.txt', '--from', 'linked', '--to', 'default', '--yes').err, /behind a link/)
  assert.match(oxbow('space', 'share', '/shared/way', '--from', 'linked', '--to', 'default').err, /is not a folder/)
})
