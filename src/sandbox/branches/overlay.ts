/**
 * Overlays: folders that show what is in other folders, and keep what is changed in them apart. They are mounted in a mount namespace that
 * nobody else sees, without root in a user namespace too. No process lives in it: it is there while this process holds its descriptors, so
 * nothing is left mounted by a crash, and all sandboxes over the folders enter the same one (two mounts of one upper folder would not see
 * each other's changes). See docs/decisions/2026-11-27-branches-as-overlays.md.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram } from '../host-programs.ts'
import { overlayMountMs } from '../limits.ts'

/** Absolute paths on the host. */
export interface OverlayLayer {
  /** What is shown, and never changed. */
  readonly lower: string
  /** What is changed, and a folder next to it for the kernel. */
  readonly upper: string
  readonly work: string
  /** An empty folder, in which both are seen as one inside the namespace. */
  readonly place: string
}

/** @returns the layers of an overlay over a folder, in folders below `place` that exist */
export function layerAt(place: string, name: string, lower: string): OverlayLayer {
  return { lower, upper: join(place, `${name}.upper`), work: join(place, `${name}.work`), place: join(place, name) }
}

export interface MountedOverlay {
  /** A command behind these words runs where the overlays are mounted. */
  readonly enter: readonly string[]
  /** Unmounts them when the last process in there has ended. */
  close(): void
}

/**
 * @param passes nothing of them has to outlive this process: the first write to a file then does not wait for the disk (1 000 of them took 2.1 s, and
 * 0.08 s so), and they cannot be mounted again
 * @returns the overlays; or why this machine cannot mount them, as a person reads it. Never rejects.
 */
export async function mountOverlay(layers: readonly OverlayLayer[], searchPath: string, passes = false): Promise<MountedOverlay | string> {
  const nsenter = findProgram('nsenter', searchPath)
  if (nsenter === null) return 'nsenter is not installed (package util-linux)'
  const options = ({ lower, upper, work }: OverlayLayer): string =>
    `lowerdir=${lower},upperdir=${upper},workdir=${work}${passes ? ',volatile' : ''}`
  const kinds = isRoot() ? (['mnt'] as const) : (['mnt', 'user'] as const)
  const opened = await openInside(layers, options, searchPath, (process) =>
    kinds.map((kind) => ({ path: `${process}/ns/${kind}`, flags: 0 })),
  )
  if (typeof opened === 'string') return opened
  const [mnt, user] = opened
  const held = (descriptor: number): string => `/proc/${process.pid}/fd/${descriptor}`
  return {
    // It is the root of the user namespace already, and may not change that.
    enter: [nsenter, ...(user === undefined ? [] : [`--user=${held(user)}`, '--preserve-credentials']), `--mount=${held(mnt!)}`, '--'],
    close: () => closeAll(opened),
  }
}

/**
 * Shows both folders as one, with nothing remembered from before, and to nobody else.
 * @returns a descriptor of each folder, to be closed; or why this machine cannot. Never rejects.
 */
export function openMerged(layers: readonly OverlayLayer[], searchPath: string): Promise<readonly number[] | string> {
  const options = ({ lower, upper }: OverlayLayer): string => `lowerdir=${upper}:${lower}`
  return openInside(layers, options, searchPath, (process) =>
    layers.map(({ place }) => ({ path: `${process}/root${place}`, flags: folderFlags })),
  )
}

export function closeAll(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor)
}

/** Of a folder that is not reached through a link. */
export const folderFlags: number = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

const isRoot = (): boolean => process.getuid?.() === 0

interface Wanted {
  readonly path: string
  readonly flags: number
}

/** @param wanted what is opened of the process in whose namespace they are mounted, by its folder in /proc */
async function openInside(
  layers: readonly OverlayLayer[],
  options: (layer: OverlayLayer) => string,
  searchPath: string,
  wanted: (process: string) => readonly Wanted[],
): Promise<readonly number[] | string> {
  if (process.platform !== 'linux') return 'only Linux has overlays'
  const names = ['unshare', 'mount', 'sh'] as const
  const found = names.map((name) => findProgram(name, searchPath))
  const missing = names.filter((_, at) => found[at] === null)
  if (missing.length > 0) return `${missing.join(' and ')} is not installed (packages util-linux and mount)`
  // They would have to be escaped, for the options and once more for `mount`.
  const paths = layers.flatMap(({ lower, upper, work }) => [lower, upper, work])
  if (paths.some((path) => /[,:\\"\n]/.test(path))) return 'a path has a comma, a colon, a quote or a backslash'
  const [unshare, mount, sh] = found as [string, string, string]
  // `userxattr`: what the kernel notes of the upper folder can be noted without root, too. Linux 5.11.
  const mounts = layers.map(
    (layer) => `"$0" -t overlay -o ${quote(`${options(layer)},userxattr,nosuid,nodev`)} overlay ${quote(layer.place)}`,
  )
  const script = `${mounts.join('\n')}\necho\nread -r _ || :`
  const own = isRoot() ? [] : ['--user', '--map-root-user']
  return openOf(unshare, [...own, '--mount', '--propagation', 'private', '--', sh, '-ec', script, mount], wanted)
}

function openOf(
  file: string,
  args: readonly string[],
  wanted: (process: string) => readonly Wanted[],
): Promise<readonly number[] | string> {
  const { spawn } = process.getBuiltinModule('node:child_process')
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: 'pipe', env: {}, cwd: '/', timeout: overlayMountMs, killSignal: 'SIGKILL' })
    let said = ''
    child.stdin.on('error', () => {})
    child.stderr.on('data', (bytes: Buffer) => (said = `${said}${bytes.toString()}`.slice(0, 500)))
    // It has mounted them, and waits for a line.
    child.stdout.once('data', () => {
      const opened: number[] = []
      try {
        for (const { path, flags } of wanted(`/proc/${child.pid}`)) opened.push(openSync(path, flags))
        resolve(opened)
      } catch (error) {
        closeAll(opened)
        resolve(error instanceof Error ? error.message : 'its namespace cannot be opened')
      }
      child.stdin.end('\n')
    })
    child.once('error', (error) => resolve(error.message))
    child.once('close', () => resolve(`the kernel does not mount one here (${said.trim().split('\n')[0] || 'it does not say why'})`))
  })
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
