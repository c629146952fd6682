/**
 * Root steps down to a uid of its own before bubblewrap starts, and that uid cannot walk to folders below /root. So what it cannot
 * walk to is bound to other places first, in a mount namespace that nobody else sees.
 *
 * Every program that is started costs a millisecond or two, so there is one `mount` a folder and nothing else: folders go over
 * folders of the system that the sandbox shows nothing of. Only a file needs a file to go over, and so a tmpfs to make it in.
 */
import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { SandboxTools } from './sandbox-tools.ts'

export interface HiddenMounts {
  /** Shell commands that bind everything; '' when nothing has to be. */
  readonly script: string
  /** Where a path of the host is then. */
  placeOf(host: string): string
}

/** Every Linux has some of them (Filesystem Hierarchy Standard). */
const places = ['/mnt', '/media', '/srv', '/opt', '/home', '/boot']

/** @param needed paths on the host that the sandbox is made of, and those of the programs that make it: nothing goes over these */
export function hiddenMounts(folders: readonly string[], files: readonly string[], tools: SandboxTools): HiddenMounts {
  const hiddenFolders = folders.filter((path) => !isReachable(path))
  const hiddenFiles = files.filter((path) => !isReachable(path))
  const needed = [...folders, ...files, ...Object.values(tools)]
  const free = places.filter((place) => existsSync(place) && !needed.some((path) => `${path}/`.startsWith(`${place}/`)))
  const direct = hiddenFiles.length === 0 && hiddenFolders.length <= free.length
  const at = new Map<string, string>()
  if (direct) for (const [i, path] of hiddenFolders.entries()) at.set(path, free[i]!)
  else for (const [i, path] of [...hiddenFolders, ...hiddenFiles].entries()) at.set(path, `${free[0] ?? '/mnt'}/${i}`)
  const binds = [...at].map(([from, to]) => `${tools.mount} --bind ${quote(from)} ${to}`)
  const make = direct
    ? []
    : [
        `${tools.mount} -t tmpfs -o mode=711,size=64k,nosuid,nodev tmpfs ${free[0] ?? '/mnt'}`,
        ...(hiddenFolders.length === 0 ? [] : [`${tools.mkdir} ${hiddenFolders.map((path) => at.get(path)).join(' ')}`]),
        ...hiddenFiles.map((path) => `: > ${at.get(path)}`),
      ]
  return { script: [...make, ...binds].join('\n'), placeOf: (host) => at.get(host) ?? host }
}

/** Whether anybody may walk to it. */
function isReachable(path: string): boolean {
  for (let at = dirname(path); ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
