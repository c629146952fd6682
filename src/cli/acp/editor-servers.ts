/** Servers of tools that an editor names, by the calls of `oxbow servers`, and the rights, secrets and programs that they need. */
import { outputOf } from '../guest-connection.ts'
import { existsSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, posix, relative } from 'node:path'
import type { Gateway, HeldServer, OfferedTools, ServerPorts } from '../../acp/index.ts'
import { grantRight, type GuestSetup, hasDotFolder, hasRight, loadConfig, whyHidden } from '../../runner/index.ts'
import { OxbowError } from '../../base/index.ts'
import { restartGuest } from '../kernel/call.ts'
import { removeSecret, storeSecret } from '../kernel/secrets.ts'

/** The ports that only make calls. */
export const serverCalls: Pick<ServerPorts, 'list' | 'add' | 'look' | 'approve' | 'switchOff' | 'remove'> = {
  async list(gateway) {
    const { servers } = await outputOf(gateway, 'server.list', {})
    return servers.map(({ server, settings, enabled, approved, log }): HeldServer => ({ name: server, settings, enabled, approved, log }))
  },
  async add(name, settings, gateway) {
    await outputOf(gateway, 'server.add', { server: name, settings: { ...settings } })
  },
  look,
  async approve(name, digest, tools, gateway) {
    await outputOf(gateway, 'server.approve', { server: name, digest, tools: [...tools] })
  },
  async switchOff(name, gateway) {
    await outputOf(gateway, 'server.switch', { server: name, enabled: false })
  },
  async remove(name, gateway) {
    await outputOf(gateway, 'server.remove', { server: name })
  },
}

async function look(name: string, gateway: Gateway): Promise<OfferedTools> {
  const { digest, instructions, offers, tools } = await outputOf(gateway, 'server.diff', { server: name })
  return {
    digest,
    instructions: instructions.now,
    ...offers.now,
    tools: tools.flatMap(({ tool, problem, now }) => (now === null ? [] : [{ name: tool, description: now.description, problem }])),
  }
}

export function createServerPorts({ home, workspace, overrides, env }: GuestSetup): ServerPorts {
  return {
    ...serverCalls,
    placeProgram: (path) => placeProgram({ home, env }, path),
    storeSecret: (name, value, gateway) => storeSecret({ name, value }, gateway),
    removeSecret: (name, gateway) => removeSecret(name, gateway),
    hasRight: (right) => hasRight(loadConfig(home, workspace, overrides), right),
    grant: (right) => void grantRight(home, workspace, right, true),
    restart: restartGuest,
  }
}

// Which folder a program lies in, so that the sandbox can show it.

interface PlacedProgram {
  /** Its program folder: shown read-only at `/opt/server`. */
  readonly folder: string
  /** Of the program, inside. */
  readonly path: string
}

/**
 * The folder is the one in which the packages of the program are installed, else the nearest one above it that is a package, else its own.
 * @param path absolute
 * @returns null for a program of the system, and where there is no such file
 * @throws OxbowError `path_refused` if it is in a folder that no sandbox may show, or next to unrelated files
 */
function placeProgram(place: Pick<GuestSetup, 'home' | 'env'>, path: string): PlacedProgram | null {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return null
  const folder = realpathSync(dirname(path))
  const file = join(folder, basename(path))
  // What a program of npm is called by is a link to it; in an environment of Python, one to the system.
  const real = realpathSync(path)
  const isScript = /\.[cm]?js$/.test(real)
  const program = isScript ? real : file
  if (isSystem(program)) return null
  const root = packageRoot(program, place) ?? (basename(folder) === 'bin' && isShown(dirname(folder), place) ? dirname(folder) : folder)
  const why = whyHidden(root, place)
  if (why !== '') throw refused(path, root, why)
  if (dirname(root) === '/' && !isPackage(root)) throw refused(path, root, 'it is next to files of the whole machine')
  if (hasDotFolder(root) && !isPackage(root)) throw refused(path, root, 'it is in a folder whose name begins with a dot')
  return { folder: root, path: posix.join('/opt/server', relative(root, program)) }
}

const isSystem = (path: string): boolean => /^\/(?:usr|bin|sbin|lib|lib64)\//.test(path)

const isShown = (folder: string, place: Pick<GuestSetup, 'home' | 'env'>): boolean => whyHidden(folder, place) === ''

const isPackage = (folder: string): boolean => ['package.json', 'node_modules', 'pyvenv.cfg'].some((name) => existsSync(join(folder, name)))

/** @returns undefined without one. A home folder is not a package, even with a package.json. */
function packageRoot(program: string, place: Pick<GuestSetup, 'home' | 'env'>): string | undefined {
  const installed = program.indexOf('/node_modules/')
  if (installed > 0) return program.slice(0, installed)
  for (let folder = dirname(program); isShown(folder, place); folder = dirname(folder))
    if (existsSync(join(folder, 'package.json')) || existsSync(join(folder, 'pyvenv.cfg'))) return folder
  return undefined
}

function refused(path: string, folder: string, why: string): OxbowError {
  return new OxbowError('path_refused', `${path} cannot be run in the sandbox with its folder ${folder}: ${why}.`, {
    hint: 'Install it in a folder of its own.',
  })
}
