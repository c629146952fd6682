/** The command lines of `msb`, the program of microsandbox 0.6. */
import { containerProcessLimit, maxOpenFiles } from '../limits.ts'

export interface MsbMount {
  readonly host: string
  readonly inside: string
  readonly writable: boolean
}

export interface MsbStart {
  readonly name: string
  /** An OCI image with Node 24 as `node`, or a folder that is a root. */
  readonly image: string
  readonly mounts: readonly MsbMount[]
  readonly memoryMb: number
  readonly processors: number
  readonly processes: number
  readonly maxFileMb: number
  /** Uid and gid inside, to which the files of the mounts seem to belong. */
  readonly user: number
  /** Most bytes of what is written in each folder; null for no limit. */
  readonly diskMb: number | null
  readonly program: readonly string[]
}

/** By which what a killed kernel has left is found. */
const msbLabel = 'app=oxbow'

/**
 * A machine that waits for `execArguments`: `msb run` reads its input to the end before it starts a program, which hands cannot live with.
 * @returns null where a path cannot be said to `msb`, which splits its mounts at colons and commas
 */
export function createArguments(start: MsbStart): readonly string[] | null {
  const paths = start.mounts.flatMap(({ host, inside }) => [host, inside])
  if (paths.some((path) => /[:,\n]/.test(path))) return null
  return [
    ['create', '--name', start.name, '--label', msbLabel, '--quiet', '--pull', 'never', '--no-net'],
    ['--cpus', String(start.processors), '--memory', `${start.memoryMb}M`, '--hostname', 'oxbow'],
    ['--security', 'restricted', '--user', owner(start)],
    start.mounts.flatMap((mount) => ['--mount-dir', mountOf(mount, start)]),
    [start.image],
  ].flat()
}

/** Runs its program in the machine of that name, with the streams of both joined byte by byte. */
export function execArguments(start: Omit<MsbStart, 'image' | 'mounts' | 'memoryMb' | 'processors' | 'diskMb'>): readonly string[] {
  return [
    ['exec', '--stream', '--quiet', '--user', owner(start)],
    ['--rlimit', `nproc=${Math.min(start.processes, containerProcessLimit)}`, '--rlimit', `nofile=${maxOpenFiles}`],
    ['--rlimit', `fsize=${start.maxFileMb * 1024 * 1024}`],
    [start.name, '--', ...start.program],
  ].flat()
}

/** Names of the machines of this and of other kernels, one a line. */
export const listArguments: readonly string[] = ['list', '--quiet', '--label', msbLabel]

function owner({ user }: Pick<MsbStart, 'user'>): string {
  return `${user}:${user}`
}

function mountOf({ host, inside, writable }: MsbMount, { user, diskMb }: MsbStart): string {
  if (!writable) return `${host}:${inside}:ro`
  const quota = diskMb === null ? [] : [`quota=${diskMb}M`]
  return [host, inside, ['nosuid', 'nodev', ...quota, `uid=${user}`, `gid=${user}`].join(',')].join(':')
}

export function removeArguments(name: string): readonly string[] {
  return ['remove', '--force', '--quiet', name]
}

/** @param text what `msb doctor` says. @returns its complaints in one line, without paths of the host */
export function complaints(text: string): string {
  const lines = text.split('\n').filter((line) => /^error: |^\s*→ /.test(line))
  return lines
    .map((line) => line.replace(/^error: |^\s*→ /, '').replace(/\/(?!proc\/|dev\/)[^\s]*\/[^\s]*/g, '…'))
    .join('; ')
    .slice(0, 400)
}
