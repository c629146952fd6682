/**
 * Random series of what happens to a workspace: a person edits, an agent and a graph change files by name and by commands, guests stop, are
 * killed and start, a folder of the person comes and goes, turns and undos are undone. Real operations of hands and the real repository; only the
 * sandbox and the turns are played.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTwoFilesPatch } from 'diff'
import type { Hands, HandsOps } from '../../src/protocol/index.ts'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import { createSeriesFiles, linesOfAFile, type SeriesFiles, tokensOf } from './series-files.ts'
import { played, type SeriesGuest, startGuest, type Undone } from './series-guest.ts'

const signal = new AbortController().signal
const options = { signal, timeoutMs: 10_000 }
const steps = 14
/** Series in one workspace: a repository and a thread cost more than a series. */
const seriesOfAWorld = 20

interface Series {
  next(below: number): number
}

export function randomSeries(seed: number): Series {
  const number = seededNumbers(seed)
  return { next: (below) => (number() * 2 ** 32) % below }
}

/** Plays series from one seed on, some of them in one workspace. @throws AssertionError for what a person would have lost, or what stayed of an undone turn */
export async function playSeries(from: number, count: number): Promise<void> {
  for (let at = 0; at < count; at += seriesOfAWorld) await playWorld(from + at, Math.min(seriesOfAWorld, count - at))
}

/** The workspace and its guest, which other series have used before. */
interface World {
  readonly root: string
  folder: string
  guest: SeriesGuest
}

async function playWorld(from: number, count: number): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-series-'))
  const folder = join(root, 'versions')
  const { shared } = createSeriesFiles(root, 's')
  const world: World = { root, folder, guest: startGuest(shared, folder) }
  try {
    for (let seed = from; seed < from + count; seed += 1) {
      const told: string[] = []
      try {
        await playOne(world, seed, told)
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error)
        throw new Error(`seed ${seed}, in a world from seed ${from} on: ${text}\n${told.join('\n')}`, { cause: error })
      }
    }
  } finally {
    await world.guest.stop()
    rmSync(root, { recursive: true, force: true })
  }
}

async function playOne(world: World, seed: number, told: string[]): Promise<void> {
  const random = randomSeries(seed)
  const play = createPlay(world, createSeriesFiles(world.root, `s${seed}`), told)
  for (let step = 0; step < steps; step += 1) await playStep(play, random)
  for (const agent of [0, 1]) await play.ends(agent)
  play.files.assertNothingLost(world.folder)
}

/** @param folder of the versions that the next guest finds */
async function restart(world: World, folder: string): Promise<void> {
  await world.guest.stop()
  world.folder = folder
  world.guest = startGuest(join(world.root, 'shared'), folder)
  await world.guest.recover()
}

type Play = ReturnType<typeof createPlay>

async function playStep(play: Play, random: Series): Promise<void> {
  const { names } = play.files
  const name = names[random.next(names.length)]!
  const agent = random.next(2)
  const at = random.next(linesOfAFile)
  switch (random.next(10)) {
    case 0:
    case 1:
      return play.person(name, at, random.next(6) === 0)
    case 2:
    case 3:
      return play.edits(agent, name, at, random.next(6) === 0 ? 'delete' : ways[random.next(ways.length)])
    case 4:
      return play.runs(agent, [name, names[random.next(names.length)]!], at, random.next(3))
    case 5:
      return play.ends(agent)
    case 6:
      return random.next(12) === 0 ? play.restarts() : play.moves(agent, name, names[random.next(names.length)]!)
    case 7:
      return random.next(2) === 0 ? play.comesOrGoes() : play.undoes(random)
    default:
      return play.undoes(random)
  }
}

/** By which operation of hands a file is changed. */
const ways = ['write', 'edit', 'patch', 'put'] as const
type Way = (typeof ways)[number] | 'delete'

/** Every other turn of the second one is the run of a graph, all others are turns of agents. */
const isGraph = (turn: string): boolean => /[02468]x1$/.test(turn)

async function change(hands: Hands, way: Way, name: string, before: string | null, text: string): Promise<void> {
  const path = `/shared/${name}`
  if (way === 'edit' && before !== null && before !== '')
    await hands.ask('edit', { path, find: before, replace: text, all: false, ifHash: undefined }, options)
  else if (way === 'patch') await hands.ask('patch', { path: '/shared', diff: diffOf(name, before, text) }, options)
  else if (way === 'put') await hands.ask('put', uploadOf(path, text), options)
  else await hands.ask('write', { path, text, ifHash: undefined }, options)
}

/** What may happen in a series. */
function createPlay(world: World, files: SeriesFiles, told: string[]) {
  const turns: string[] = []
  const open: (string | null)[] = [null, null]
  const turnOf = (agent: number): string => {
    const turn = open[agent] ?? `T${files.names[0]!.slice(1, -'/a.txt'.length)}x${turns.length}x${agent}`
    if (open[agent] === null) turns.push(turn)
    open[agent] = turn
    return turn
  }
  return {
    files,
    person(name: string, at: number, removes: boolean): void {
      told.push(`person ${removes ? 'removes' : 'edits'} ${name}`)
      files.person(name, at, removes)
    },
    async edits(agent: number, name: string, at: number, way: Way = 'write'): Promise<void> {
      if (files.isAway(name)) return
      const turn = turnOf(agent)
      told.push(`${turn} changes ${name}: ${way}`)
      const hands = world.guest.handsOf(turn)
      if (way === 'delete') await hands.ask('delete', { path: `/shared/${name}`, recursive: false }, options).catch(expected)
      else await change(hands, way, name, files.read(name), files.changed(name, at, turn))
    },
    async moves(agent: number, from: string, to: string): Promise<void> {
      if (from === to || files.isAway(from) || files.isAway(to) || isUnseen(from) || isUnseen(to)) return
      const turn = turnOf(agent)
      told.push(`${turn} moves ${from} to ${to}`)
      const input = { from: `/shared/${from}`, to: `/shared/${to}`, overwrite: true }
      await world.guest.handsOf(turn).ask('move', input, options).catch(expected)
    },
    /** A command, perhaps during a change by the other agent, perhaps one during which the guest is killed. */
    async runs(agent: number, named: readonly string[], at: number, meanwhile: number): Promise<void> {
      const turn = turnOf(agent)
      const own = named.filter((name) => !isUnseen(name) && !files.isAway(name))
      const [isKilled, isStopped] = [meanwhile === 2 && at < 2, meanwhile === 1 && at === 5]
      told.push(`${turn} runs a command on ${own.join(' ')}${meanwhile === 0 ? ', the other agent writes a.txt' : ''}`)
      world.guest.command(async () => {
        for (const [i, name] of own.entries()) files.put(name, i === 1 && at === 0 ? null : files.changed(name, at, turn))
        if (meanwhile === 0) await this.edits(1 - agent, files.names[0]!, at)
        if (isKilled) world.guest.kill(`${world.folder}k`)
      })
      await world.guest.handsOf(turn).ask('exec', played, options)
      if (!isKilled && !isStopped) return
      told.push(`the guest ${isKilled ? 'is killed' : 'stops after the command'} and starts; turns that ran go on`)
      await restart(world, isKilled ? `${world.folder}k` : world.folder)
    },
    async ends(agent: number): Promise<void> {
      const turn = open[agent] ?? null
      if (turn === null) return
      open[agent] = null
      told.push(`${turn} ends`)
      await world.guest.end(turn, isGraph(turn))
    },
    async restarts(): Promise<void> {
      for (const agent of [0, 1]) await this.ends(agent)
      told.push('the guest stops and starts')
      await restart(world, world.folder)
    },
    comesOrGoes: () => void told.push(files.comeOrGo()),
    undoes: (random: Series) =>
      undoOne(
        world,
        files,
        told,
        turns.filter((turn) => !open.includes(turn)),
        random,
      ),
  }
}

/** Undoes a turn that has ended, and perhaps the undo. */
async function undoOne(world: World, files: SeriesFiles, told: string[], ended: readonly string[], random: Series): Promise<void> {
  if (ended.length === 0) return
  const turn = ended[random.next(ended.length)]!
  const before = files.all()
  const undone = await world.guest.undo({ turn }, `U${turn}y${told.length}`)
  told.push(`undo of ${turn}: ${typeof undone === 'string' ? undone : undone.text.replaceAll('\n', ' ')}`)
  assertUndone(files, before, turn, undone)
  if (typeof undone === 'string' || random.next(2) === 0) return
  assert.ok(typeof (await world.guest.undo({ turn: undone.undo }, `R${turn}y${told.length}`)) === 'object', 'the undo is undone')
  told.push(`undo of the undo of ${turn}`)
  for (const name of files.names) assert.ok(files.read(name) === before.get(name), `${name} is not as before the undo`)
}

function diffOf(name: string, before: string | null, after: string): string {
  const diff = createTwoFilesPatch(before === null ? '/dev/null' : `a/${name}`, `b/${name}`, before ?? '', after)
  return diff.replace(/^=+\n/m, '')
}

function uploadOf(path: string, text: string): HandsOps['put']['input'] {
  return { path, upload: randomUUID(), offset: 0, content: Buffer.from(text), last: true, overwrite: true, ifHash: undefined }
}

/** Versions do not cover what commands do there. */
const isUnseen = (name: string): boolean => /(?:^|\/)(?:skipped|\.git)\//.test(name)

/** Of a file that is not there, or that is a folder. */
function expected(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && ['not_found', 'tool_failed', 'path_refused'].includes(String(error.code)))) throw error
}

/** An undo takes back what is its turn's or says why not, and takes nothing else. */
function assertUndone(files: SeriesFiles, before: ReadonlyMap<string, string | null>, turn: string, undone: Undone | string): void {
  const now = files.all()
  if (typeof undone === 'string') {
    for (const [name, text] of before) {
      assert.ok(now.get(name) === text, `a refused undo changed ${name}`)
      if (undone !== 'not_found' || files.isAway(name)) continue
      for (const token of tokensOf(text))
        assert.ok(
          !token.startsWith(`${turn}-`) || files.writtenIn(token) !== name,
          `the versions do not know that ${turn} has changed ${name}`,
        )
    }
    return
  }
  const left = new Set(undone.conflicts.map(({ path }) => path))
  const tokens = files.tokens()
  for (const [name, text] of before) {
    for (const token of tokensOf(text)) {
      const isKept = left.has(`/shared/${name}`) || left.has(`/shared/${files.writtenIn(token)}`) || files.isAway(name)
      // What another turn has moved elsewhere is that turn's.
      const isMoved = files.writtenIn(token) !== name
      if (token.startsWith(`${turn}-`)) assert.ok(isKept || isMoved || !tokens.has(token), `${token} of the undone turn stays in ${name}`)
      else assert.ok(tokens.has(token), `the undo of ${turn} took ${token} from ${name}`)
    }
  }
}
