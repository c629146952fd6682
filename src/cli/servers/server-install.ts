/** `oxbow servers install` and `oxbow servers discover`; what they do is the runner's (`src/runner/packages/`), which pages ask for it, too. */
import { dirname } from 'node:path'
import { installServer, plainLine, table } from '../../terminal/index.ts'
import { OxbowError, plural } from '../../base/index.ts'
import type { ServerPackages } from '../../protocol/index.ts'
import { loadServerPrograms } from '../../runner/index.ts'
import { guestSetup, withGuest, outputOf } from '../guest-connection.ts'
import { isInteractive, printAnswer, printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { isYes } from '../input.ts'
import { type AddOptions, settingsOf } from './servers.ts'

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
  const { home } = guestSetup(options, terminal)
  const { withServerProgram } = await loadServerPrograms()
  return withServerProgram({ home, env: terminal.env }, name, spec, async (found) => {
    if (!(await isInstallApproved(name, found, options, terminal))) return 0
    const program = await found.install(options.bin)
    const settings = await settingsOf(name, [program.command, ...program.args, ...args], {
      ...options,
      programFolder: program.program_folder,
    })
    return withGuest(options, terminal, async ({ gateway }) => {
      const output = await outputOf(gateway, 'server.add', { server: name, settings: { ...settings, lock: program.lock } })
      return printAnswer(output, `Installed ${spec}. \`oxbow servers approve ${name}\` shows what it offers.`, options, terminal)
    })
  })
}

async function isInstallApproved(
  name: string,
  { packages, digest }: ServerPackages,
  { digest: seen }: InstallOptions,
  terminal: Terminal,
): Promise<boolean> {
  const { assertSeen } = await loadServerPrograms()
  const rows = packages.map((each) => [
    plainLine(each.name, 80),
    plainLine(each.version, 40),
    plainLine(each.integrity, 24),
    each.has_scripts ? 'its install script is not run' : '',
  ])
  printText({ output: terminal.errors }, `${plural(packages.length, 'package')} would be installed for ${name}:\n${table(rows)}`)
  if (seen !== undefined) {
    assertSeen(digest, seen)
    return true
  }
  if (!isInteractive(terminal))
    throw new OxbowError('approval_required', 'Installing needs a terminal, or the digest of what you have seen.', {
      hint: `The same with --digest ${digest} installs exactly these.`,
    })
  if (await isYes(installServer.question, terminal)) return true
  printNotice(terminal, installServer.declined)
  return false
}

/** Lists servers that other programs have, in this folder, those above it, and the person's own files. Adds none. */
export async function serversDiscover(options: { readonly json?: boolean | undefined }, terminal: Terminal): Promise<number> {
  const folders: string[] = []
  for (let folder = process.cwd(); folders.at(-1) !== folder; folder = dirname(folder)) folders.push(folder)
  const { findServers } = await loadServerPrograms()
  const found = (await findServers(folders, terminal.env)).map(({ server, file, settings: { command, args, url } }) => {
    const runs = typeof url === 'string' ? url : [command, ...(Array.isArray(args) ? args : [])].map(String).join(' ')
    return { server, file, runs }
  })
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
