/**
 * A server of tools as an editor names it, and as Oxbow would run it: paths as the sandbox has them, and the values of variables apart. All
 * of it may come from the settings of a folder that somebody else has written.
 */
import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import type { McpServerStdio } from '@agentclientprotocol/sdk'
import { plainLine } from '../../terminal/index.ts'
import { toFailure, failureSentences } from '../../base/index.ts'
import type { McpServer } from '../../config/index.ts'
import { maxCommandChars, maxServerVariables, maxVariableChars } from '../limits.ts'
import type { AcpPorts, HeldServer } from '../ports.ts'

/** Where the editor works. */
export interface Place {
  /** The person's folder. */
  readonly own: string
  /** The same folder for agents; empty: they do not see it. */
  readonly guest: string
  /** What of it a server is shown: `/shared` or `/shared/NAME`; empty: nothing. */
  readonly shown: string
}

export interface WantedServer {
  /** As the editor calls it, for people. */
  readonly title: string
  /** The name that it gets if that is free. */
  readonly slug: string
  readonly program: Pick<McpServer, 'command' | 'args' | 'program_folder'>
  readonly place: Place
  /** Values that are no secrets. */
  readonly plain: ReadonlyMap<string, string>
  readonly secrets: ReadonlyMap<string, string>
  /** The package that its command would fetch from the network; null: none. */
  readonly fetched: FetchedPackage | null
  /** The same for the same program. */
  readonly key: string
}

interface FetchedPackage {
  readonly name: string
  /** Empty: the newest. */
  readonly version: string
  readonly args: readonly string[]
}

type Ports = Pick<AcpPorts, 'guestPath' | 'ownPath' | 'servers'>

export function placeOf(own: string, { guestPath, ownPath }: Pick<AcpPorts, 'guestPath' | 'ownPath'>): Place {
  const guest = guestPath(own) ?? ''
  const top = guest.split('/').slice(0, 3).join('/')
  // A folder of the workspace itself is shown with all of it.
  const isOfWorkspace = top === '/shared' || ownPath(top) === posix.join(ownPath('/shared') ?? '', posix.basename(top))
  return { own, guest, shown: guest === '' ? '' : isOfWorkspace ? '/shared' : top }
}

/** @returns the server, or why it cannot be run */
export function readServer({ name, command, args, env }: McpServerStdio, place: Place, ports: Ports): WantedServer | string {
  const problem = problemOf({ command, args, env })
  if (problem !== '') return `${problem}.`
  const inside = (text: string): string => translate(text, place)
  const fetched = packageOf(command, args, inside)
  try {
    const program = programOf(command, args, place, ports)
    const variables = Object.entries(Object.fromEntries(env.map((each) => [each.name, each.value])))
    const isShown = (value: string): boolean => [command, ...args].some((word) => word.includes(value.trim()))
    // A `$` would put another secret in.
    const isPlain = (variable: string, value: string): boolean =>
      value.trim() === '' || (!value.includes('$') && (plainVariables.has(variable) || inside(value) !== value || isShown(value)))
    const plain = variables.filter(([variable, value]) => isPlain(variable, value))
    return {
      title: plainLine(name, maxTitle) || 'server',
      slug: slugOf(name),
      program,
      place,
      plain: new Map(plain.map(([variable, value]) => [variable, inside(value.trim())])),
      secrets: new Map(variables.filter(([variable, value]) => !isPlain(variable, value))),
      fetched,
      key: hashOf([program, variables.map(([variable]) => variable).sort()]),
    }
  } catch (error) {
    const { message, hint } = toFailure(error, 'path_refused', '')
    return failureSentences({ message, hint })
  }
}

const maxTitle = 60

/** They say how a program behaves, and hold no secrets: a stored secret would be hidden wherever its value occurs, e.g. “production”. */
const plainVariables: ReadonlySet<string> = new Set(['NODE_ENV', 'LOG_LEVEL', 'DEBUG', 'TZ', 'LANG', 'NO_COLOR'])

function problemOf({ command, args, env }: Pick<McpServerStdio, 'command' | 'args' | 'env'>): string {
  const words = [command, ...args]
  if (command.trim() === '') return 'it names no program'
  if (words.some((word) => word.includes('\0'))) return 'its command line has a NUL character'
  if (args.length > 100 || words.join(' ').length > maxCommandChars)
    return `its command line is too long to be judged: more than ${maxCommandChars} characters or 100 arguments`
  if (env.length > maxServerVariables) return `it has more than ${maxServerVariables} variables`
  if (env.some(({ name }) => !/^[A-Za-z_]\w{0,89}$/.test(name) || name === '__proto__')) return 'one of its variables has no usable name'
  return env.some(({ value }) => value.length > maxVariableChars) ? `one of its variables has more than ${maxVariableChars} characters` : ''
}

/** @returns a path below the folder of the editor as agents know it; any other text unchanged */
function translate(text: string, { own, guest }: Place): string {
  const [, option = '', path = ''] = /^(-[\w-]*=)?(\/[^]*)$/.exec(text) ?? []
  const isBelow = guest !== '' && (path === own || path.startsWith(`${own}/`))
  return isBelow ? `${option}${guest}${path.slice(own.length)}` : text
}

/** @throws OxbowError for a program that no sandbox can show */
function programOf(command: string, args: readonly string[], place: Place, { servers }: Ports): WantedServer['program'] {
  const inside = args.map((arg) => translate(arg, place))
  const isNode = /^node(?:js)?$/.test(posix.basename(command))
  const own = translate(command, place)
  if (own !== command) return { command: own, args: inside, program_folder: '' }
  const placed = command.startsWith('/') && !isNode ? servers.placeProgram(command) : null
  if (placed !== null) {
    const isScript = /\.[cm]?js$/.test(placed.path)
    const run = isScript ? { command: 'node', args: [placed.path, ...inside] } : { command: placed.path, args: inside }
    return { ...run, program_folder: placed.folder }
  }
  const at = args.findIndex((arg) => !arg.startsWith('-'))
  const script = at >= 0 && args[at]!.startsWith('/') && inside[at] === args[at] ? servers.placeProgram(args[at]!) : null
  const words = script === null ? inside : inside.map((arg, each) => (each === at ? script.path : arg))
  return { command: isNode ? 'node' : command, args: words, program_folder: script?.folder ?? '' }
}

/** @returns the package of npm that a command like `npx -y PACKAGE` fetches */
function packageOf(command: string, args: readonly string[], inside: (text: string) => string): FetchedPackage | null {
  if (!/^(?:npx|bunx|pnpx)(?:\.cmd)?$/.test(posix.basename(command))) return null
  const at = args.findIndex((arg) => !arg.startsWith('-'))
  const [, name = '', version = ''] = /^((?:@[\w.~-]+\/)?[\w.~-]+)(?:@([\w.+-]+))?$/.exec(args[at] ?? '') ?? []
  return name === '' ? null : { name, version, args: args.slice(at + 1).map(inside) }
}

function slugOf(name: string): string {
  const slug = name
    .slice(0, 200)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, maxName)
    .replace(/-+$/, '')
  return slug === '' ? 'server' : slug
}

const maxName = 24
const hashChars = 6

const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex')

/** @returns another name, for a server whose own one is taken */
export function longName({ slug, key }: WantedServer): string {
  return `${slug.slice(0, maxName - hashChars - 1).replace(/-+$/, '')}-${key.slice(0, hashChars)}`
}

/** The name of the secret that is kept for a variable; two underscores, which no name of a server has, end that. */
export function secretName(server: string, variable: string): string {
  return `MCP_${server.toUpperCase().replaceAll('-', '_')}__${variable}`
}

/** As Oxbow keeps it under this name. */
export function settingsOf({ program, place, plain, secrets }: WantedServer, name: string): McpServer {
  const references = [...secrets.keys()].map((variable) => [variable, `$${secretName(name, variable)}`] as const)
  return {
    ...program,
    args: [...program.args],
    lock: '',
    url: '',
    env: Object.fromEntries([...plain, ...references]),
    headers: {},
    client_id: '',
    client_secret: '',
    folders: place.shown === '' ? [] : [`${place.shown}:rw`],
    allow: [],
    timeout_s: 30,
    sampling_tokens: 0,
  }
}

/** @returns whether a server that Oxbow has was made from the same program, or has the package installed that it would fetch */
export function isSame(held: HeldServer['settings'], { program, plain, secrets, fetched }: WantedServer): boolean {
  const equal = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((each, at) => each === b[at])
  const [entry = '', ...rest] = held.args
  if (fetched !== null && held.command === 'node' && entry.startsWith(`/opt/server/node_modules/${fetched.name}/`))
    return equal(rest, fetched.args)
  const variables = [...plain.keys(), ...secrets.keys()].sort()
  return (
    held.command === program.command &&
    held.program_folder === program.program_folder &&
    equal(held.args, program.args) &&
    equal(Object.keys(held.env).sort(), variables)
  )
}
