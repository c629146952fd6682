/** The command lines of `msb`, the program of microsandbox 0.6. Each flag was read by that program; no machine of it was ever seen to start here. */
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

/** @returns null where a path cannot be said to `msb`, which splits its mounts at colons and commas */
export function runArguments(start: MsbStart): readonly string[] | null {
  const paths = start.mounts.flatMap(({ host, inside }) => [host, inside])
  if (paths.some((path) => /[:,\n]/.test(path))) return null
  const { user } = start
  return [
    ['run', '--name', start.name, '--label', msbLabel, '--no-tty', '--quiet', '--pull', 'never', '--no-net'],
    ['--cpus', String(start.processors), '--memory', `${start.memoryMb}M`, '--hostname', 'oxbow'],
    ['--security', 'restricted', '--user', `${user}:${user}`],
    ['--rlimit', `nproc=${Math.min(start.processes, containerProcessLimit)}`, '--rlimit', `nofile=${maxOpenFiles}`],
    ['--rlimit', `fsize=${start.maxFileMb * 1024 * 1024}`],
    start.mounts.flatMap((mount) => ['--mount-dir', mountOf(mount, start)]),
    [start.image, '--', ...start.program],
  ].flat()
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
