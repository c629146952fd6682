/**
 * Moves between two spaces, on disk in the runner's folder: two stores share no transaction, so the intent is written first. Up to its turning
 * point a move that was cut off is taken back; from there on it is finished. Each step can be done again. One folder for each move:
 * `open/ID` until it is over, then `done/ID`.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import { z } from 'zod'
import { isAlive, OxbowError, type UserId, writeWhole } from '../../base/index.ts'
import { asOwner } from '../file-owner.ts'
import { type Home, hostFiles, makeFolder, openWorkspace } from '../home.ts'
import { maxKeptMoves } from '../limits.ts'
import { hasOpenMoves, openMovesFolder, spaceOf } from './space-names.ts'

const item = z.strictObject({ id: z.string(), name: z.string(), placed: z.string() })

const moveSchema = z.strictObject({
  id: z.string(),
  kind: z.enum(['move', 'merge', 'undo']),
  /** Workspaces. */
  from: z.string(),
  to: z.string(),
  at: z.number(),
  /** `placing` is taken back after a crash, `clearing` is finished. */
  phase: z.enum(['placing', 'clearing', 'done', 'undone']),
  /** The process that does it. */
  pid: z.int(),
  memories: z.array(z.string()),
  /** `placed`: the id in the other space; empty while it is not there. */
  sessions: z.array(item),
  schedules: z.array(item),
  /** Paths in /shared, from and to. */
  files: z.array(z.tuple([z.string(), z.string()])),
  /** Id of the move that this one takes back; empty: none. */
  undoes: z.string(),
})

export type SpaceMove = z.infer<typeof moveSchema>

type Place = Pick<Home, 'runner'>
type State = 'open' | 'done'

const folderOf = ({ runner }: Place, state: State, id = ''): string => join(dirname(openMovesFolder(runner)), state, id)

function movesIn(home: Place, state: State): readonly SpaceMove[] {
  const folder = folderOf(home, state)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .sort()
    .flatMap((id) => {
      const file = join(folder, id, 'move.json')
      return existsSync(file) ? [moveSchema.parse(JSON.parse(readFileSync(file, 'utf8')))] : []
    })
}

/** @returns moves that a process has left behind, the oldest first, without what living processes do */
export function leftMoves(home: Place): readonly SpaceMove[] {
  if (!hasOpenMoves(home.runner)) return []
  return movesIn(home, 'open').filter(({ pid }) => pid === process.pid || !isAlive(pid))
}

/**
 * Before a guest opens a workspace: one that restarts by itself may be the first to come after a crash.
 * @param settle takes back or finishes moves that processes have left behind; absent: nothing here can
 * @throws OxbowError `workspace_busy` where one of this workspace is left: what is in it may be in another space, too
 */
export async function settleMoves(home: Place, user: string, settle?: () => Promise<void>): Promise<void> {
  if (leftMoves(home).length === 0) return
  await settle?.()
  const left = leftMoves(home).find(({ from, to }) => from === user || to === user)
  if (left === undefined) return
  throw new OxbowError(
    'workspace_busy',
    `a move between the spaces ${spaceOf(left.from).space} and ${spaceOf(left.to).space} was cut off`,
    {
      hint: 'Every verb settles it first, and says what keeps it from that: oxbow space list',
    },
  )
}

/** @returns the move as it is now, for this process to settle; null where another one does or has */
export function claimMove(home: Place, { id }: Pick<SpaceMove, 'id'>): SpaceMove | null {
  return asOwner(folderOf(home, 'open'), 'the moves between spaces', () => {
    const left = leftMoves(home).find((one) => one.id === id)
    if (left === undefined) return null
    const claimed = { ...left, pid: process.pid }
    writeMove(home, claimed)
    return claimed
  })
}

/** @returns the moves that are over, the newest first */
export function doneMoves(home: Place, person: string): readonly SpaceMove[] {
  return movesIn(home, 'done')
    .filter(({ from }) => spaceOf(from).person === person)
    .toReversed()
}

/** Whether there may have been moves that are not kept any more. */
export function forgetsMoves(home: Place): boolean {
  return movesIn(home, 'done').length >= maxKeptMoves
}

/** Durable when it returns. */
export function writeMove(home: Place, move: SpaceMove): void {
  const folder = folderOf(home, 'open', move.id)
  hostFiles(() => {
    makeFolder(folder)
    writeWhole(join(folder, 'move.json'), JSON.stringify(move, null, 2))
  })
}

/** It is over. Of the oldest moves nothing is kept. */
export function endMove(home: Place, move: SpaceMove, phase: 'done' | 'undone'): void {
  hostFiles(() => {
    writeMove(home, { ...move, phase })
    makeFolder(folderOf(home, 'done'))
    renameSync(folderOf(home, 'open', move.id), folderOf(home, 'done', move.id))
    const all = readdirSync(folderOf(home, 'done')).sort()
    for (const old of all.slice(0, Math.max(0, all.length - maxKeptMoves)))
      rmSync(folderOf(home, 'done', old), { recursive: true, force: true })
  })
}

// Files of a move. No link is followed: what it points to may be in another space.

/**
 * @param path in /shared @returns its path on this machine
 * @throws OxbowError `path_refused` where it leaves the workspace, `not_found` where nothing is there
 */
export function sharedFile(home: Home, user: string, path: string): string {
  const inside = posix.normalize(path.startsWith('/') ? path : posix.join('/shared', path))
  const shared = realpathSync(openWorkspace(home, user as UserId).shared)
  if (!inside.startsWith('/shared/'))
    throw new OxbowError('path_refused', `${path} is not in /shared`, { hint: 'Name a file or folder as agents see it: /shared/…' })
  const real = join(shared, ...inside.slice('/shared/'.length).split('/'))
  if (lstatSync(real, { throwIfNoEntry: false }) === undefined)
    throw new OxbowError('not_found', `there is no ${inside} in the space ${spaceOf(user).space}`, {
      hint: '`oxbow call file.list` lists the files.',
    })
  const folder = realpathSync(dirname(real))
  if (folder !== dirname(real))
    throw new OxbowError('path_refused', `${inside} is behind a link`, { hint: 'Name it by the path that has no links.' })
  return real
}

/** @returns everything at the top of /shared, by its name there; mount points of folders of the person are not of the space */
export function sharedNames(home: Home, user: string, mounts: readonly string[]): readonly string[] {
  return readdirSync(openWorkspace(home, user as UserId).shared).filter((name) => !mounts.includes(name))
}

/** @returns a path in /shared of a space at which nothing is: the wanted one, else one in a folder named after where it comes from */
export function freePath(home: Home, user: string, wanted: string, from: string): string {
  const { shared } = openWorkspace(home, user as UserId)
  const isFree = (path: string): boolean => lstatSync(join(shared, relative('/shared', path)), { throwIfNoEntry: false }) === undefined
  if (isFree(wanted)) return wanted
  const beside = posix.join('/shared', `from-${spaceOf(from).space}`, relative('/shared', wanted).split(sep).join('/'))
  for (let n = 1; ; n += 1) {
    const path = n === 1 ? beside : `${beside}-${n}`
    if (isFree(path)) return path
  }
}

/** Moves what is still at its old place. One rename for each, which keeps owners and modes, and is whole or not done. */
export function moveFiles(home: Home, { from, to, files }: Pick<SpaceMove, 'from' | 'to' | 'files'>): void {
  const [source, target] = [openWorkspace(home, from as UserId).shared, openWorkspace(home, to as UserId).shared]
  hostFiles(() => {
    for (const [before, after] of files) {
      const [old, next] = [join(source, relative('/shared', before)), join(target, relative('/shared', after))]
      if (lstatSync(old, { throwIfNoEntry: false }) === undefined) continue
      mkdirSync(dirname(next), { recursive: true, mode: 0o700 })
      // Made meanwhile by an agent: nothing is overwritten.
      const free =
        lstatSync(next, { throwIfNoEntry: false }) === undefined ? next : join(target, relative('/shared', freePath(home, to, after, from)))
      mkdirSync(dirname(free), { recursive: true, mode: 0o700 })
      renameSync(old, free)
    }
  })
}
