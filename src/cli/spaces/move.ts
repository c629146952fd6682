/**
 * `oxbow space move`, `merge` and `undo`: what a person takes from one space into another. The guests of both are asked; the runner's folder
 * remembers how far it is (`src/runner/spaces/space-moves.ts`), so that a move that was cut off is whole or as before.
 */
import { systemClock, systemRandom, createIdMaker, isOxbowError, OxbowError, plural, type SessionId, toFailure } from '../../base/index.ts'
import {
  claimMove,
  defaultSpace,
  doneMoves,
  endMove,
  findSpace,
  freePath,
  leftMoves,
  listFolders,
  moveFiles,
  openHome,
  parseUser,
  setArchived,
  sharedFile,
  sharedNames,
  spaceOf,
  type SpaceMove,
  writeMove,
} from '../../runner/index.ts'
import { plainLine, sessionNamed } from '../../terminal/index.ts'
import { outcomeOf, outputOf, withGuest } from '../guest-connection.ts'
import { isYes } from '../input.ts'
import { isInteractive, printAnswer, printNotice, printOnce, printPreview, type Terminal } from '../terminal.ts'
import { finishSchedules, isMarked, movableSchedule, placeSchedule, scheduleNamed, titleChars } from './move-schedules.ts'
import { allSchedules, allSessions, chunks, type Gateway, ifThere } from './space-asks.ts'
import { personOf, type SpaceOptions } from './spaces.ts'

export interface MoveOptions extends SpaceOptions {
  readonly to: string
  readonly from?: string | undefined
  readonly yes?: boolean | undefined
}

interface Sides {
  readonly from: Gateway
  readonly to: Gateway
  readonly terminal: Terminal
}

type Item = SpaceMove['sessions'][number]

const maxListed = 1_000

export async function spaceMove(items: readonly string[], options: MoveOptions, terminal: Terminal): Promise<number> {
  const { from, to } = sidesOf(options, terminal)
  return withBoth(from, to, terminal, async (sides) => {
    const move = await planOf(sides, items, newMove('move', from, to), terminal)
    return agreedMove(move, sides, options)
  })
}

export async function spaceMerge(name: string, options: MoveOptions, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const { user: from } = findSpace(home, personOf(options), name)
  const { user: to } = findSpace(home, personOf(options), options.to)
  if (spaceOf(from).space === defaultSpace)
    throw new OxbowError('bad_input', 'the default space cannot be merged into another', {
      hint: `Merge the other into it: oxbow space merge ${options.to} --to default`,
    })
  assertTwo(from, to)
  return withBoth(from, to, terminal, async (sides) =>
    agreedMove(await planOfAll(sides, newMove('merge', from, to), terminal), sides, options),
  )
}

/** Takes back the newest move, or the one that is named: what it moved goes back as it is now. */
export async function spaceUndo(id: string | undefined, options: Omit<MoveOptions, 'to'>, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const all = doneMoves(home, personOf(options)).filter(({ phase }) => phase === 'done')
  const undone = new Set(all.map(({ undoes }) => undoes))
  const last = all.find((one) => (id === undefined ? one.kind !== 'undo' : one.id.startsWith(id)) && !undone.has(one.id))
  if (last === undefined) throw noMove(all.find((one) => id === undefined && one.kind === 'undo' && !undone.has(one.id)))
  if (last.kind === 'merge' && options.dryRun !== true) setArchived(home, personOf(options), spaceOf(last.from).space, 0)
  return withBoth(last.to, last.from, terminal, async (sides) => {
    const back = ({ placed, name }: Item): Item => ({ id: placed, name, placed: '' })
    const move: SpaceMove = {
      ...newMove('undo', last.to, last.from),
      memories: last.memories,
      sessions: last.sessions.map(back),
      schedules: last.schedules.map(back),
      files: last.files.map(([before, after]) => [after, before]),
      undoes: last.id,
    }
    for (const [path] of move.files) sharedFile(home, move.from, path)
    return agreedMove(move, sides, { ...options, to: spaceOf(last.from).space })
  })
}

/** @param undo the newest that can be undone */
function noMove(undo: SpaceMove | undefined): OxbowError {
  return new OxbowError('not_found', 'there is no move to take back', {
    hint:
      undo === undefined
        ? '`oxbow space undo` takes back the newest move or merge.'
        : `All are taken back. To undo the newest undo: oxbow space undo ${undo.id}`,
  })
}

function sidesOf(options: MoveOptions, terminal: Terminal): { readonly from: string; readonly to: string } {
  const home = openHome(terminal.env)
  const from = options.from === undefined ? options.user : findSpace(home, personOf(options), options.from).user
  const { user: to } = findSpace(home, personOf(options), options.to)
  assertTwo(from, to)
  return { from, to }
}

function assertTwo(from: string, to: string): void {
  if (from === to)
    throw new OxbowError('bad_input', 'both are the same space', {
      hint: 'Name another one: --to SPACE, and --from SPACE where it is not the one in use.',
    })
}

const newMove = (kind: SpaceMove['kind'], from: string, to: string): SpaceMove => ({
  id: createIdMaker(systemClock, systemRandom)(),
  kind,
  from,
  to,
  at: Date.now(),
  phase: 'placing',
  pid: process.pid,
  memories: [],
  sessions: [],
  schedules: [],
  files: [],
  undoes: '',
})

function withBoth(from: string, to: string, terminal: Terminal, use: (sides: Sides) => Promise<number>): Promise<number> {
  return withGuest({ user: from }, terminal, (source) =>
    withGuest({ user: to }, terminal, (target) => use({ from: source.gateway, to: target.gateway, terminal })),
  )
}

async function planOf({ from }: Sides, items: readonly string[], empty: SpaceMove, { env }: Terminal): Promise<SpaceMove> {
  const home = openHome(env)
  const [memories, sessions, schedules, files]: [string[], Item[], Item[], [string, string][]] = [[], [], [], []]
  for (const item of new Set(items)) {
    if (item.startsWith('/')) {
      sharedFile(home, empty.from, item)
      if (listFolders(home, parseUser(empty.from)).some(({ name }) => item === `/shared/${name}` || item.startsWith(`/shared/${name}/`)))
        throw new OxbowError('path_refused', `${item} is in a folder of yours, which is not part of a space`, {
          hint: 'Add the folder in the other space: oxbow folder add PATH --space NAME',
        })
      files.push([item, freePath(home, empty.to, item, empty.from)])
    } else if (item.startsWith('secret:'))
      throw new OxbowError('bad_input', 'a secret does not move: nothing reads a stored one back', {
        hint: `Set it there, and remove it here: oxbow secret set ${item.slice('secret:'.length)} --space ${spaceOf(empty.to).space}`,
      })
    else if (item.startsWith('schedule:')) schedules.push(await scheduleNamed(from, item.slice('schedule:'.length)))
    else if (/^[0-9a-f][0-9a-f-]{3,35}$/.test(item)) sessions.push(await movableSession(from, item))
    else memories.push(item)
  }
  if (memories.length > 0) await outputOf(from, 'space.pack', { ids: memories })
  return { ...empty, memories, sessions, schedules, files }
}

async function movableSession(from: Gateway, prefix: string): Promise<Item> {
  const all = await outputOf(from, 'session.list', { limit: maxListed, archived: true })
  const { id, title, busy } = sessionNamed(all, prefix)
  if (busy) throw new OxbowError('bad_input', `a turn of the session ${title} is running`, { hint: 'Wait for it, or cancel it.' })
  if (all.some(({ parent }) => parent === id))
    throw new OxbowError('bad_input', `the session ${title} has forks, which share its history`, {
      hint: 'Move or delete the forks first.',
    })
  return { id, name: title, placed: '' }
}

async function planOfAll({ from }: Sides, empty: SpaceMove, { env }: Terminal): Promise<SpaceMove> {
  const home = openHome(env)
  const memories: string[] = []
  for (let after: string | null = ''; after !== null;) {
    const page: { readonly lines: readonly string[]; readonly next: string | null } = await outputOf(from, 'space.pack', { after })
    memories.push(...page.lines.map((line) => (JSON.parse(line) as { id: string }).id))
    after = page.next
  }
  const sessions = await allSessions(from)
  const busy = sessions.find((one) => one.busy)
  if (busy !== undefined)
    throw new OxbowError('bad_input', `a turn of the session ${busy.title} is running`, { hint: 'Wait for it, or cancel it.' })
  const schedules = await allSchedules(from)
  const mounts = listFolders(home, parseUser(empty.from)).map(({ name }) => name)
  return {
    ...empty,
    memories,
    // Forks before what they share.
    sessions: sessions
      .filter(({ turns }) => turns > 0)
      .toSorted((a, b) => b.created_at - a.created_at)
      .map(({ id, title }) => ({ id, name: title, placed: '' })),
    schedules: schedules.filter(({ source }) => source === 'call').map(movableSchedule),
    files: sharedNames(home, empty.from, mounts).map((name) => [
      `/shared/${name}`,
      freePath(home, empty.to, `/shared/${name}`, empty.from),
    ]),
  }
}

/** What goes, in words. */
function described({ kind, from, to, memories, sessions, schedules, files }: SpaceMove): string {
  const parts = [
    ...(memories.length > 0 ? [plural(memories.length, 'memory', 'memories')] : []),
    ...(sessions.length > 0
      ? [
          `${plural(sessions.length, 'session')} (${sessions
            .slice(0, 3)
            .map(({ name }) => plainLine(name, titleChars))
            .join('; ')})`,
        ]
      : []),
    ...(schedules.length > 0 ? [plural(schedules.length, 'schedule')] : []),
    ...files.map(([before, after]) => plainLine(before === after ? before : `${before} as ${after}`, 400)),
  ]
  const what = parts.length === 0 ? 'nothing' : new Intl.ListFormat('en').format(parts)
  const archives = kind === 'merge' ? `, and archive ${spaceOf(from).space}; its secrets and configuration stay there` : ''
  return `move ${what} from the space ${spaceOf(from).space} to ${spaceOf(to).space}${archives}`
}

async function agreedMove(move: SpaceMove, sides: Sides, options: MoveOptions): Promise<number> {
  const { terminal } = sides
  const would = described(move)
  if (options.dryRun === true) return printPreview({ would, target: move }, options, terminal)
  if (options.yes !== true) {
    if (!isInteractive(terminal))
      throw new OxbowError('bad_input', 'nobody can be asked here whether that is meant', {
        hint: `It would ${would}. Add --yes, or --dry-run to see it first.`,
      })
    if (!(await isYes(`${would}?`, terminal))) return printNothing(terminal)
  }
  const home = openHome(terminal.env)
  let placed = move
  try {
    placed = await place(move, sides)
  } catch (error) {
    await takeBack(leftMoves(home).find(({ id }) => id === move.id) ?? move, sides).catch((failed: unknown) =>
      printNotice(terminal, `notice: what was placed is taken back later: ${toFailure(failed, 'internal_failure', '').message}`),
    )
    throw error
  }
  await finish(placed, sides)
  const text = `Done: ${would}.\nTake it back: oxbow space undo ${move.id}`
  return printAnswer(
    {
      move: move.id,
      from: spaceOf(move.from).space,
      to: spaceOf(move.to).space,
      files: move.files,
      memories: move.memories,
      sessions: placed.sessions,
      schedules: placed.schedules,
    },
    text,
    options,
    terminal,
  )
}

function printNothing(terminal: Terminal): number {
  printNotice(terminal, 'Nothing is moved.')
  return 0
}

const markOf = ({ id }: SpaceMove): string => `[moving ${id}]`

/** Up to the turning point: all of it is in the other space, too, and nothing has left the first. */
async function place(begun: SpaceMove, { from, to, terminal }: Sides): Promise<SpaceMove> {
  const home = openHome(terminal.env)
  let move = begun
  writeMove(home, move)
  const paths = move.files.map(([before]) => before)
  const { files } = await outputOf(from, 'space.pack', { ids: [], paths })
  const renamed = files.map((one) => ({
    ...one,
    labels: [...one.labels],
    path: move.files.find(([before]) => before === one.path)?.[1] ?? one.path,
  }))
  await outputOf(to, 'space.place', {
    lines: [],
    files: renamed.map((one) => ({ ...one, from: one.from.map((each) => [...each]) })),
  } as never)
  for (const ids of chunks(move.memories)) {
    const { lines } = await outputOf(from, 'space.pack', { ids })
    await outputOf(to, 'space.place', { lines: [...lines] })
  }
  for (const session of move.sessions) {
    const { file } = await outputOf(from, 'session.export', { session: session.id, format: 'json' })
    const title = `${plainLine(session.name, titleChars)} ${markOf(move)}`
    const { session: placed, agent } = await outputOf(to, 'session.import', { file, title })
    if (agent !== '') await keepAgent(to, placed, agent, terminal)
    move = { ...move, sessions: move.sessions.map((one) => (one.id === session.id ? { ...one, placed } : one)) }
    writeMove(home, move)
  }
  const there = move.schedules.length === 0 ? [] : await allSchedules(from)
  for (const schedule of move.schedules) {
    const placed = await placeSchedule(there, to, schedule, markOf(move))
    move = { ...move, schedules: move.schedules.map((one) => (one.id === schedule.id ? { ...one, placed } : one)) }
    writeMove(home, move)
    await outputOf(to, 'schedule.edit', { id: placed, status: 'paused' } as never)
  }
  move = { ...move, phase: 'clearing' }
  writeMove(home, move)
  return move
}

/** Who answered in a session answers there, too, where that space has them. */
async function keepAgent(to: Gateway, session: SessionId, agent: string, terminal: Terminal): Promise<void> {
  await outcomeOf(to, 'session.agent', { agent }, session).catch((error: unknown) => {
    if (!isOxbowError(error)) throw error
    printNotice(
      terminal,
      `notice: ${plainLine(agent, titleChars)} does not answer in the moved session, but the usual agent: ${error.message}`,
    )
  })
}

/** From the turning point on. Each step can be done again. */
async function finish(move: SpaceMove, { from, to, terminal }: Sides): Promise<void> {
  const home = openHome(terminal.env)
  moveFiles(home, move)
  const paths = move.files.map(([before]) => before)
  for (const ids of [[], ...chunks(move.memories)])
    await outputOf(from, 'space.clear', { ids: [...ids], paths: ids.length === 0 ? paths : [] })
  for (const { id, name, placed } of move.sessions) {
    await ifThere(outcomeOf(from, 'session.delete', { session: id }))
    await ifThere(outcomeOf(to, 'session.rename', { session: placed, title: name || 'Session' }))
  }
  if (move.schedules.length > 0) await finishSchedules(from, to, move.schedules, markOf(move))
  if (move.kind === 'merge') setArchived(home, spaceOf(move.from).person, spaceOf(move.from).space, Date.now())
  endMove(home, move, 'done')
}

/** Before the turning point: the other space is as it was. */
async function takeBack(move: SpaceMove, { to, terminal }: Sides): Promise<void> {
  const after = move.files.map(([, path]) => path)
  for (const ids of [[], ...chunks(move.memories)])
    await outputOf(to, 'space.clear', { ids: [...ids], paths: ids.length === 0 ? after : [] })
  // Also what was placed, and not noted any more.
  const sessions = await outputOf(to, 'session.list', { limit: maxListed, archived: true, search: move.id })
  for (const { id } of sessions.filter(({ title }) => title.includes(markOf(move))))
    await ifThere(outcomeOf(to, 'session.delete', { session: id }))
  for (const { id, name } of await allSchedules(to))
    if (isMarked(name, markOf(move))) await ifThere(outcomeOf(to, 'schedule.delete', { id }))
  endMove(openHome(terminal.env), move, 'undone')
}

/** Takes back or finishes what processes have left. */
export async function finishLeft(given: Terminal): Promise<void> {
  const terminal = { ...given, settle: null, begun: null }
  const home = openHome(terminal.env)
  for (const { id } of leftMoves(home)) {
    const move = claimMove(home, { id })
    if (move === null) continue
    const words = `a move between the spaces ${spaceOf(move.from).space} and ${spaceOf(move.to).space} that was cut off`
    try {
      // A merge archives its space before it is over.
      if (move.kind === 'merge' && move.phase === 'clearing') setArchived(home, spaceOf(move.from).person, spaceOf(move.from).space, 0)
      await withBoth(move.from, move.to, terminal, async (sides) => {
        await (move.phase === 'placing' ? takeBack(move, sides) : finish(move, sides))
        return 0
      })
      printNotice(terminal, `notice: ${words} is ${move.phase === 'placing' ? 'taken back: all is as before' : 'finished'}`)
    } catch (error) {
      printOnce(terminal, `notice: ${words} is not settled yet: ${toFailure(error, 'internal_failure', '').message}`)
    }
  }
}
