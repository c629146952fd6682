/**
 * What goes with something that is not shared any more: in the space that saw it, and in every other space to which sessions, memories or files
 * of that space were moved since. The moves that are remembered say which spaces these are.
 */
import { doneMoves, forgetsMoves, type Home, type SpaceMove, spaceOf } from '../../runner/index.ts'
import { plural, type SessionId } from '../../base/index.ts'
import type { InputOf, OutputOf } from '../../client/index.ts'
import { plainLine } from '../../terminal/index.ts'
import { outcomeOf, outputOf, withGuest } from '../guest-connection.ts'
import { printNotice, type Terminal } from '../terminal.ts'
import { allSchedules, chunks, deleteSessions, type Gateway, ifThere } from './space-asks.ts'

export interface DerivedIn extends OutputOf<'space.derived'> {
  readonly space: string
  readonly user: string
  readonly schedules: readonly { readonly id: string; readonly name: string }[]
}

interface Shared {
  /** A folder as the space sees it; empty: memories. */
  readonly path: string
  /** Ids of copies. */
  readonly memories: readonly string[]
}

/** What came to a space from another one that had seen it. */
interface Came {
  readonly sessions: Set<SessionId>
  readonly moved: Set<string>
}

interface Seen {
  readonly home: Home
  /** Workspace of the space that sees it. */
  readonly user: string
  readonly gateway: Gateway
}

/** @returns what is derived of it, first of the space that sees it, then of those to which that was moved and that have some of it */
export async function derivedAnywhere({ home, user, gateway }: Seen, shared: Shared, terminal: Terminal): Promise<readonly DerivedIn[]> {
  const moves = doneMoves(home, spaceOf(user).person).filter(({ phase }) => phase === 'done')
  if (forgetsMoves(home))
    printNotice(
      terminal,
      'notice: only the newest moves between spaces are kept; what came to other spaces by older ones is not looked for',
    )
  const came = new Map<string, Came>([[user, { sessions: new Set(), moved: new Set() }]])
  const found = new Map<string, DerivedIn>()
  // What is derived in a third space may have been moved on: until nothing is added.
  for (let before = -1; sizeOf(came) > before;) {
    before = sizeOf(came)
    for (const [one, seeds] of came) {
      const ask = (through: Gateway): Promise<DerivedIn> => derivedIn(through, { user: one, isThere: one === user, shared, seeds })
      found.set(one, one === user ? await ask(gateway) : await withGuest({ user: one }, terminal, (other) => ask(other.gateway)))
    }
    for (const move of moves) follow(move, found.get(move.from), came)
    for (const move of moves.filter(({ from }) => from === user)) leave(move, found.get(move.to), came.get(user)!)
  }
  return [...found.values()].filter((one) => one.user === user || hasAny(one))
}

const sizeOf = (came: ReadonlyMap<string, Came>): number =>
  [...came.values()].reduce((sum, { sessions, moved }) => sum + 1 + sessions.size + moved.size, 0)

/** Adds what this move has brought of it to the other space. */
function follow({ from, to, sessions, files, memories }: SpaceMove, there: DerivedIn | undefined, came: Map<string, Came>): void {
  if (there === undefined) return
  const gone = new Set<SessionId>([...there.sessions.map(({ id }) => id), ...there.past, ...(came.get(from)?.sessions ?? [])])
  const placed = sessions.flatMap(({ id, placed: now }) => (gone.has(id as SessionId) ? [now as SessionId] : []))
  if (placed.length === 0 && (gone.size === 0 || memories.length === 0) && files.length === 0) return
  const before: Came = came.get(to) ?? { sessions: new Set(), moved: new Set() }
  // The ids of the first space, too: a note that was moved names the session that made it.
  for (const id of [...gone, ...placed]) before.sessions.add(id)
  for (const [, path] of files) before.moved.add(path)
  came.set(to, before)
}

/** Of files that were made of it and moved away, documents may still be in memory. */
function leave({ files }: SpaceMove, there: DerivedIn | undefined, { moved }: Came): void {
  for (const path of there?.files ?? [])
    for (const [before, after] of files) if (path === after || path.startsWith(`${after}/`)) moved.add(before + path.slice(after.length))
}

const hasAny = ({ sessions, memories, files, schedules, state }: DerivedIn): boolean =>
  [sessions, memories, files, schedules, state].some((things) => things.length > 0)

interface Ask {
  readonly user: string
  /** Whether this is the space that sees it. */
  readonly isThere: boolean
  readonly shared: Shared
  readonly seeds: Came
}

async function derivedIn(gateway: Gateway, { user, isThere, shared, seeds }: Ask): Promise<DerivedIn> {
  const all = await allSchedules(gateway)
  const question = {
    path: shared.path,
    memories: [...shared.memories],
    sessions: [...seeds.sessions],
    moved: [...seeds.moved],
    elsewhere: !isThere,
  } satisfies InputOf<'space.derived'>
  // Runs of a schedule read what the session knew that made it: until no schedule is added.
  for (let schedules: readonly (typeof all)[number][] = []; ;) {
    const found = await outputOf(gateway, 'space.derived', { ...question, schedules: schedules.map(({ name }) => name) })
    const sessions = new Set<string>([...found.sessions.map(({ id }) => id), ...found.past])
    const made = all.filter(({ origin }) => sessions.has(origin))
    if (made.length === schedules.length)
      return { ...found, space: spaceOf(user).space, user, schedules: made.map(({ id, name }) => ({ id, name })) }
    schedules = made
  }
}

/** In words, after what is taken away. */
export function derivedText(all: readonly DerivedIn[]): string {
  const [here, ...elsewhere] = all.map(partsOf)
  const parts = [
    ...here!,
    ...elsewhere.map((those, at) => `in the space ${all[at + 1]!.space}: ${new Intl.ListFormat('en').format(those)}`),
  ]
  return parts.length === 0 ? '' : `, and ${new Intl.ListFormat('en').format(parts)}`
}

function partsOf({ sessions, memories, schedules, files, state }: DerivedIn): readonly string[] {
  const few = (texts: readonly string[], between: string): string =>
    texts
      .slice(0, 3)
      .map((text) => plainLine(text, 60))
      .join(between)
  const titles = sessions.map(({ title }) => title)
  const names = state.map(({ category, name }) => `${category}/${name}`)
  return [
    ...(sessions.length > 0 ? [`delete ${plural(sessions.length, 'session')} that may have read it (${few(titles, '; ')})`] : []),
    ...(memories.length > 0 ? [`erase ${plural(memories.length, 'memory', 'memories')} that they made`] : []),
    ...(schedules.length > 0 ? [`delete ${plural(schedules.length, 'schedule')} that they made`] : []),
    ...(state.length > 0 ? [`delete ${plural(state.length, 'document')} of state that they saved (${few(names, ', ')})`] : []),
    ...(files.length > 0 ? [`delete ${plural(files.length, 'file')} that came from it (${few(files, ', ')})`] : []),
  ]
}

/** Each step can be done again. */
export async function removeDerived(gateway: Gateway, { sessions, memories, schedules, files, state }: DerivedIn): Promise<void> {
  for (const { id } of schedules) await ifThere(outcomeOf(gateway, 'schedule.delete', { id }))
  for (const { category, name } of state) await ifThere(outcomeOf(gateway, 'state.delete', { category, name }))
  for (const ids of chunks(memories)) await outputOf(gateway, 'space.clear', { ids: [...ids] })
  await deleteSessions(
    gateway,
    sessions.map(({ id }) => id),
  )
  for (const path of files) await ifThere(outcomeOf(gateway, 'file.delete', { path, recursive: true }))
}
