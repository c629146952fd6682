/** `oxbow tui`, and `oxbow` alone on a terminal: gives the full-screen terminal its guest and the person's files. */
import { readdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, posix, resolve } from 'node:path'
import { sharedPathOf, usersFolder } from '../../runner/index.ts'
import { plainLine } from '../../terminal/index.ts'
import { type FoundFile, type Link, type Ports, runTui } from '../../tui/index.ts'
import { type Connection, guestSetup, openConnection } from '../guest-connection.ts'
import { findLocalFile, uploadFiles } from '../own-files.ts'
import { printFailure, printText, type Terminal } from '../terminal.ts'
import { ofUser } from '../verb-parts.ts'
import { type ChatOptions, folderLine, needsSetup, offerOnce, tellOfInterrupted, tellOfServices } from './chat.ts'

/** @returns the exit code. */
export async function fullScreen(options: ChatOptions, terminal: Terminal): Promise<number> {
  await offerOnce(options, terminal)
  let place = ''
  if (options.folder !== undefined) {
    const { allowFolder } = await import('../kernel/folders.ts')
    place = await allowFolder(options.folder, options, terminal)
  }
  // What is printed meanwhile would stand in the middle of the screen: it is printed afterwards.
  const held: string[] = []
  const errors = Object.assign(Object.create(terminal.errors) as NodeJS.WriteStream, {
    write: (text: string | Uint8Array): boolean => held.push(String(text)) > 0,
  })
  const { failure, session } = await runTui(options, createPorts(options, { ...terminal, errors }, place))
  for (const text of held) terminal.errors.write(text)
  if (failure !== null) return printFailure(terminal, failure)
  if (session !== null) printText(terminal, `To go on: oxbow --session ${session.slice(0, sessionIdChars)}${ofUser(options.user)}`)
  return 0
}

/** The time of its creation to a second: enough to be the only one. */
const sessionIdChars = 11

/** @param place folder that agents must see, as they know it; empty: none was named */
function createPorts(options: ChatOptions, terminal: Terminal, place: string): Ports {
  const setup = guestSetup(options, terminal)
  const workspaces = usersFolder(setup.home)
  /** Undefined for a folder that agents do not see, or that does not exist. */
  const guestPath = (path: string): string | undefined => {
    try {
      return sharedPathOf(setup, resolve(path))
    } catch {
      return undefined
    }
  }
  const links = new WeakMap<Link, Connection>()
  return {
    version: terminal.version,
    env: terminal.env,
    folder: guestPath('.') ?? '/shared',
    open: () => openLink(options, terminal, links, place),
    ownFiles: (typed) => ownFiles(typed, guestPath),
    findFile: (path) => findLocalFile(path, workspaces),
    uploadFiles: (files, gateway) =>
      uploadFiles(
        files.map((file) => ({ ...file, workspaces })),
        gateway,
      ),

    news(link, tell) {
      if (place !== '') tell(folderLine(place))
      const connection = links.get(link)
      if (connection === undefined) return
      const { gateway, guest, setup: used } = connection
      if (guest.owned) void tellOfInterrupted(gateway, tell)
      void gateway.status().then((status) => {
        if (needsSetup({ status, config: used.config, env: terminal.env })) void tellOfServices(connection, options, terminal, tell)
      })
    },
  }
}

async function openLink(options: ChatOptions, terminal: Terminal, links: WeakMap<Link, Connection>, place: string): Promise<Link> {
  const connection = await openConnection(options, terminal)
  if (place !== '') {
    const { assertShown } = await import('../kernel/folders.ts')
    await assertShown(place, connection.gateway, connection.setup).catch(async (error: unknown) => {
      await connection.close()
      throw error
    })
  }
  links.set(connection, connection)
  return connection
}

const maxEntries = 500

/** Entries of a folder of the person whose names begin as typed. What the guest sees too is named by the guest's path. */
async function ownFiles(typed: string, guestPath: (path: string) => string | undefined): Promise<readonly FoundFile[]> {
  const slash = typed.lastIndexOf('/')
  const folder = typed.slice(0, slash + 1)
  const begins = typed.slice(slash + 1)
  const real = folder.startsWith('~/') ? join(homedir(), folder.slice(2)) : resolve(folder)
  const shared = guestPath(real)
  const entries = await readdir(real, { withFileTypes: true }).catch(() => [])
  return (
    entries
      .filter((entry) => entry.name.startsWith(begins) && (begins.startsWith('.') || !entry.name.startsWith('.')))
      // A name with such characters cannot be shown as it is, so it cannot be chosen.
      .filter(({ name }) => plainLine(name, 1_000) === name && !/\s/.test(name))
      .slice(0, maxEntries)
      .map((entry): FoundFile => {
        const isFolder = entry.isDirectory()
        const isShared = !isFolder && shared !== undefined
        return { path: isShared ? posix.join(shared, entry.name) : folder + entry.name, isFolder, isOwn: !isShared }
      })
      .toSorted((a, b) => Number(b.isFolder) - Number(a.isFolder) || (a.path < b.path ? -1 : 1))
  )
}
