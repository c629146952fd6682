/**
 * Which files a request to hands can change, so that they are committed before it and after it. A request that names its files costs a look
 * at these; a program may change any.
 */
import { posix } from 'node:path'
import { type AskOptions, realPath, workspacePath } from '../../kernel/index.ts'
import type { Hands, HandsOp, HandsOps } from '../../protocol/index.ts'
import { removedNames } from './thread/left-out.ts'

/**
 * `named`: these files, by their real paths from /shared, and nothing else. `any`: the folders in `also` with the repositories in them; ''
 * is all of them.
 * `goesOn`: the program outlives the request.
 */
export type OpChange =
  | { readonly kind: 'none' }
  | { readonly kind: 'named'; readonly paths: readonly string[] }
  | { readonly kind: 'any'; readonly also: readonly string[]; readonly goesOn: boolean }

const none: OpChange = { kind: 'none' }
const program: ProgramChange = { kind: 'any', also: [], goesOn: false }
const lasting: ProgramChange = { ...program, goesOn: true }

type ProgramChange = Extract<OpChange, { kind: 'any' }>

interface Asking {
  readonly hands: Hands
  readonly options: AskOptions
  /** Whether the configuration leaves a path out of the versions. */
  readonly isIgnored: (path: string) => boolean
}

type Find<Op extends HandsOp> = OpChange | ((input: HandsOps[Op]['input'], asking: Asking) => Promise<OpChange>)

const opChanges: { readonly [Op in HandsOp]: Find<Op> } = {
  write: ({ path }, asking) => named(asking, [path]),
  edit: ({ path }, asking) => named(asking, [path]),
  // The file changes with the last piece.
  put: async ({ path, last }, asking) => (last ? named(asking, [path]) : none),
  unpack: async ({ last }) => (last ? program : none),
  patch: ({ path, diff }, asking) => named(asking, namesIn(diff, path)),
  move: ({ from, to }, asking) => moved(asking, from, to),
  delete: async ({ path, recursive }, asking) => (recursive ? below(asking, [path]) : named(asking, [path])),
  exec: async ({ command, program: started, cwd }, asking) => removedBy(asking, program, started?.argv ?? command, cwd),
  sessionOpen: async ({ command, cwd }, asking) => removedBy(asking, lasting, command, cwd),
  // Where a shell is by now is not known.
  sessionWrite: async ({ text }, asking) => removedBy(asking, lasting, text, '/shared'),
  sessionSignal: none,
  sessionClose: program,
  sessionRead: none,
  sessionResize: none,
  sessionList: none,
  read: none,
  bytes: none,
  list: none,
  search: none,
  stat: none,
  archive: none,
  survey: none,
  fingerprint: none,
  snapshot: none,
  collect: none,
  watch: none,
  execInputs: none,
  execOutput: none,
  usage: none,
  shutdown: none,
  browserOpen: none,
  browserAct: none,
  browserLook: none,
  browserPicture: none,
  browserTabs: none,
  browserDownloads: none,
}

/** @returns what an operation of hands may change */
export async function changeOf<Op extends HandsOp>(op: Op, input: HandsOps[Op]['input'], asking: Asking): Promise<OpChange> {
  const find: Find<Op> = opChanges[op]
  return typeof find === 'function' ? find(input, asking) : find
}

/** @returns from /shared, as it is named and where it leads; what is elsewhere has no versions */
async function placesOf({ hands, options }: Asking, path: string): Promise<readonly string[]> {
  const whole = workspacePath(path)
  if (whole === null) return []
  const ask = hands.ask.bind(hands)
  const folder = await realPath(ask, posix.dirname(whole), options)
  const name = posix.join(folder, posix.basename(whole))
  const places = [name, await realPath(ask, name, options)]
  return [...new Set(places)].filter((place) => place.startsWith('/shared/')).map((place) => place.slice('/shared/'.length))
}

async function named(asking: Asking, paths: readonly string[]): Promise<OpChange> {
  const places = await Promise.all([...new Set(paths)].map((path) => placesOf(asking, path)))
  const found = [...new Set(places.flat())]
  return found.length === 0 ? none : { kind: 'named', paths: found }
}

async function below(asking: Asking, paths: readonly string[]): Promise<OpChange> {
  const places = await Promise.all(paths.map((path) => placesOf(asking, path)))
  return { kind: 'any', also: [...new Set(places.flat())], goesOn: false }
}

/** @returns the change of a program, with the repositories that its command may remove */
async function removedBy(asking: Asking, change: ProgramChange, command: string | readonly string[], cwd: string): Promise<OpChange> {
  const names = removedNames(command, cwd).filter((name) => !asking.isIgnored(name))
  const places = await Promise.all(names.map(async (name) => (name === '/shared' ? [''] : placesOf(asking, name))))
  return { ...change, also: [...new Set(places.flat())] }
}

async function moved(asking: Asking, from: string, to: string): Promise<OpChange> {
  const { kind } = await asking.hands.ask('stat', { path: from }, asking.options).catch(() => ({ kind: 'missing' }))
  return kind === 'folder' ? below(asking, [from, to]) : named(asking, [from, to])
}

/** All that could be names in a diff; more than there are does no harm. */
function namesIn(diff: string, folder: string): readonly string[] {
  const lines = [...diff.matchAll(/^(?:--- |\+\+\+ |rename (?:from|to) |copy (?:from|to) )"?([^\t\r\n"]+)/gm)].map(([, name = '']) => name)
  const both = [...diff.matchAll(/^diff --git "?a\/(.+?)"? "?b\/(.+?)"?$/gm)].flatMap(([, a = '', b = '']) => [a, b])
  const names = [...lines, ...both].filter((name) => name !== '/dev/null')
  return names.flatMap((name) => [name, name.replace(/^[^/]*\//, '')]).map((name) => posix.join(workspacePath(folder) ?? '/shared', name))
}
