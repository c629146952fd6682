/**
 * `oxbow servers install` and `oxbow servers discover`. Installing is a step of its own: npm resolves the packages into a lock file without
 * fetching any, the person approves what it names, and npm installs exactly that, without running their scripts. Running a server
 * never fetches anything, and one whose lock file has changed does not start.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { plainLine, plainText, table } from '../../terminal/index.ts'
import { isObject, type Json, type JsonObject, ownValue, OxbowError } from '../../base/index.ts'
import { guestSetup, withGuest, outputOf } from '../guest-connection.ts'
import { maxCallInputBytes } from '../limits.ts'
import { isInteractive, printAnswer, printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { isYes } from '../input.ts'
import { type AddOptions, programFolder, settingsOf } from './servers.ts'

export interface InstallOptions extends AddOptions {
  readonly digest?: string | undefined
  readonly bin?: string | undefined
}

/** @param spec a package of npm with its exact version */
export async function serversInstall(
  name: string,
  spec: string,
  args: readonly string[],
  options: InstallOptions,
  terminal: Terminal,
): Promise<number> {
  // First of all, as in every verb: a bad configuration.
  guestSetup(options, terminal)
  const [, pack, version] = /^((?:@[\w.~-]+\/)?[\w.~-]+)@(\d+\.\d+\.\d+[\w.+-]*)$/.exec(spec) ?? []
  if (pack === undefined || version === undefined || !/^[a-z][a-z0-9-]{0,23}$/.test(name))
    throw new OxbowError('bad_input', `${spec} is no package with an exact version, or ${name} no name of a server.`, {
      hint: 'For example: oxbow servers install files @modelcontextprotocol/server-filesystem@2026.8.31 --folder /shared -- /shared',
    })
  const folder = programFolder(terminal.env, name)
  const staging = `${folder}.new`
  await rm(staging, { recursive: true, force: true })
  await mkdir(staging, { recursive: true })
  try {
    await writeFile(join(staging, 'package.json'), JSON.stringify({ private: true, dependencies: { [pack]: version } }))
    await npm(['install', '--package-lock-only'], staging, terminal)
    const lock = await readFile(join(staging, 'package-lock.json'), 'utf8')
    const digest = createHash('sha256').update(lock).digest('hex')
    if (!(await isInstallApproved(name, lockedPackages(lock), digest, options, terminal))) return 0
    await npm(['ci'], staging, terminal)
    const entry = await entryOf(staging, pack, options.bin)
    await rm(folder, { recursive: true, force: true })
    await rename(staging, folder)
    const settings = await settingsOf(name, ['node', `/opt/server/${entry}`, ...args], { ...options, programFolder: folder })
    return await withGuest(options, terminal, async ({ gateway }) => {
      const output = await outputOf(gateway, 'server.add', { server: name, settings: { ...settings, lock: digest } })
      return printAnswer(output, `Installed ${spec}. \`oxbow servers approve ${name}\` shows what it offers.`, options, terminal)
    })
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

interface LockedPackage {
  readonly name: string
  readonly version: string
  readonly integrity: string
  readonly hasScripts: boolean
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
    return [{ name, version: typeof version === 'string' ? version : '', integrity, hasScripts: hasInstallScript === true }]
  })
}

async function isInstallApproved(
  name: string,
  packages: readonly LockedPackage[],
  digest: string,
  { digest: seen }: InstallOptions,
  terminal: Terminal,
): Promise<boolean> {
  const rows = packages.map((each) => [
    plainLine(each.name, 80),
    plainLine(each.version, 40),
    plainLine(each.integrity, 24),
    each.hasScripts ? 'its install script is not run' : '',
  ])
  printText({ output: terminal.errors }, `${packages.length} packages would be installed for ${name}:\n${table(rows)}`)
  if (seen !== undefined) {
    if (seen === digest) return true
    throw new OxbowError('denied', 'These are not the packages that were shown with that digest.', {
      hint: `The digest is now ${digest}.`,
    })
  }
  if (!isInteractive(terminal))
    throw new OxbowError('approval_required', 'Installing needs a terminal, or the digest of what you have seen.', {
      hint: `The same with --digest ${digest} installs exactly these.`,
    })
  if (await isYes('Install them?', terminal)) return true
  printNotice(terminal, 'Nothing was installed.')
  return false
}

/** Installing takes minutes on a slow line. */
const npmMs = 600_000
const shownOutput = 1_000

/** Scripts of packages never run. @throws OxbowError `tool_failed` */
function npm(args: readonly string[], cwd: string, { env }: Terminal): Promise<void> {
  const all = [...args, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  return new Promise((resolve, reject) => {
    execFile('npm', all, { cwd, env: { ...env }, timeout: npmMs, maxBuffer: 16 * 1024 * 1024 }, (error, _, stderr) => {
      if (error === null) return resolve()
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      reject(
        new OxbowError('tool_failed', isMissing ? 'npm was not found.' : `npm failed: ${plainText(stderr.slice(-shownOutput).trim())}`, {
          hint: isMissing ? 'Install Node with npm, or install the server by hand.' : 'Check the name and version, and the connection.',
          cause: error,
        }),
      )
    })
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

/** A server in a file of another program. */
interface FoundServer {
  readonly server: string
  readonly file: string
  readonly runs: string
}

/** Files of other programs, by the folder in which they lie. */
const ofFolder = ['.mcp.json', '.vscode/mcp.json', '.cursor/mcp.json']
const ofPerson = [
  '.claude.json',
  '.cursor/mcp.json',
  '.codeium/windsurf/mcp_config.json',
  '.config/Claude/claude_desktop_config.json',
  'Library/Application Support/Claude/claude_desktop_config.json',
]

/** Lists servers that other programs have, in this folder, those above it, and the person's own files. Adds none. */
export async function serversDiscover(options: { readonly json?: boolean | undefined }, terminal: Terminal): Promise<number> {
  const person = terminal.env['HOME'] ?? homedir()
  const folders: string[] = []
  for (let folder = process.cwd(); folders.at(-1) !== folder; folder = dirname(folder)) folders.push(folder)
  const files = [...folders.flatMap((folder) => ofFolder.map((name) => join(folder, name))), ...ofPerson.map((name) => join(person, name))]
  const found = (await Promise.all([...new Set(files)].map(serversIn))).flat()
  if (options.json === true) printLine(terminal, JSON.stringify(found))
  else if (found.length === 0) printNotice(terminal, 'No file of another program names a server here.')
  else {
    const rows = found.map(({ server, file, runs }) => [plainLine(server, 40), plainLine(file, 80), plainLine(runs, 80)])
    printText(
      terminal,
      `${table([['NAME', 'FILE', 'RUNS'], ...rows])}\n\n\`oxbow servers add NAME --from FILE\` adds one; a program that npx would fetch is installed first: \`oxbow servers install NAME PACKAGE@VERSION\`.`,
    )
  }
  return 0
}

async function serversIn(file: string): Promise<readonly FoundServer[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  if (text === '' || text.length > maxCallInputBytes) return []
  try {
    const parsed = JSON.parse(text) as Json
    const servers = isObject(parsed) ? (parsed['mcpServers'] ?? parsed['servers']) : undefined
    return Object.entries(isObject(servers) ? servers : {}).flatMap(([server, settings]) => {
      if (!isObject(settings)) return []
      const { command, args, url } = settings
      const runs = typeof url === 'string' ? url : [command, ...(Array.isArray(args) ? args : [])].map(String).join(' ')
      return [{ server, file, runs }]
    })
  } catch {
    // A file with comments, or of another form.
    return []
  }
}
