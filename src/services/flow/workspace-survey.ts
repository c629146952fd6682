/** What is in the workspace, as hands see it, and what has changed in it between two looks. */
import type { AskOptions } from '../../kernel/index.ts'
import type { Hands } from '../../protocol/index.ts'

/** Time limit of one request to hands that looks at all files. */
export const snapshotTimeoutMs = 60_000

type Ask = Hands['ask']

/** The folders that every command sees. */
const folders = ['/shared', '/tmp'] as const
const maxEntries = 200_000
/** Paths that hands hash in one request, and all that are hashed. */
const hashedAtOnce = 100
const maxHashed = 500

/** Paths, and whether each stands for everything below it. */
export interface ChangedPaths {
  readonly paths: readonly string[]
  readonly trees: readonly string[]
}

export interface Survey {
  /** What is new or different since an earlier look; where one of both is incomplete, the whole workspace. */
  changedSince(earlier: Survey): ChangedPaths
  /** What may have changed after this time, in unix milliseconds. */
  changedAfter(at: number): ChangedPaths
  /** The paths that are not there. */
  missing(paths: readonly string[]): readonly string[]
  readonly paths: Iterable<string>
  /** Hard links: groups of paths that name the same file. */
  linked(): readonly (readonly string[])[]
  /** By path; a folder that cannot be read has ''. Null: nobody knows what is there. */
  readonly stamps: ReadonlyMap<string, string> | null
}

const everything: ChangedPaths = { paths: [], trees: folders }

/** Never rejects: what cannot be surveyed has changed. */
export async function surveyOf(ask: Ask, { signal }: AskOptions): Promise<Survey> {
  const options = { signal, timeoutMs: snapshotTimeoutMs }
  try {
    const stamps = new Map<string, string>()
    for (const folder of folders) {
      const { entries, truncated } = await ask('survey', { path: folder, maxEntries }, options)
      if (truncated) return surveyFrom(null)
      for (const { path, kind, stamp } of entries) stamps.set(`${folder}/${path}`, kind === 'closed' ? '' : stamp)
    }
    return surveyFrom(stamps)
  } catch {
    return surveyFrom(null)
  }
}

function surveyFrom(stamps: Survey['stamps']): Survey {
  const found = (isChanged: (path: string, stamp: string) => boolean): ChangedPaths => {
    if (stamps === null) return everything
    const changed = [...stamps].filter(([path, stamp]) => stamp === '' || isChanged(path, stamp))
    return {
      paths: changed.flatMap(([path, stamp]) => (stamp === '' ? [] : [path])),
      trees: changed.flatMap(([path, stamp]) => (stamp === '' ? [path] : [])),
    }
  }
  return {
    stamps,
    paths: stamps?.keys() ?? [],
    changedSince: ({ stamps: earlier }) => (earlier === null ? everything : found((path, stamp) => earlier.get(path) !== stamp)),
    // A file's stamp ends with the time of its last change, which no program can set; a folder's is only its number.
    changedAfter: (at) => found((_, stamp) => stamp.includes(' ') && !(Number(stamp.slice(stamp.lastIndexOf(' ') + 1)) < at)),
    linked() {
      const files = [...(stamps ?? [])].filter(([, stamp]) => stamp.includes(' '))
      return [...Map.groupBy(files, ([, stamp]) => stamp).values()].flatMap((same) => (same.length > 1 ? [same.map(([path]) => path)] : []))
    },
    missing: (paths) => (stamps === null ? [] : paths.filter((path) => !stamps.has(path))),
  }
}

/** @returns the files of this size */
export async function filesOfSize(ask: Ask, bytes: number, { signal }: AskOptions): Promise<readonly string[]> {
  const found: string[] = []
  for (const folder of folders) {
    const { entries } = await ask('survey', { path: folder, maxEntries }, { signal, timeoutMs: snapshotTimeoutMs })
    for (const entry of entries) if (entry.kind === 'file' && entry.bytes === bytes) found.push(`${folder}/${entry.path}`)
  }
  return found
}

/** @returns whether a job or a shell lives; also where hands do not say */
export async function hasSessions(ask: Ask, options: AskOptions): Promise<boolean> {
  try {
    const { sessions } = await ask('sessionList', { owner: '' }, options)
    return sessions.some(({ ended }) => ended === null)
  } catch {
    return true
  }
}

/** @returns whether commands have left something in shared memory; also where hands do not say */
export async function keepsMemory(ask: Ask, options: AskOptions): Promise<boolean> {
  try {
    return (await ask('usage', {}, options)).keepsMemory
  } catch {
    return true
  }
}

/** @returns the SHA-256 of those that are files of usual size */
export async function hashesOf(ask: Ask, paths: readonly string[], options: AskOptions): Promise<ReadonlyMap<string, string>> {
  const hashes = new Map<string, string>()
  for (let at = 0; at < Math.min(paths.length, maxHashed); at += hashedAtOnce) {
    try {
      const { files } = await ask('execInputs', { program: '', paths: paths.slice(at, at + hashedAtOnce) }, options)
      for (const { path, hash } of files) hashes.set(path, hash)
    } catch {
      return hashes
    }
  }
  return hashes
}
