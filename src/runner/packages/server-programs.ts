/**
 * Programs of MCP servers that come from npm. Installing is a step of its own: npm resolves the packages into a lock file without fetching
 * any, a person approves what it names, and npm installs exactly that, without running their scripts. Running a server never fetches
 * anything, and one whose lock file has changed does not start.
 */
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isObject, type Json, type JsonObject, ownValue, OxbowError } from '../../base/index.ts'
import { serverName } from '../../config/index.ts'
import type { LockedPackage, ServerPackages, InstalledServer } from '../../protocol/index.ts'
import type { Home, HostEnv } from '../home.ts'
import { runNpm } from './npm.ts'

/** Packages that are resolved and not fetched. */
export interface ResolvedProgram extends ServerPackages {
  /** Fetches exactly these. @param bin program of the package; undefined: its only one @throws OxbowError `bad_input` for another one */
  install(bin: string | undefined): Promise<InstalledServer>
}

/**
 * @param spec a package of npm with its exact version
 * @param use what is not installed when it ends is removed
 * @throws OxbowError `bad_input` for what is no name or no package, `denied` for packages that nothing pins, `tool_failed`
 */
export async function withServerProgram<Result>(
  { home, env }: { readonly home: Home; readonly env: HostEnv },
  server: string,
  spec: string,
  use: (program: ResolvedProgram) => Promise<Result>,
): Promise<Result> {
  const [, pack, version] = /^((?:@[\w.~-]+\/)?[\w.~-]+)@(\d+\.\d+\.\d+[\w.+-]*)$/.exec(spec) ?? []
  if (pack === undefined || version === undefined || !isServerName(server))
    throw new OxbowError('bad_input', `${spec} is not a package with an exact version, or ${server} is not a name for a server.`, {
      hint: 'For example: oxbow servers install files @modelcontextprotocol/server-filesystem@2026.8.31 --folder /shared -- /shared',
    })
  const folder = serverProgramFolder(home, server)
  const staging = join(home.root, 'servers', `.staging-${randomUUID()}`)
  const npm = (args: readonly string[]): Promise<void> => runNpm(args, staging, env, 'install the server by hand')
  await mkdir(staging, { recursive: true })
  try {
    // Without a name, npm writes the folder's into the lock file, which would be another one each time.
    await writeFile(
      join(staging, 'package.json'),
      JSON.stringify({ name: `@oxbow-servers/${server}`, private: true, dependencies: { [pack]: version } }),
    )
    await npm(['install', '--package-lock-only'])
    const lock = await readFile(join(staging, 'package-lock.json'), 'utf8')
    const digest = createHash('sha256').update(lock).digest('hex')
    return await use({
      digest,
      packages: lockedPackages(lock),
      async install(bin) {
        await npm(['ci'])
        const entry = await entryOf(staging, pack, bin)
        await rm(folder, { recursive: true, force: true })
        await rename(staging, folder)
        return { command: 'node', args: [`/opt/server/${entry}`], program_folder: folder, lock: digest }
      },
    })
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

const isServerName = (name: string): boolean => serverName.safeParse(name).success

/** Where the programs of servers are installed, a folder for each. */
function serverProgramFolder(home: Home, server: string): string {
  return join(home.root, 'servers', server)
}

/** What npm has installed for a server goes with it. */
export async function removeServerProgram(home: Home, server: string): Promise<void> {
  if (isServerName(server)) await rm(serverProgramFolder(home, server), { recursive: true, force: true })
}

/** What is installed is named by what a person has seen. @throws OxbowError `denied` */
export function assertSeen(digest: string, seen: string): void {
  if (seen !== digest)
    throw new OxbowError('denied', 'These are not the packages that were shown with that digest.', {
      hint: `Look at the list again; its digest is now ${digest}.`,
    })
}

/** @throws OxbowError `denied` for a package that nothing pins */
export function lockedPackages(lock: string): readonly LockedPackage[] {
  const parsed = JSON.parse(lock) as Json
  const packages = isObject(parsed) && isObject(parsed['packages']) ? Object.entries(parsed['packages']) : []
  return packages.flatMap(([path, entry]): LockedPackage[] => {
    if (path === '' || !isObject(entry)) return []
    const { version, integrity, resolved, link, hasInstallScript } = entry
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    // npm can be set to leave the address of a registry out.
    const isOfRegistry = resolved === undefined || (typeof resolved === 'string' && /^https?:\/\//.test(resolved))
    const isPinned = typeof integrity === 'string' && /^sha(?:512|384|256)-/.test(integrity) && isOfRegistry && link !== true
    if (!isPinned)
      throw new OxbowError('denied', `${name} comes from no registry, or without a hash of its content.`, {
        hint: 'Install such a server by hand, and name its folder with --program-folder.',
      })
    return [{ name, version: typeof version === 'string' ? version : '', integrity, has_scripts: hasInstallScript === true }]
  })
}

/** @returns the path of the program within the folder */
async function entryOf(folder: string, pack: string, wanted: string | undefined): Promise<string> {
  const { bin } = JSON.parse(await readFile(join(folder, 'node_modules', pack, 'package.json'), 'utf8')) as JsonObject
  const programs = typeof bin === 'string' ? { [pack]: bin } : isObject(bin) ? bin : {}
  const names = Object.keys(programs)
  const chosen = ownValue(programs, wanted ?? names[0] ?? '')
  if (typeof chosen !== 'string' || (wanted === undefined && new Set(Object.values(programs)).size > 1))
    throw new OxbowError('bad_input', `${pack} has ${names.length === 0 ? 'no program' : `the programs ${names.join(', ')}`}.`, {
      hint: 'Choose one with --bin.',
    })
  return join('node_modules', pack, chosen)
}
